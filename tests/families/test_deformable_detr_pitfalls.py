"""Choices that other implementations get wrong: each, made wrongly here, is seen by the goldens."""

import copy
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from models.deformable_detr import DeformableDetr
from models.deformable_detr.preprocess import preprocess
from models.layers.norm import FrozenBatchNorm2d
from tests.families import deformable_detr_stages as network
from tests.goldens import golden, needs_goldens

pytestmark = [needs_goldens, pytest.mark.slow]

NAME = "base-batch"


@cache
def untouched() -> DeformableDetr:
    return network.build(NAME).requires_grad_(requires_grad=False)


@cache
def given() -> tuple[torch.Tensor, torch.Tensor]:
    pictures = [torch.from_numpy(image) for image in network.images(golden(network.FAMILY, NAME))]
    batch = preprocess(pictures, untouched().config)
    return batch.images.contiguous(), batch.padding_mask


def is_right(model: DeformableDetr, images: torch.Tensor, padding_mask: torch.Tensor) -> bool:
    with torch.inference_mode():
        logits = model(images, padding_mask).class_logits[-1].numpy()
    gaps = np.abs(logits - golden(network.FAMILY, NAME)["pred_logits"])
    largest, mean = network.limits(NAME, "pred_logits")
    return bool(gaps.max() <= largest and gaps.mean() <= mean)


def set_all(kind: type[nn.Module], name: str, value: Any) -> Callable[[DeformableDetr], None]:
    def change(model: DeformableDetr) -> None:
        for module in model.modules():
            if isinstance(module, kind):
                setattr(module, name, value)

    return change


def swap_norms(model: DeformableDetr) -> None:
    for layer in model.transformer.decoder.layers:
        layer.norm1, layer.norm2 = layer.norm2, layer.norm1


def swap_halves(model: DeformableDetr) -> None:
    positions, content = model.query_embed.weight.chunk(2, dim=1)
    model.query_embed.weight.copy_(torch.cat([content, positions], dim=1))


def forget_levels(model: DeformableDetr) -> None:
    model.transformer.level_embed.zero_()


def halve_the_level_before(model: DeformableDetr) -> None:
    """Level 3 of level 2, cut or repeated to the channels that the convolution takes."""
    project = model.input_proj[3].forward
    model.input_proj[2].register_forward_hook(
        lambda module, _, output: setattr(module, "seen", output)
    )
    model.input_proj[3].forward = lambda _: project(model.input_proj[2].seen.repeat(1, 8, 1, 1))


def take_values_with_positions(model: DeformableDetr) -> None:
    for layer in model.transformer.decoder.layers:
        attend = layer.self_attn.forward
        layer.self_attn.forward = lambda q, k, _, attend=attend, **options: attend(
            q, k, q, **options
        )


@torch.inference_mode()
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(set_all(FrozenBatchNorm2d, "eps", 0.0), id="no epsilon in the trunk"),
        pytest.param(set_all(nn.LayerNorm, "eps", 1e-6), id="another epsilon in layer norms"),
        pytest.param(set_all(nn.GroupNorm, "eps", 1e-3), id="another epsilon in group norms"),
        pytest.param(set_all(nn.GroupNorm, "num_groups", 16), id="16 groups"),
        swap_norms,
        swap_halves,
        forget_levels,
        halve_the_level_before,
        take_values_with_positions,
    ],
)
def test_a_wrong_part_shows_in_the_logits(change: Callable[[DeformableDetr], None]) -> None:
    config = untouched().config  # shared: its categories cannot be copied
    model = copy.deepcopy(untouched(), {id(config): config})
    change(model)
    assert not is_right(model, *given())


def test_a_wrong_input_shows_in_the_logits() -> None:
    images, padding_mask = given()
    model = untouched()
    assert is_right(model, images, padding_mask)
    assert not is_right(model, images.flip(1), padding_mask)
    assert not is_right(model, images, torch.zeros_like(padding_mask))
    more = (0, -images.shape[3] % 32 or 32, 0, -images.shape[2] % 32)
    wider = F.pad(images, more), F.pad(padding_mask, more, value=True)
    assert not is_right(model, *wider)
