"""The heads alone, small, with every intermediate, and one training step of each publication."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.ops.point_sample import uncertainty
from models.pointrend import config as configs
from models.pointrend.coarse_heads import PyramidHead
from models.pointrend.config import PYRAMID_LEVELS
from models.pointrend.loss import choose_points, coarse_loss, point_loss
from models.pointrend.model import CoarseOutputs
from models.pointrend.point_head import PointHead
from models.pointrend.published_names import (
    DETECTRON2,
    MMSEGMENTATION,
    POINTREND_DEEPLABV3,
    translate,
)
from models.pointrend.subdivision import Subdivision, write_back
from models.predictor import Category
from tests.goldens import Golden, golden, needs_goldens

pytestmark = needs_goldens

_SMALL = {
    "categories": {label: Category(label, str(label)) for label in range(5)},
    "subdivision_num_points": 90,
    "train_num_points": 64,
}
_CONFIGS = {
    "mini_zs": replace(configs.DEEPLABV3_R50, **(_SMALL | {"train_num_points": 32})),
    "mini_d2": replace(configs.FPN_R101_CITYSCAPES, point_channels=(12, 12, 12), **_SMALL),
    "mini_mm": replace(configs.FPN_R50_ADE20K, point_channels=(12, 12, 12), **_SMALL),
}
_NAMINGS = {"mini_zs": POINTREND_DEEPLABV3, "mini_d2": DETECTRON2, "mini_mm": MMSEGMENTATION}
_NORMS: dict[str, Callable[[int], nn.Module]] = {
    "mini_d2": partial(nn.GroupNorm, 32),
    "mini_mm": nn.BatchNorm2d,
}
NAMES = list(_CONFIGS)
PYRAMIDS = list(_NORMS)


def given(name: str) -> Golden:
    return golden("pointrend", name)


def tensor(name: str, key: str) -> Tensor:
    return torch.from_numpy(np.asarray(given(name)[key]))


def load(name: str, part: str, module: nn.Module) -> nn.Module:
    """Give a part of the network the golden's weights, by way of the table of published names."""
    prefix = "sem_seg_head." if name == "mini_d2" else ""
    published = {
        prefix + key.removeprefix("w/"): tensor(name, key)
        for key in given(name).arrays
        if key.startswith("w/") and not key.endswith("num_batches_tracked")
    }
    ours = translate(published, _NAMINGS[name])
    own = {key.removeprefix(part): value for key, value in ours.items() if key.startswith(part)}
    missing, unexpected = module.load_state_dict(own, strict=False)
    assert not unexpected
    assert all(key.endswith("num_batches_tracked") for key in missing)
    return module


def point_head(name: str, **changes: Any) -> PointHead:
    head = PointHead(8, replace(_CONFIGS[name], **changes))
    return load(name, "point_head.", head)


def coarse_head(name: str) -> PyramidHead:
    channels = 32 if name == "mini_d2" else 16
    return load(name, "coarse_head.", PyramidHead(8, channels, 5, _NORMS[name]))


def outputs(name: str) -> CoarseOutputs:
    return CoarseOutputs(
        tensor(name, "coarse"), tensor(name, "res2" if name == "mini_zs" else "p2")
    )


@torch.no_grad()
def undo_training(head: nn.Module, pyramid: dict[str, Tensor]) -> None:
    """The golden's weights were stored after its training step, which ran the head twice."""
    stored = {key: value.clone() for key, value in head.state_dict().items()}
    head.train()(pyramid)
    share = 0.9**2  # of the first statistics that two updates leave
    for key, once_more in head.state_dict().items():
        if "running" in key:
            of_batch = (once_more - 0.9 * stored[key]) / 0.1
            once_more.copy_((stored[key] - (1 - share) * of_batch) / share)


@pytest.mark.parametrize("name", PYRAMIDS)
def test_the_pyramid_head_gives_the_official_coarse_logits(name: str) -> None:
    pyramid = {level: tensor(name, level) for level in PYRAMID_LEVELS}
    head = coarse_head(name)
    if name == "mini_mm":
        undo_training(head, pyramid)
    with torch.inference_mode():
        logits = head.eval()(pyramid)
    torch.testing.assert_close(logits, tensor(name, "coarse"), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
@torch.inference_mode()
def test_every_intermediate_of_every_step_is_the_official_one(name: str) -> None:
    found = outputs(name)
    subdivision = Subdivision(point_head(name), _CONFIGS[name])
    logits = found.coarse_logits
    untouched = logits.clone()
    width = given(name).meta.get("input_size", [0, 0])[1]
    steps = subdivision.count_steps(logits.shape[3], width)
    assert f"step{steps - 1}_out" in given(name).arrays
    assert f"step{steps}_out" not in given(name).arrays
    for step in range(steps):
        logits = subdivision.enlarge(logits)
        check(name, f"step{step}_upsampled", logits)
        check(name, f"step{step}_uncertainty", uncertainty(logits))
        cells = subdivision.choose(logits)
        assert torch.equal(cells, tensor(name, f"step{step}_indices_sorted").long())
        answers = subdivision.classify(cells, logits, found.coarse_logits, found.fine_features)
        check(name, f"step{step}_logits", answers.transpose(1, 2))
        write_back(logits, cells, answers)
        check(name, f"step{step}_out", logits)
    assert torch.equal(found.coarse_logits, untouched)


def check(name: str, key: str, found: Tensor) -> None:
    torch.testing.assert_close(found, tensor(name, key), rtol=1e-5, atol=1e-5, msg=key)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("mini_zs", {"subdivision_aligns_corners": False}),
        ("mini_zs", {"refines_own_logits": False}),
        ("mini_zs", {"is_coarse_first": False}),
        ("mini_zs", {"subdivision_num_points": 89}),
        ("mini_d2", {"subdivision_aligns_corners": True}),
        ("mini_d2", {"refines_own_logits": True}),
        ("mini_d2", {"is_coarse_first": True}),
        ("mini_d2", {"subdivision_num_points": 91}),
        ("mini_mm", {"subdivision_aligns_corners": True}),
        ("mini_mm", {"refines_own_logits": True}),
        ("mini_mm", {"is_coarse_first": True}),
    ],
)
@torch.inference_mode()
def test_the_rules_of_one_publication_are_wrong_for_another(
    name: str, change: dict[str, Any]
) -> None:
    width = given(name).meta.get("input_size", [0, 0])[1]
    config = replace(_CONFIGS[name], **change)
    found = outputs(name)
    logits = Subdivision(point_head(name, **change), config).refine(
        found.coarse_logits, found.fine_features, width
    )
    last = max(key for key in given(name).arrays if key.endswith("_out"))
    assert (logits - tensor(name, last)).abs().max() > 0.1


def draws(name: str) -> Callable[..., Tensor]:
    """The golden's uniform numbers, in the order in which they were drawn."""
    numbers = count()

    def draw(*size: int) -> Tensor:
        drawn = tensor(name, f"train_rand_{next(numbers)}")
        assert drawn.shape == size
        return drawn

    return draw


@pytest.mark.parametrize("name", PYRAMIDS)
def test_a_training_step_has_the_official_losses_and_gradients(name: str) -> None:
    config = _CONFIGS[name]
    pyramid = {level: tensor(name, level).clone() for level in PYRAMID_LEVELS}
    pyramid["p2"].requires_grad_()
    heads = (coarse_head(name).train(), point_head(name))
    coarse_logits = heads[0](pyramid)
    points = choose_points(coarse_logits, config, draws(name))
    assert torch.equal(points, tensor(name, "train_coords"))
    truth = tensor(name, "train_targets").long()
    on_grid = coarse_loss(coarse_logits, truth, config)
    found = CoarseOutputs(coarse_logits, pyramid["p2"])
    at_points = point_loss(heads[1], found, truth, points, config)
    official = [key for key in given(name).arrays if key.startswith("train_") and "loss" in key]
    torch.testing.assert_close(
        torch.stack((on_grid, at_points)), torch.cat([tensor(name, key) for key in official])
    )
    (on_grid + at_points).backward()
    first, last = ("fc1", "coarse_predictor") if name == "mini_d2" else ("fc0", "conv_seg")
    for gradient, key in (
        (pyramid["p2"].grad, "p2"),
        (heads[1].layers[0].weight.grad, first),
        (heads[0].predictor.weight.grad, last),
    ):
        torch.testing.assert_close(
            gradient, tensor(name, f"train_grad_{key}"), rtol=1e-4, atol=1e-6
        )


def test_deeplabs_training_step_has_the_official_losses_and_gradients() -> None:
    name, config = "mini_zs", _CONFIGS["mini_zs"]
    head = point_head(name)
    coarse, fine = (tensor(name, key).clone().requires_grad_() for key in ("coarse", "res2"))
    truth = tensor(name, "train_targets").long()
    on_grid = coarse_loss(coarse, truth, config)
    points = tensor(name, "train_points")
    at_points = point_loss(head, CoarseOutputs(coarse, fine), truth, points, config)
    torch.testing.assert_close(on_grid, tensor(name, "train_seg_loss")[0])
    torch.testing.assert_close(at_points, tensor(name, "train_points_loss")[0])
    (on_grid + at_points).backward()
    for gradient, key in (
        (coarse.grad, "coarse"),
        (fine.grad, "res2"),
        (head.predictor.weight.grad, "mlp"),
    ):
        torch.testing.assert_close(
            gradient, tensor(name, f"train_grad_{key}"), rtol=1e-4, atol=1e-6
        )
