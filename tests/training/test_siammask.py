"""How SiamMask's pairs are made, and how it is judged."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models import siammask
from models.outputs import TrackedObject, TrackStep
from models.rle import encode
from models.training.examples import Clip, DemoClips
from models.training.plans import demo_plan
from models.training.scenes import World, tight_boxes
from models.training.siammask import PairBatcher, SiamMaskRecipe, evaluate
from tests.families import siammask_tiny

COLOURS = {1: (250, 20, 30), 2: (20, 240, 40)}


def clip(places, frames=2, size=(120, 150)):
    """Squares of 24 pixels on grey, object number -> (x, y) on every frame."""
    images = np.full((frames, *size, 3), 90, dtype=np.uint8)
    owners = np.zeros((frames, *size), dtype=np.uint8)
    for number, centres in places.items():
        for frame, (x, y) in enumerate(centres):
            square = (frame, slice(y - 12, y + 12), slice(x - 12, x + 12))
            images[square], owners[square] = COLOURS[number], number
    return Clip(images, owners, len(places))


def batcher(side=255, pairs=8):
    return PairBatcher(siammask.DEMO, ((0, 191), (0.5, side)), pairs)


def test_searches_grow_with_the_run_and_templates_do_not():
    moving = clip({1: [(40, 50), (60, 55)]})
    for progress, side in ((0.0, 191), (0.49, 191), (0.5, 255)):
        pairs = batcher()([moving], progress)
        assert pairs.templates.shape == (8, 3, 127, 127)
        assert pairs.searches.shape == (8, 3, side, side)
        assert pairs.masks.shape == (8, side, side)


def test_the_target_is_where_box_and_mask_say():
    pairs = batcher()([clip({1: [(40, 50), (60, 55)]})], 0.9)
    assert not pairs.is_other.any()
    red = pairs.searches[:, 2]  # blue, green, red
    for own, mask, box_xyxy in zip(red, pairs.masks, pairs.boxes_xyxy, strict=True):
        assert ((own > 170) == mask).float().mean() > 0.995
        assert np.array_equal(tight_boxes(mask[None].numpy())[0], box_xyxy.numpy())
    # The square of 24 pixels fills half of the template's side, in the middle but for the shift.
    assert (pairs.templates[:, 2, 54:73, 54:73] > 240).all()
    assert ((pairs.templates[:, 2] > 170).float().mean((1, 2)) - 0.25).abs().max() < 0.05


def test_targets_are_shifted_as_far_as_the_search_reaches():
    pairs = batcher(pairs=64)([clip({1: [(70, 60), (70, 60)]})], 0.9)
    centres = (pairs.boxes_xyxy[:, :2] + pairs.boxes_xyxy[:, 2:]) / 2 - 127.5
    assert 50 < centres.abs().max() < 68
    sides = pairs.boxes_xyxy[:, 2] - pairs.boxes_xyxy[:, 0]
    assert sides.min() < 58
    assert sides.max() > 69


def test_some_pairs_show_another_object():
    both = clip({1: [(40, 50), (60, 55)], 2: [(110, 80), (100, 80)]})
    pairs = batcher(pairs=200)([both], 0.9)
    assert 0.1 < pairs.is_other.float().mean() < 0.3
    reds = pairs.templates[:, 2, 63, 63] > 200
    searched = torch.stack(
        [
            search[2][mask].mean() > 200
            for search, mask in zip(pairs.searches, pairs.masks, strict=True)
        ]
    )
    assert torch.equal(reds != searched, pairs.is_other)


def test_a_target_that_is_gone_is_looked_for_where_it_was():
    gone = clip({1: [(40, 50), (60, 55)]})
    gone.owners[1] = 0
    gone.images[1] = 90
    pairs = batcher()([gone], 0.9)
    assert pairs.is_other.all()
    assert not pairs.masks.any()


def test_in_place_of_a_target_that_is_gone_another_is_shown():
    both = clip({1: [(40, 50), (60, 55)], 2: [(110, 80), (100, 80)]})
    both.owners[1][both.owners[1] == 1] = 0
    pairs = batcher(pairs=20)([both], 0.9)
    assert (pairs.templates[:, 2, 63, 63] > 200).any()
    # What is shown is the other one always: nobody is looked for where nothing is.
    assert pairs.masks.flatten(1).any(1).all()


def test_a_clip_that_shows_no_object_at_first_is_passed_over():
    moving, empty = clip({1: [(40, 50), (60, 55)]}), clip({})
    assert len(batcher(pairs=3)([empty, moving], 0.6).templates) == 3


def test_one_progress_gives_one_batch():
    moving = clip({1: [(40, 50), (60, 55)]})
    first, again, other = (batcher()([moving], progress) for progress in (0.6, 0.6, 0.7))
    assert torch.equal(first.searches, again.searches)
    assert not torch.equal(first.searches, other.searches)


def test_a_recipe_learns_from_the_worlds_clips():
    recipe = SiamMaskRecipe(siammask_tiny.TINY, ((0, 191),), pairs_per_clip=1)
    examples = DemoClips(5, (World(short_side=(64, 80), figures=(1, 3)),), length=2, max_gap=4)
    batch = recipe.batcher()([examples[0], examples[1]], 0.0)
    found = recipe.losses(recipe.build().train(), batch)
    assert set(found) == {"class", "box", "mask"}
    assert all(torch.isfinite(value) for value in found.values())
    with pytest.raises(TypeError, match="expected a SiamMask"):
        recipe.losses(torch.nn.Identity(), batch)


def test_the_demo_network_learns_in_half_precision():
    # Other widths than multiples of 16 do not: see `models.siammask.config.DEMO`.
    torch.manual_seed(1)
    recipe = demo_plan("siammask_demo").recipe
    batch = recipe.batcher()([clip({1: [(40, 50), (60, 55)]})], 0.9)
    model = recipe.build().train()
    with torch.autocast("cpu", torch.bfloat16):
        found = recipe.losses(model, batch)
    torch.stack(list(found.values())).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all(), name


class Follower:
    """Reports the squares of a clip, moved by some pixels."""

    def __init__(self, clip, by=0):
        self._clip, self._by = clip, by

    def start(self, frame, objects):
        assert np.array_equal(frame, self._clip.images[0])
        self.told = objects
        return 0, None

    def step(self, states, frames):
        number = states[0] + 1
        assert np.array_equal(frames[0], self._clip.images[number])
        objects = []
        for object_id in self.told:
            mask = np.roll(self._clip.owners[number] == object_id, self._by, axis=1)
            (box_xyxy,) = tight_boxes(mask[None])
            objects.append(
                TrackedObject(object_id, tuple(box_xyxy.tolist()), 0.9, object_id == 1, None,
                              lambda mask=mask: encode(mask))
            )  # fmt: skip
        return [TrackStep(tuple(objects), number)]


def test_who_follows_exactly_has_full_marks():
    moving = clip({1: [(40, 50), (60, 55), (80, 60)], 2: [(110, 80)] * 3}, frames=3)
    follower = Follower(moving)
    found = evaluate(follower, [moving])
    assert found == {"mean_iou": 1, "success": 1, "found": 0.5}
    assert follower.told[1].tolist() == [28, 38, 52, 62]


def test_who_lags_behind_loses_overlap_and_then_success():
    moving = clip({1: [(40, 50), (60, 55), (80, 60)]}, frames=3)
    near, far = (evaluate(Follower(moving, by), [moving]) for by in (6, 12))
    assert near["mean_iou"] == pytest.approx(18 / 30)
    assert near["success"] == 1
    assert far["mean_iou"] == pytest.approx(12 / 36)
    assert far["success"] == 0


def test_only_seen_frames_count():
    moving = clip({1: [(40, 50), (60, 55), (80, 60)], 2: [(110, 80)] * 3}, frames=3)
    moving.owners[2][moving.owners[2] == 2] = 0
    seen = replace(moving)
    assert evaluate(Steady(), [seen])["success"] == pytest.approx(1 / 3)


class Steady:
    """Reports for ever the boxes that it was told."""

    def start(self, frame, objects):
        self.told, self.size = objects, frame.shape[:2]
        return 0, None

    def step(self, states, frames):
        nothing = encode(np.zeros(self.size, dtype=bool))
        objects = [
            TrackedObject(object_id, tuple(box.tolist()), 0.9, True, None, lambda: nothing)
            for object_id, box in self.told.items()
        ]
        return [TrackStep(tuple(objects), states[0] + len(frames))]
