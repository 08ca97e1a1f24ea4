"""Behaviour that needs no official number: small networks with drawn weights."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from models import zoo
from models.deformable_detr import (
    DEMO,
    DeformableDetr,
    DeformableDetrConfig,
    DeformableDetrPredictor,
    load_network,
)
from models.deformable_detr.preprocess import input_shape
from models.layers.inference import prepare
from models.outputs import Detections
from models.predictor import ImagePredictor

SMALL = replace(
    DEMO,
    min_size=96,
    max_size=160,
    size_divisor=1,
    stem_channels=8,
    mid_channels=(4, 8, 8, 8),
    query_count=20,
)


def drawn_weights(config: DeformableDetrConfig) -> dict[str, torch.Tensor]:
    """Initial weights, those that start from zero drawn too, so that answers differ."""
    torch.manual_seed(3)
    model = DeformableDetr(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1 and not parameter.any():
                parameter.normal_(std=0.1)
        for head in model.class_embed:
            head.weight.mul_(4)
    return model.state_dict()


def build(dtype: torch.dtype = torch.float32, **overrides: Any) -> DeformableDetrPredictor:
    config = replace(SMALL, **overrides)
    return DeformableDetrPredictor(
        prepare(load_network(config, drawn_weights(config)), "cpu", dtype)
    )


@pytest.fixture(scope="module")
def predictor() -> DeformableDetrPredictor:
    return build()


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def assert_equal(found: Detections, expected: Detections) -> None:
    assert torch.equal(found.labels, expected.labels)
    torch.testing.assert_close(found.boxes_xyxy, expected.boxes_xyxy, rtol=0, atol=1e-2)
    torch.testing.assert_close(found.scores, expected.scores, rtol=0, atol=1e-5)


def test_it_is_an_image_predictor(predictor: DeformableDetrPredictor) -> None:
    assert isinstance(predictor, ImagePredictor)
    assert list(predictor.categories) == [1, 2, 3, 4, 5, 6]


def test_answers_do_not_depend_on_companions_or_order(predictor: DeformableDetrPredictor) -> None:
    sizes = [(120, 90), (60, 100), (240, 180), (61, 90), (30, 50)]
    pictures = [picture(*size, seed) for seed, size in enumerate(sizes)]
    assert 1 < len({predictor.input_shape(size) for size in sizes}) < len(sizes)
    together = predictor.predict(pictures)
    backwards = predictor.predict(pictures[::-1])[::-1]
    for image, found, again in zip(pictures, together, backwards, strict=True):
        (alone,) = predictor.predict([image])
        assert len(alone.scores) == 100
        assert_equal(found, alone)
        assert_equal(again, alone)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (7, 5), (3, 2000), (250, 31)])
def test_pictures_of_every_size_get_answers(
    predictor: DeformableDetrPredictor, size: tuple[int, int]
) -> None:
    (found,) = predictor.predict([picture(*size)])
    assert len(found.scores) > 0
    assert found.boxes_xyxy.isfinite().all()
    assert ((found.scores > 0) & (found.scores <= 1)).all()


def test_no_side_of_an_input_vanishes_or_grows_with_the_picture() -> None:
    published = replace(SMALL, min_size=800, max_size=1333)
    assert input_shape((1, 5000), published) == (1, 1333)
    assert input_shape((9000, 3), published) == (1333, 3)
    assert input_shape((1, 2500), published) == (1, 2500)
    assert input_shape((50_000_000, 1), published) == (1333, 1)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((480, 520), (224, 256)),
        ((640, 320), (288, 128)),
        ((100, 100), (224, 224)),
        ((1, 900), (32, 288)),
    ],
)
def test_sides_are_rounded_to_multiples_where_a_divisor_is_set(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert input_shape(size, DEMO) == expected


def test_there_are_never_more_queries_than_tokens() -> None:
    """The official code fails on such small pictures."""
    greedy = build(query_count=500)
    (found,) = greedy.predict([picture(96, 96)], max_detections=10_000)
    assert len(found.scores) == (12 * 12 + 6 * 6 + 3 * 3) * 6


def test_options_leave_out_scores_labels_and_the_worst(predictor: DeformableDetrPredictor) -> None:
    image = picture(96, 96)
    (everything,) = predictor.predict([image], max_detections=10_000)
    assert len(everything.scores) == 20 * 6
    threshold = everything.scores[30].item()
    (above,) = predictor.predict([image], score_threshold=threshold)
    assert_equal(above, rows(everything, everything.scores > threshold))
    assert len(above.scores) == 30
    (best,) = predictor.predict([image], max_detections=7)
    assert_equal(best, rows(everything, torch.arange(120) < 7))
    is_wanted = (everything.labels == 2) | (everything.labels == 5)
    (wanted,) = predictor.predict([image], labels=[5, 2])
    assert_equal(wanted, rows(everything, is_wanted))
    (none,) = predictor.predict([image], labels=[])
    assert none.boxes_xyxy.shape == (0, 4)
    (unknown,) = predictor.predict([image], labels=[77, -1])
    assert len(unknown.scores) == 0


def rows(found: Detections, chosen: torch.Tensor) -> Detections:
    return Detections(found.boxes_xyxy[chosen], found.labels[chosen], found.scores[chosen])


def test_columns_without_a_category_answer_only_when_asked() -> None:
    categories = {id_: SMALL.categories[id_] for id_ in (2, 4)}
    sparse = build(categories=categories)
    (found,) = sparse.predict([picture(96, 96)])
    assert set(found.labels.tolist()) == {2, 4}
    (asked,) = sparse.predict([picture(96, 96)], labels=range(5))
    assert set(asked.labels.tolist()) == {0, 1, 2, 3, 4}


def test_outputs_may_be_changed_by_who_gets_them(predictor: DeformableDetrPredictor) -> None:
    (found,) = predictor.predict([picture(96, 96)])
    found.boxes_xyxy.mul_(2)
    found.scores[0] = 1


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((8, 8), dtype=np.uint8),
        np.zeros((8, 8, 3), dtype=np.float32),
        np.zeros((0, 8, 3), dtype=np.uint8),
    ],
)
def test_what_is_no_picture_is_refused(
    predictor: DeformableDetrPredictor, wrong: np.ndarray
) -> None:
    with pytest.raises(ValueError, match=r"\[h, w, 3\] uint8 expected"):
        predictor.predict([picture(8, 8), wrong])


@pytest.mark.parametrize("is_two_stage", [True, False])
def test_half_the_bits_give_nearly_the_same_boxes(is_two_stage: bool) -> None:
    # Few differences between proposals: the choice among them stays out of this.
    overrides = {"is_two_stage": is_two_stage, "query_count": 20 if not is_two_stage else 189}
    image = picture(96, 96)
    (exact,) = build(**overrides).predict([image], max_detections=10_000)
    (rough,) = build(torch.bfloat16, **overrides).predict([image], max_detections=10_000)
    assert rough.boxes_xyxy.dtype == rough.scores.dtype == torch.float32
    distances = (rough.boxes_xyxy[None] - exact.boxes_xyxy[:, None]).abs().amax(-1)
    distances[exact.labels[:, None] != rough.labels[None]] = torch.inf
    assert distances.amin(1).median() < 1.5


def test_a_second_stage_needs_refinement() -> None:
    with pytest.raises(ValueError, match="is_refined must be set"):
        replace(SMALL, is_refined=False)


def test_the_demo_network_is_small() -> None:
    with torch.device("meta"):
        weights = zoo.build("deformable_detr_demo").state_dict()
    assert sum(2 * tensor.numel() for tensor in weights.values()) < 5_000_000
