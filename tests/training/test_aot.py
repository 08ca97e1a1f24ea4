"""AOT's recipe: clips to batches, the schedule, the judgement, and a run."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models import zoo
from models.aot.loss import IGNORED
from models.outputs import TrackStep
from models.training import __main__ as command
from models.training.aot import AotRecipe, evaluate, follow, schedule
from models.training.examples import Clip, DemoClips, clip_of
from models.training.scenes import THINGS, World
from models.training.trainer import TrainConfig, Trainer
from tests.families import aot_tiny

SMALL = World((64, 80), 1.6, figures=(1, 3))
CLIPS = DemoClips(1, (SMALL, replace(SMALL, look=THINGS)), length=3, max_gap=3)
RECIPE = AotRecipe(replace(aot_tiny.TINY, drop_path=0.0), sides=((0, 49), (0.5, 65)))


def test_a_clip_knows_the_objects_of_its_first_frame_alone():
    owners = np.zeros((2, 4, 4), dtype=np.uint8)
    owners[0, 0], owners[0, 1] = 5, 2
    owners[1, 0], owners[1, 2] = 2, 3
    clip = clip_of(np.zeros((2, 4, 4, 3), dtype=np.uint8), owners)
    assert clip.object_count == 2
    assert clip.owners[0, :, 0].tolist() == [2, 1, 0, 0]
    assert clip.owners[1, :, 0].tolist() == [1, 0, 0, 0]


def test_clips_are_rising_frames_of_one_video():
    clips = DemoClips(1, (SMALL,), length=4, max_gap=3, video_frames=(8, 8))
    chosen = [clips._choose(np.random.default_rng(seed), 8) for seed in range(60)]
    gaps = {tuple(np.diff(numbers)) for numbers in chosen}
    assert gaps == {(1, 1, 1), (2, 2, 2)}  # three would need ten frames
    assert {numbers[0] for numbers in chosen} >= {0, 1, 2, 3, 4}
    assert max(numbers[-1] for numbers in chosen) == 7
    whole = DemoClips(1, (SMALL,), length=8, video_frames=(8, 8))
    assert whole._choose(np.random.default_rng(0), 8) == [*range(8)]


def test_clips_are_repeatable_and_take_their_worlds_in_turn():
    assert np.array_equal(CLIPS[3].images, CLIPS[3].images)
    assert CLIPS[0].images.shape != CLIPS[1].images.shape
    assert CLIPS[0].owners[0].max() == CLIPS[0].object_count > 0
    named, unnamed = (DemoClips(1, (world,), 3) for world in CLIPS.worlds)
    assert np.array_equal(DemoClips(1, CLIPS.worlds, 3)[4].images, named[4].images)
    assert np.array_equal(DemoClips(1, CLIPS.worlds, 3)[5].images, unnamed[5].images)


def test_batches_hold_clips_of_one_size_that_grows():
    batcher = RECIPE.batcher()
    areas = {}
    for progress in (0.0, 0.2, 0.7, 0.9):
        clips = batcher([CLIPS[index] for index in range(4)], progress).clips
        t, b, _, height, width = clips.images.shape
        assert (t, b) == (3, 4)
        assert clips.labels.shape == (3, 4, height, width)
        assert height % 16 == width % 16 == 1
        areas[progress] = height * width
        for row, count in enumerate(clips.object_counts):
            assert set(np.unique(clips.labels[0, row])) | {0} == set(range(count + 1))
            assert clips.labels[:, row].max() == count
    assert max(areas[0.0], areas[0.2]) < min(areas[0.7], areas[0.9])


def test_a_batch_follows_from_its_examples_and_progress():
    batcher, examples = RECIPE.batcher(), [CLIPS[index] for index in range(4)]
    one, same, other = (batcher(examples, progress).clips for progress in (0.25, 0.25, 0.26))
    assert torch.equal(one.images, same.images)
    assert torch.equal(one.shuffles, same.shuffles)
    assert not torch.equal(one.shuffles, other.shuffles)


def test_some_frames_have_a_rectangle_of_mistaken_labels():
    batcher, examples = RECIPE.batcher(), [CLIPS[index] for index in range(4)]
    mistaken = []
    for step in range(25):
        clips = batcher(examples, step / 100).clips
        assert clips.mistakes.shape == clips.labels.shape
        for mistakes in clips.mistakes.unbind(1):
            mistaken += [made for made in mistakes if (made != IGNORED).any()]
        highest = torch.where(clips.mistakes == IGNORED, 0, clips.mistakes).amax((0, 2, 3))
        assert (highest <= torch.tensor(clips.object_counts)).all()
    assert 0.1 < len(mistaken) / (25 * 3 * 4) < 0.2
    for made in mistaken:
        rows, columns = (made != IGNORED).nonzero().unbind(1)
        part = made[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert len(part.unique()) == 1
        assert part.numel() < made.numel()


def test_masks_stay_on_their_objects_when_a_clip_is_resized():
    height, width = 90, 120
    images = np.full((2, height, width, 3), 20, dtype=np.uint8)
    owners = np.zeros((2, height, width), dtype=np.uint8)
    images[:, 30:60, 40:80], owners[:, 30:60, 40:80] = 220, 1
    clips = RECIPE.batcher()([clip_of(images, owners)], 0.3).clips
    bright = clips.images[0, 0, 0] > clips.images[0, 0, 0].mean()
    shown = clips.labels[0, 0] == 1
    assert (bright & shown).sum() / (bright | shown).sum() > 0.9


def test_the_schedule_lets_go_of_the_first_frame_and_feeds_the_network_by_itself():
    start, middle, late = (schedule(progress) for progress in (0.0, 0.25, 0.75))
    assert (start.reference_weight, start.bootstrap, start.is_self_fed) == (1, 0, False)
    assert (middle.reference_weight, middle.bootstrap, middle.is_self_fed) == (0.75, 0.5, False)
    assert (late.reference_weight, late.bootstrap, late.is_self_fed) == (0.25, 1, True)


def test_a_run_learns_to_tell_what_is_drawn(tmp_path):
    config = TrainConfig(
        steps=16, batch_size=4, learning_rate=5e-3, warmup_steps=2, loader_processes=0
    )
    trainer = Trainer(RECIPE, CLIPS, config, tmp_path)
    before = RECIPE.losses(trainer.model, RECIPE.batcher()([CLIPS[0], CLIPS[1]], 0.0))
    trainer.run()
    after = RECIPE.losses(trainer.model, RECIPE.batcher()([CLIPS[0], CLIPS[1]], 0.0))
    assert set(after) == {"reference", "followed"}
    assert sum(after.values()) < 0.8 * sum(before.values())


class Recorded:
    """A predictor that answers with label maps, one a frame after the first."""

    prompts = frozenset({"mask"})

    def __init__(self, label_maps):
        self._label_maps = label_maps

    def start(self, _, objects):
        self.objects = objects
        return 0, None

    def step(self, states, _):
        (number,) = states
        return [_Step(self._label_maps[number + 1], self.objects, number + 1)]


class _Step(TrackStep):
    def __init__(self, label_map, objects, number):
        object.__setattr__(self, "state", number)
        object.__setattr__(self, "_masks", {key: label_map == key for key in objects})

    def masks(self):
        return self._masks


def moving_clip():
    owners = np.zeros((4, 40, 40), dtype=np.uint8)
    for number in range(4):
        owners[number, 5:15, 5 + number : 15 + number] = 1
        owners[number, 25:35, 20 - number : 30 - number] = 2
    return Clip(np.zeros((4, 40, 40, 3), dtype=np.uint8), owners, 2)


def test_following_begins_with_the_masks_of_the_first_frame():
    clip = moving_clip()
    predictor = Recorded(clip.owners)
    assert np.array_equal(follow(predictor, clip), clip.owners)
    assert np.array_equal(predictor.objects[2], clip.owners[0] == 2)


def test_the_judgement_is_the_mean_of_j_and_f():
    clip = moving_clip()
    assert evaluate(Recorded(clip.owners), [clip]) == {"j_and_f": 1, "j": 1, "f": 1}
    still = np.stack([clip.owners[0]] * 4)
    scores = evaluate(Recorded(still), [clip])
    assert scores["j"] == pytest.approx((90 / 110 + 80 / 120) / 2)
    assert scores["j_and_f"] == pytest.approx((scores["j"] + scores["f"]) / 2)


def test_the_command_trains_and_judges_on_clips(tmp_path):
    options = ["aot_demo", "--steps", "1", "--batch-size", "1", "--loaders", "0", "--unseen", "1"]
    out = tmp_path / "out"
    assert command.main([*options, "--run", str(tmp_path / "run"), "--out", str(out)]) == 0
    card = (out / "aot_demo.md").read_text()
    assert "evaluation_clips: 1" in card
    assert "| J&F |" in card
    assert (out / "aot_demo.safetensors").stat().st_size <= 8e6


@pytest.mark.parametrize("side", [128, 480])
def test_the_included_weights_follow_figures(side):
    world = World((side, side), 1, figures=(2, 2))
    clips = DemoClips(11, (world,), length=6, video_frames=(6, 6))
    scores = evaluate(zoo.load("aot_demo"), [clips[index] for index in range(3)])
    assert scores["j_and_f"] >= 0.9
