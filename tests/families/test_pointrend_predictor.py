"""Behaviour that needs no official number: small networks with drawn weights."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from models import checkpoint, pointrend
from models.checkpoint import CheckpointError
from models.layers.inference import prepare
from models.outputs import SemanticMap
from models.pointrend import (
    PointRend,
    PointRendConfig,
    PointRendPredictor,
    load_network,
)
from models.pointrend.model import CoarseOutputs
from models.pointrend.point_head import PointHead
from models.pointrend.subdivision import Subdivision
from models.predictor import ImagePredictor
from tests.goldens import manifest, needs_goldens

_WIDTHS = {"stem_channels": 8, "mid_channels": (4, 4, 8, 8), "block_counts": (1, 1, 1, 1)}
_NARROW = {**_WIDTHS, "pyramid_channels": 16, "point_channels": (16, 16, 16)}
SMALL = {
    "deeplab": replace(
        pointrend.DEEPLABV3_R50,
        **_WIDTHS,
        coarse_channels=8,
        min_size=72,
        max_size=200,
        subdivision_num_points=300,
    ),
    "detectron2": replace(
        pointrend.FPN_R101_CITYSCAPES,
        **_NARROW,
        coarse_channels=32,
        min_size=72,
        max_size=200,
        subdivision_num_points=300,
    ),
    "mmseg": replace(
        pointrend.FPN_R50_ADE20K,
        **_NARROW,
        coarse_channels=16,
        min_size=72,
        max_size=200,
        subdivision_num_points=300,
    ),
    "demo": replace(pointrend.DEMO, min_size=72, max_size=200),
}


def drawn_weights(config: PointRendConfig) -> dict[str, torch.Tensor]:
    """Initial weights, the point head's answers spread out so that refinement shows."""
    torch.manual_seed(3)
    model = PointRend(config)
    if model.point_head is not None:
        nn.init.normal_(model.point_head.predictor.weight, std=0.5)
    return model.state_dict()


def build(kind: str, dtype: torch.dtype = torch.float32, **overrides: Any) -> PointRendPredictor:
    config = replace(SMALL[kind], **overrides)
    return PointRendPredictor(prepare(load_network(config, drawn_weights(config)), "cpu", dtype))


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Patches of random colours."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 9 + 1, width // 9 + 1, 3), dtype=np.uint8)
    return np.kron(coarse, np.ones((9, 9, 1), dtype=np.uint8))[:height, :width]


def agreement(one: SemanticMap, other: SemanticMap) -> float:
    return (one.label_map == other.label_map).float().mean().item()


def test_it_is_an_image_predictor() -> None:
    predictor = build("demo")
    assert isinstance(predictor, ImagePredictor)
    assert list(predictor.categories) == list(range(7))


@pytest.mark.parametrize("kind", SMALL)
@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (7, 5), (37, 83), (96, 64), (250, 31)])
def test_every_size_ends_with_a_label_for_every_pixel(kind: str, size: tuple[int, int]) -> None:
    predictor = build(kind)
    for refine in (True, False):
        (answer,) = predictor.predict([picture(*size)], refine=refine)
        assert answer.label_map.shape == size
        assert answer.label_map.dtype == torch.uint8
        assert set(answer.labels.tolist()) <= set(predictor.categories)
        assert answer.is_refined == refine


@pytest.mark.parametrize("kind", SMALL)
def test_answers_do_not_depend_on_companions_or_order(kind: str) -> None:
    predictor = build(kind)
    sizes = [(120, 90), (60, 150), (240, 180), (61, 151), (30, 29)]
    pictures = [picture(*size, seed) for seed, size in enumerate(sizes)]
    assert 1 < len({predictor.input_shape(size) for size in sizes}) < len(sizes)
    together = predictor.predict(pictures)
    backwards = predictor.predict(pictures[::-1])[::-1]
    for image, found, again in zip(pictures, together, backwards, strict=True):
        (alone,) = predictor.predict([image])
        assert len(alone.labels) > 1
        assert agreement(found, alone) > 0.999
        assert agreement(again, alone) > 0.999


@pytest.mark.parametrize("kind", SMALL)
def test_the_input_has_the_shape_that_was_promised(kind: str) -> None:
    predictor = build(kind)
    seen: list[torch.Size] = []
    predictor._model.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape[2:]))
    predictor.predict([picture(50, 77)])
    assert seen == [predictor.input_shape((50, 77))]


@pytest.mark.parametrize("kind", SMALL)
def test_refinement_changes_the_answer(kind: str) -> None:
    predictor = build(kind)
    fine, coarse = (
        predictor.predict([picture(90, 120)], refine=refine)[0] for refine in (True, False)
    )
    assert agreement(fine, coarse) < 0.99


def test_no_pictures_give_no_answers() -> None:
    assert build("demo").predict([]) == []


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), dtype=np.uint8),
        np.zeros((4, 4, 4), dtype=np.uint8),
        np.zeros((4, 4, 3), dtype=np.float32),
        np.zeros((0, 4, 3), dtype=np.uint8),
    ],
)
def test_what_is_no_picture_is_refused(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="uint8 expected"):
        build("demo").predict([image])


@pytest.mark.parametrize("kind", SMALL)
def test_half_precision_gives_nearly_the_same_answer(kind: str) -> None:
    exact, half = (
        build(kind, dtype).predict([picture(90, 120)])[0]
        for dtype in (torch.float32, torch.bfloat16)
    )
    assert agreement(exact, half) > 0.9


@pytest.mark.parametrize("kind", SMALL)
def test_folded_norms_leave_the_answer_as_it_is(kind: str) -> None:
    weights = drawn_weights(SMALL[kind])
    for name, value in weights.items():
        if name.endswith(("running_var", "running_mean")):
            value.uniform_(0.5, 1.5)
    model = PointRend(SMALL[kind])
    checkpoint.load_strict(model, weights)
    images = torch.randn(1, 3, 64, 96)
    own = checkpoint.read(weights)  # what makes a network ready changes its weights
    folded = prepare(load_network(SMALL[kind], own), "cpu", torch.float32)
    with torch.inference_mode():
        as_trained, ready = model.eval()(images), folded(images)
    torch.testing.assert_close(ready.coarse_logits, as_trained.coarse_logits, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(ready.fine_features, as_trained.fine_features, rtol=1e-3, atol=1e-4)


class Marking(PointHead):
    """Answers 100 for class 1 at every point and counts the points."""

    def __init__(self, config: PointRendConfig) -> None:
        super().__init__(4, config)
        self.asked: list[int] = []

    def forward(self, fine: torch.Tensor, coarse: torch.Tensor) -> torch.Tensor:
        self.asked.append(fine.shape[1])
        answers = torch.zeros_like(coarse)
        answers[..., 1] = 100
        return answers


def test_a_step_touches_the_chosen_points_and_nothing_else() -> None:
    config = replace(SMALL["detectron2"], subdivision_steps=1, subdivision_num_points=50)
    subdivision = Subdivision(Marking(config), config)
    coarse = torch.randn(1, config.class_count, 9, 11)
    enlarged = subdivision.enlarge(coarse)
    chosen = subdivision.choose(enlarged)
    refined = subdivision.refine(coarse, torch.randn(1, 4, 9, 11), 44)
    is_marked = refined[0, 1].flatten() == 100
    assert is_marked.nonzero()[:, 0].tolist() == sorted(chosen[0].tolist())
    untouched = refined.flatten(2)[:, :, ~is_marked]
    assert torch.equal(untouched, enlarged.flatten(2)[:, :, ~is_marked])


def test_the_point_head_is_asked_about_so_many_points_in_every_step() -> None:
    config = replace(SMALL["deeplab"], subdivision_num_points=50)
    head = Marking(config)
    Subdivision(head, config).refine(
        torch.randn(2, config.class_count, 3, 5), torch.randn(2, 4, 6, 6), 40
    )
    assert head.asked == [50, 50, 50]


@pytest.mark.parametrize(
    ("coarse_width", "input_width", "steps"),
    [(1, 1, 0), (1, 2, 1), (3, 24, 3), (26, 205, 3), (1, 5, 3), (1, 8, 3), (25, 200, 3), (9, 72, 3),
     (10, 73, 3), (18, 72, 2), (10, 9, 0)],
)  # fmt: skip
def test_the_map_grows_until_it_is_as_wide_as_the_input(
    coarse_width: int, input_width: int, steps: int
) -> None:
    config = SMALL["deeplab"]
    subdivision = Subdivision(PointHead(4, config), config)
    assert subdivision.count_steps(coarse_width, input_width) == steps
    assert coarse_width * 2**steps >= input_width
    assert steps == 0 or coarse_width * 2 ** (steps - 1) < input_width


def test_a_network_without_a_point_head_answers_coarsely() -> None:
    model = PointRend(replace(SMALL["deeplab"], has_point_head=False))
    coarse = CoarseOutputs(torch.randn(1, 21, 3, 4), torch.randn(1, 16, 3, 4))
    assert model.refine(coarse, 32) is coarse.coarse_logits


_PUBLISHED = {
    "deeplabv3_resnet50_pointrend": pointrend.DEEPLABV3_R50,
    "deeplabv3_resnet101_pointrend": pointrend.DEEPLABV3_R101,
    "pointrend_semantic_R_101_FPN_1x_cityscapes": pointrend.FPN_R101_CITYSCAPES,
    "pointrend_r50_512x512_160k_ade20k": pointrend.FPN_R50_ADE20K,
    "pointrend_r101_512x512_160k_ade20k": pointrend.FPN_R101_ADE20K,
}


def published(name: str) -> dict[str, torch.Tensor]:
    """Tensors of the published names and shapes that take no memory."""
    tensors = manifest("pointrend", f"manifest-{name}.json")["tensors"]
    return {name: torch.zeros(()).expand(spec["shape"]) for name, spec in tensors.items()}


@needs_goldens
@pytest.mark.parametrize("name", _PUBLISHED)
def test_a_published_file_must_hold_each_tensor_and_no_other(name: str) -> None:
    config, weights = _PUBLISHED[name], published(name)
    used = [key for key in weights if not key.endswith("num_batches_tracked")]
    for key in (used[0], used[len(used) // 2], used[-1]):
        without = {other: tensor for other, tensor in weights.items() if other != key}
        with pytest.raises(CheckpointError, match="1 missing"):
            load_network(config, without)
    with pytest.raises(CheckpointError, match="1 unexpected: stray"):
        load_network(config, {**weights, "stray": torch.zeros(1)})
    with pytest.raises(CheckpointError, match="1 misshapen"):
        load_network(config, {**weights, used[-1]: torch.zeros(3)})


@needs_goldens
@pytest.mark.parametrize("name", ["deeplabv3_resnet50_coco", "deeplabv3_resnet101_coco"])
def test_torchvisions_file_may_lack_a_point_head_and_so_may_ours(name: str) -> None:
    depth = name.split("_")[1].removeprefix("resnet")
    config = _PUBLISHED[f"deeplabv3_resnet{depth}_pointrend"]
    predictor = PointRendPredictor(
        prepare(load_network(config, checkpoint.read(published(name))), "cpu", torch.float32)
    )
    assert predictor._model.point_head is None
    ours = load_network(config, published(name)).state_dict()
    assert load_network(config, ours).point_head is None
    complete = published(f"deeplabv3_resnet{depth}_pointrend")
    headless = {key: value for key, value in complete.items() if not key.startswith("head.")}
    with pytest.raises(CheckpointError, match="2 missing: point_head"):
        load_network(config, headless)


@needs_goldens
@pytest.mark.parametrize(
    ("file", "name", "id_"),
    [
        ("labels-voc21.json", "VOC", lambda label: label["index"]),
        ("labels-cityscapes19.json", "CITYSCAPES", lambda label: label["label_id"]),
        ("labels-ade20k150.json", "ADE20K", lambda label: label["index"] + 1),
    ],
)
def test_the_categories_are_the_published_ones(file: str, name: str, id_: Any) -> None:
    categories = getattr(pointrend.labels, name)
    official = manifest("pointrend", file)["labels"]
    assert list(categories) == [label["index"] for label in official]
    for label, category in zip(official, categories.values(), strict=True):
        assert category.id == id_(label)
        assert category.name == label["name"].strip()
        assert category.colour == tuple(label["color"])


def test_more_classes_than_a_byte_holds_are_refused() -> None:
    category = next(iter(pointrend.labels.VOC.values()))
    with pytest.raises(ValueError, match="257 classes"):
        replace(SMALL["demo"], categories={256: category})
