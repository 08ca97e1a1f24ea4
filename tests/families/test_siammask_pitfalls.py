"""Choices that other implementations get wrong: each, made wrongly here, is seen by the goldens."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from models.ops.resize_uint8 import crop_opencv, resize_opencv, resize_pillow
from models.siammask.postprocess import paste
from models.siammask.tracking import find, judge, keep_within
from tests.families import siammask_stages as network
from tests.families.test_siammask_goldens import STAGE_LIMIT, Step, decoded, unpack
from tests.goldens import golden, needs_goldens

pytestmark = needs_goldens


def assert_noticed(name, stage, spoil):
    ours = network.Run(name, spoil).stages[stage]
    assert network.difference(golden("siammask", name), stage, ours) > 10 * STAGE_LIMIT


def set_eps(eps):
    def spoil(model):
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = eps

    return spoil


def dilated_first_block(model):
    conv = model.features.features.layer3[0].conv2
    conv.dilation = conv.padding = (2, 2)


def plain_last_blocks(model):
    for block in model.features.features.layer3[1:]:
        block.conv2.dilation = block.conv2.padding = (1, 1)


def red_first(model):
    conv = model.features.features.conv1
    conv.weight.copy_(conv.weight.flip(1))


def relu_after_adjustment(model):
    model.features.downsample.downsample.append(nn.ReLU())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "spoil"),
    [
        ("z_p0", set_eps(1e-6)),
        ("z_p0", red_first),
        ("z_layer3_0", dilated_first_block),
        ("z_layer3_1", plain_last_blocks),
        ("zf", relu_after_adjustment),
    ],
)
def test_a_wrong_choice_shows_at_its_stage(stage, spoil):
    assert_noticed("net-base", stage, spoil)


def no_second_relu(model):
    for part in ("h2", "v2", "h1", "v1", "h0", "v0"):
        model.refine_model.get_submodule(part)[3] = nn.Identity()


def turned_cells(model):
    model.refine_model.register_forward_pre_hook(lambda _, inputs: (*inputs[:3], inputs[3].flip(1)))


def smooth_enlarging(model):
    for name in ("post0", "post1", "post2"):
        conv = model.refine_model.get_submodule(name)
        conv.register_forward_pre_hook(_smoothed)


def _smoothed(_, inputs):
    (enlarged,) = inputs
    side = enlarged.shape[2]
    small = F.interpolate(enlarged, (side - 1) // 2, mode="nearest")
    return F.interpolate(small, side, mode="bilinear")


@pytest.mark.slow
@pytest.mark.parametrize("spoil", [no_second_relu, turned_cells, smooth_enlarging])
def test_a_wrong_decoder_shows_in_the_mask(spoil):
    assert_noticed("net-sharp", "refine_out_pos0", spoil)


@pytest.mark.parametrize(
    "wrong",
    [
        {"penalty_k": 0.05},
        {"lr": 0.9},
        {"context_amount": 0.4},
        {"min_side": 1.0},
    ],
)
def test_a_wrong_number_moves_a_target(wrong):
    assert any(_is_moved(number, wrong) for number in range(9))


def _is_moved(number, wrong):
    step = Step(golden("siammask", "ops"), number, wrong)
    place = keep_within(step.sighting, step.frame_size, step.config)
    recorded = [step["target_pos"], step["target_sz"]]
    return np.abs(np.array(place) - recorded).max() > 0.01


def test_a_wrong_share_of_the_window_changes_the_ranks():
    step = Step(golden("siammask", "ops"), 0, {"window_influence": 0.41})
    size = torch.tensor([step.size], dtype=torch.float64) * step.window.scale
    judgement = judge(step.outputs.class_logits, step.outputs.box_deltas, size, step.config)
    assert np.abs(judgement.ranks[0].numpy() - step["pscore"]).max() > 1e-4


@pytest.mark.parametrize("wrong", [{"seg_thr": 0.4}, {"template_size": 128}, {"search_size": 254}])
def test_a_wrong_number_changes_a_mask(wrong):
    step = Step(golden("siammask", "ops"), 0)
    config = replace(step.config, **wrong)
    placed = paste(step.probabilities, step.sighting, step.frame_size, config)
    assert (decoded(placed) != unpack(step["mask_bits"], step.frame_size)).any()


def test_masks_lie_by_the_position_before_the_step():
    step = Step(golden("siammask", "ops"), 0)
    later = replace(step.sighting, window=replace(step.window, centre=step.sighting.position))
    placed = paste(step.probabilities, later, step.frame_size, step.config)
    assert (decoded(placed) != unpack(step["mask_bits"], step.frame_size)).any()


def test_deltas_are_coordinate_by_coordinate():
    step = Step(golden("siammask", "ops"), 0)
    wrong = torch.from_numpy(step["loc"]).view(1, 5, 4, 25, 25).transpose(1, 2)
    outputs = replace(step.outputs, box_deltas=wrong)
    (sighting,) = find(outputs, [step.size], [step.window], step.config)
    assert math.dist(sighting.position, step["target_pos"]) > 0.1


def half_up(place):
    return math.floor(place + 0.5)


def crops(origin, border, resize):
    """All recorded crops, each with what it is by the given rules."""
    official = golden("siammask", "ops")
    image = torch.from_numpy(official["image"][..., ::-1].copy())
    for number, case in enumerate(official.meta["sub"]):
        side, size = case["original_sz"], case["model_sz"]
        place = tuple(origin(centre - (side + 1) / 2) for centre in case["pos"])
        square = crop_opencv(image, place, side, side, border(official["avg_chans_bgr"]))
        yield resize(square, (size, size)).numpy(), official[f"sub{number}_bgr"]


def truncated(mean):
    return torch.from_numpy(mean).byte()


@pytest.mark.parametrize(
    ("origin", "border", "resize"),
    [
        (half_up, truncated, resize_opencv),
        (math.floor, truncated, resize_opencv),
        (round, lambda mean: torch.from_numpy(mean).round().byte(), resize_opencv),
        (round, truncated, resize_pillow),
    ],
)
def test_a_wrong_crop_differs_in_bytes(origin, border, resize):
    assert all(np.array_equal(*pair) for pair in crops(round, truncated, resize_opencv))
    assert not all(np.array_equal(*pair) for pair in crops(origin, border, resize))
