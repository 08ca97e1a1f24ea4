"""SiamMask against the official numbers: crops, stages, one step from given outputs, a whole clip.

The reference allows 1e-4 at a stage (1e-5 of it where it is large), 0.01 pixels of place and size,
an IoU of 0.995 and 0.05 pixels of a corner. Stages here keep a tenth of that.
"""

import zlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from models import siammask
from models.ops.regions import largest_region
from models.siammask.anchors import grid_anchors, search_anchors, window
from models.siammask.model import SearchOutputs
from models.siammask.postprocess import PlacedMask, paste, rotated_box
from models.siammask.preprocess import border_colour, crop, search_window
from models.siammask.tracking import find, judge, keep_within
from tests.families import siammask_stages as network
from tests.goldens import golden, needs_goldens

pytestmark = needs_goldens

STAGE_LIMIT = 1e-5
PLACE_LIMIT = 1e-2  # pixels
SCORE_LIMIT = 1e-4
IOU_LIMIT = 0.995
CORNER_LIMIT = 0.05  # pixels
FIXED_POINT_IOU_LIMIT = 0.97  # against masks that OpenCV 3 and 4 paste to 1/32 of a cell
CONFIGS = {"davis": siammask.DAVIS, "vot": siammask.VOT, "base": siammask.BASE}


def iou(mask, other):
    return (mask & other).sum() / (mask | other).sum()


def corners_apart(ours, recorded):
    """Largest distance of corners, whichever comes first and whichever way they run."""
    ours, turns = np.array(ours), [np.roll(recorded, turn, axis=0) for turn in range(4)]
    return min(np.abs(ours - turn[::way]).max() for turn in turns for way in (1, -1))


def unpack(bits, frame_size):
    return np.unpackbits(bits)[: np.prod(frame_size)].reshape(frame_size).astype(bool)


@pytest.mark.parametrize("name", ["net-sharp", "net-base"])
def test_every_recorded_stage_agrees(name):
    given, ours = golden("siammask", name), network.run(name).stages
    names = network.recorded_stages(name)
    assert len(names) > 30
    apart = {stage: network.difference(given, stage, ours[stage]) for stage in names}
    assert max(apart.values()) < STAGE_LIMIT, {
        stage: value for stage, value in apart.items() if value >= STAGE_LIMIT
    }


@pytest.mark.parametrize("name", ["net-sharp", "net-base"])
def test_template_and_search_are_cut_out_to_the_byte(name):
    given = golden("siammask", name)
    for side, ours in zip("zx", network.crops(name), strict=True):
        assert np.array_equal(ours.flip(2).numpy(), given[f"{side}_crop_bgr"])


@pytest.fixture(scope="module")
def operators():
    return golden("siammask", "ops")


def test_anchors_and_window_agree(operators):
    anchors = search_anchors(siammask.DAVIS)
    assert np.array_equal(anchors.flatten(1).T.numpy(), operators["anchors_test"])
    for name, first, grid in (("25", 31, 25), ("3", 63, 3)):
        centres = first + 8.0 * torch.arange(grid)
        ours = grid_anchors(centres, siammask.DAVIS).numpy()
        assert np.array_equal(ours, operators[f"anchors_train{name}_cxcywh"])
    nearness = window(siammask.DAVIS).repeat(5, 1).flatten().numpy()
    np.testing.assert_allclose(nearness, operators["window"], atol=1e-15)


@pytest.mark.parametrize(("old", "new"), [(15, 31), (31, 61), (61, 127)])
def test_the_decoder_enlarges_by_the_recorded_indices(operators, old, new):
    indices = torch.arange(old, dtype=torch.float32)[None, None]
    enlarged = F.interpolate(indices, new, mode="nearest")[0, 0]
    assert enlarged.tolist() == operators[f"nearest_{old}_{new}"].tolist()


class Step:
    """One step from given outputs; `changes` to the config."""

    def __init__(self, given, number, changes=None):
        case = given.meta["post"][number]
        self.config = replace(CONFIGS[case["config"]], **(changes or {}))
        self.number, self.given = number, given
        self.frame_size = given["image"].shape[:2]
        self.outputs = SearchOutputs(
            torch.from_numpy(self["cls"]).view(1, 2, 5, 25, 25),
            torch.from_numpy(self["loc"]).view(1, 4, 5, 25, 25),
            torch.empty(0),
            None,
        )
        position, self.size = tuple(case["pos"]), tuple(case["sz"])
        self.window = search_window(position, self.size, self.config)
        (self.sighting,) = find(self.outputs, [self.size], [self.window], self.config)
        logits = self["mask_logits"]
        if case["config"] == "base":
            row, column = self.sighting.cell
            logits = logits + np.float32(row * 0.0625 - column * 0.03125)
        self.probabilities = torch.from_numpy(logits).sigmoid().numpy()

    def __getitem__(self, name):
        return self.given[f"post{self.number}_{name}"]


@pytest.mark.parametrize("number", range(9))
def test_one_step_from_given_outputs_agrees(operators, number):
    step = Step(operators, number)
    size = torch.tensor([step.size], dtype=torch.float64) * step.window.scale
    judgement = judge(step.outputs.class_logits, step.outputs.box_deltas, size, step.config)
    np.testing.assert_allclose(judgement.ranks[0].numpy(), step["pscore"], atol=1e-6)
    best = int(judgement.ranks.argmax())
    anchor, row, column = step["best"].tolist()
    assert best == anchor * 625 + row * 25 + column
    assert step.sighting.cell == (row, column)
    assert step.sighting.score == pytest.approx(float(step["score"]), abs=1e-6)
    rate = judgement.penalties[0, best] * judgement.scores[0, best] * step.config.lr
    assert rate.item() == pytest.approx(float(step["lr"]), abs=1e-6)
    position, size = keep_within(step.sighting, step.frame_size, step.config)
    np.testing.assert_allclose(position, step["target_pos"], atol=1e-4)
    np.testing.assert_allclose(size, step["target_sz"], atol=1e-4)
    placed = paste(step.probabilities, step.sighting, step.frame_size, step.config)
    recorded = unpack(step["mask_bits"], step.frame_size)
    assert np.array_equal(decoded(placed), recorded)
    if number < 2:
        np.testing.assert_allclose(judgement.penalties[0].numpy(), step["penalty"], atol=1e-6)
        np.testing.assert_allclose(judgement.boxes[0].numpy(), step["delta"], rtol=1e-6)


@pytest.mark.parametrize("number", range(9))
def test_rotated_boxes_of_recorded_masks_agree(operators, number):
    step = Step(operators, number)
    mask = unpack(step["mask_bits"], step.frame_size)
    ours = rotated_box(PlacedMask(mask, 0, 0, step.frame_size), step.sighting.box_xyxy)
    assert corners_apart(ours, step["polygon"]) < CORNER_LIMIT
    areas = step["contour_areas_sorted"]
    region = largest_region(mask)
    assert (region.area if region else None) == (areas[0] if len(areas) else None)


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("threshold", [-0.9, -0.4, 0.05, 0.35, 0.8])
def test_pasted_values_agree_inside_and_where_they_blend_with_the_outside(
    operators, number, threshold
):
    step = Step(operators, number)
    config = replace(step.config, seg_thr=threshold)
    placed = paste(step.probabilities, step.sighting, step.frame_size, config)
    recorded = step["mask_in_img"]
    is_clear = np.abs(recorded - threshold) > 1e-5
    assert np.array_equal(decoded(placed)[is_clear], (recorded > threshold)[is_clear])


def decoded(placed):
    whole = np.zeros(placed.frame_size, dtype=bool)
    height, width = placed.mask.shape
    whole[placed.top : placed.top + height, placed.left : placed.left + width] = placed.mask
    return whole


def test_a_whole_clip_agrees():
    given, tracker = golden("siammask", "track-davis"), network.predictor("track-davis")
    box_xyxy = network.box_xyxy(given.meta["boxes_xywh"][0])
    state, _ = tracker.start(given["frames"][0], {1: box_xyxy})
    frame_size = given["frames"].shape[1:3]
    for index, frame in enumerate(given["frames"][1:]):
        (before,) = state.targets
        search = search_window(before.position, before.size, tracker._config)
        assert search.side == given["crop_side"][index]
        (step,) = tracker.step([state], [frame])
        state, (target,), (tracked,) = step.state, step.state.targets, step.objects
        assert np.abs(np.array(target.position) - given["target_pos"][index]).max() < PLACE_LIMIT
        assert np.abs(np.array(target.size) - given["target_sz"][index]).max() < PLACE_LIMIT
        assert tracked.score == pytest.approx(given["score"][index], abs=SCORE_LIMIT)
        mask = step.masks()[1]
        assert iou(mask, unpack(given["mask_bits"][index], frame_size)) >= IOU_LIMIT
        assert iou(mask, unpack(given["mask_bits_cv4"][index], frame_size)) >= FIXED_POINT_IOU_LIMIT
        assert corners_apart(tracked.rotated_box, given["polygon"][index]) < CORNER_LIMIT


def test_search_windows_of_the_clip_are_cut_out_to_the_byte():
    # From the recorded places: nothing of the network can move these.
    given = golden("siammask", "track-davis")
    border = border_colour(torch.from_numpy(given["frames"][0]))
    positions = [given["init_target_pos"], *given["target_pos"]]
    sizes = [given["init_target_sz"], *given["target_sz"]]
    for index, frame in enumerate(given["frames"][1:]):
        place = tuple(positions[index].tolist()), tuple(sizes[index].tolist())
        search = search_window(*place, siammask.DAVIS)
        square = crop(torch.from_numpy(frame), search.centre, (search.side, 255), border)
        bgr = square.flip(2).numpy().tobytes()
        assert zlib.crc32(bgr) == given["x_crop_crc32"][index]
