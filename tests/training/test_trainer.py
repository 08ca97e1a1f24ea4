"""The trainer: runs that stop and go on, schedules, averages, and Mask R-CNN learning one scene."""

import pickle
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import nn

from models.mask_rcnn.config import DEMO
from models.training.examples import DemoExamples, Example
from models.training.mask_rcnn import MaskRcnnRecipe, evaluate, fitting_weights
from models.training.scenes import World, render, scene_at
from models.training.trainer import TrainConfig, Trainer, learning_rate, update_average
from models.zoo import load

CONFIG = TrainConfig(
    steps=6, batch_size=2, warmup_steps=2, save_every=3, loader_processes=0, learning_rate=0.05
)
SMALL = World(short_side=(32, 40), max_aspect=1.2)


@dataclass(frozen=True)
class MeanColour:
    """The smallest family: tells a mean colour from itself; dropout brings chance into it."""

    def build(self) -> nn.Module:
        layers = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.5))
        return layers.append(nn.Linear(8, 3))

    def batcher(self):
        return mean_colours

    def losses(self, model, batch):
        errors = (model(batch) - batch).square()
        return {"red": errors[:, 0].mean(), "others": errors[:, 1:].mean()}


def mean_colours(examples, progress):
    assert 0 <= progress < 1
    means = [example.image.mean((0, 1)) / 255 for example in examples]
    return torch.from_numpy(np.stack(means)).float()


def trainer(directory, config=CONFIG) -> Trainer:
    return Trainer(MeanColour(), DemoExamples(3, SMALL), config, directory)


class Stopped(Exception):
    pass


class StoppingExamples:
    """Pictures until somebody pulls the plug."""

    def __init__(self, last: int) -> None:
        self.last = last

    def __getitem__(self, index: int) -> Example:
        if index > self.last:
            raise Stopped
        return DemoExamples(3, SMALL)[index]


def test_a_resumed_run_is_the_run_that_never_stopped(tmp_path):
    whole = trainer(tmp_path / "whole")
    whole.run()
    stopped = Trainer(MeanColour(), StoppingExamples(last=8), CONFIG, tmp_path / "stopped")
    with pytest.raises(Stopped):
        stopped.run()
    assert stopped.progress.step == 4  # one more than its snapshot has
    resumed = trainer(tmp_path / "stopped")
    resumed.resume()
    assert resumed.progress.step == 3
    resumed.run()
    for weights, expected in (
        (resumed.model.state_dict(), whole.model.state_dict()),
        (resumed.averaged_weights(), whole.averaged_weights()),
    ):
        for name, tensor in expected.items():
            assert torch.equal(weights[name], tensor), name
    assert resumed.progress.seconds > 0


def test_other_seeds_start_from_other_weights(tmp_path):
    one, other = (trainer(tmp_path, replace(CONFIG, seed=seed)).model for seed in (0, 1))
    assert not torch.equal(one[0].weight, other[0].weight)


def test_nothing_to_resume_starts_from_nothing(tmp_path):
    fresh = trainer(tmp_path)
    fresh.resume()
    assert fresh.progress.step == 0


def test_loader_processes_make_the_same_data(tmp_path):
    alone = trainer(tmp_path / "alone")
    alone.run()
    with_help = trainer(tmp_path / "helped", replace(CONFIG, loader_processes=1))
    with_help.run()
    expected = alone.model.state_dict()
    for name, tensor in with_help.model.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


def test_the_rate_rises_then_falls_to_nothing():
    config = TrainConfig(steps=100, warmup_steps=10, learning_rate=2.0)
    rates = [learning_rate(config, step) for step in range(100)]
    assert rates[0] == pytest.approx(0.2)
    assert rates[9] == rates[10] == pytest.approx(2.0)
    assert rates[55] == pytest.approx(1.0)
    assert rates[99] < 0.001
    assert sorted(rates[10:], reverse=True) == rates[10:]


def test_averages_follow_weights_and_copy_counters():
    average, model = nn.BatchNorm1d(1), nn.BatchNorm1d(1)
    model.weight.data.fill_(3.0)
    model.num_batches_tracked.fill_(7)
    update_average(average, model, decay=0.75)
    assert average.weight.item() == pytest.approx(1.5)
    assert average.num_batches_tracked.item() == 7


def test_a_loss_that_is_no_number_stops_the_run(tmp_path):
    class Broken(MeanColour):
        def losses(self, model, batch):
            return {"red": model(batch).sum() * torch.nan}

    with pytest.raises(FloatingPointError, match="step 0"):
        Trainer(Broken(), DemoExamples(3, SMALL), CONFIG, tmp_path).run()


@pytest.mark.parametrize(("autocast", "dtype"), [(False, torch.float32), (True, torch.bfloat16)])
def test_autocast_multiplies_in_bfloat16_and_keeps_weights_in_float32(tmp_path, autocast, dtype):
    seen = []

    class Watched(MeanColour):
        def losses(self, model, batch):
            seen.append(model[0](batch).dtype)
            return super().losses(model, batch)

    config = replace(CONFIG, autocast=autocast)
    run = Trainer(Watched(), DemoExamples(3, SMALL), config, tmp_path)
    run.run()
    assert set(seen) == {dtype}
    assert run.averaged_weights()["0.weight"].dtype == torch.float32


class OneScene:
    """The same scene for ever."""

    def __init__(self) -> None:
        rendering = render(scene_at(4, 11, World((96, 96), 1.0)))
        self.example = Example(rendering.image, rendering.labels, rendering.masks)

    def __getitem__(self, index: int) -> Example:
        return self.example


TINY = replace(
    DEMO,
    min_size=96,
    max_size=96,
    mid_channels=(8, 8, 16, 16),
    block_counts=(1, 1, 1, 1),
    pyramid_channels=24,
    anchor_sizes=(10, 16, 26, 40, 64),
    roi_canonical_size=96,
    box_linears=(64, 64),
    mask_channels=(24,),
)


def test_mask_rcnn_learns_one_scene_by_heart(tmp_path):
    examples = OneScene()
    config = TrainConfig(
        steps=60, batch_size=2, learning_rate=3e-3, warmup_steps=5, loader_processes=0
    )
    run = Trainer(MaskRcnnRecipe(TINY, canvases=((0, 96),)), examples, config, tmp_path)
    run.run()
    fields = {name: getattr(TINY, name) for name in TINY.__dataclass_fields__}
    predictor = load("mask_rcnn_demo", run.averaged_weights(), overrides=fields)
    metrics = evaluate(predictor, [examples.example])
    assert metrics["mask_ap50"] > 0.7
    assert metrics["box_ap50"] > 0.7


def test_canvases_grow_with_progress():
    recipe = MaskRcnnRecipe(TINY, canvases=((0, 64), (0.5, 96)))
    examples = [OneScene().example]
    assert recipe.batcher()(examples, 0.49).images.shape == (1, 3, 64, 64)
    batch = recipe.batcher()(examples, 0.5)
    assert batch.images.shape == (1, 3, 96, 96)
    np.testing.assert_allclose(batch.objects[0].boxes_xyxy, examples[0].boxes_xyxy)
    assert np.array_equal(batch.objects[0].masks, examples[0].masks)


def test_what_makes_batches_can_be_sent_to_other_processes():
    batcher = MaskRcnnRecipe(DEMO, canvases=((0, 64),)).batcher()
    batch = pickle.loads(pickle.dumps(batcher))([OneScene().example], 0)  # noqa: S301 (our own bytes)
    assert torch.equal(batch.images, batcher([OneScene().example], 0).images)


def test_objects_are_resized_with_their_picture():
    example = OneScene().example
    batch = MaskRcnnRecipe(TINY, canvases=((0, 192),)).batcher()([example], 0)
    np.testing.assert_allclose(batch.objects[0].boxes_xyxy, 2 * example.boxes_xyxy)
    assert np.array_equal(batch.objects[0].masks[:, ::2, ::2], example.masks)


def test_boxes_are_resized_by_what_each_side_really_became():
    mask = np.zeros((1, 70, 96), dtype=bool)
    mask[0, 7:63, 8:80] = True
    example = Example(np.zeros((70, 96, 3), np.uint8), np.array([1]), mask)
    batch = MaskRcnnRecipe(TINY, canvases=((0, 160),)).batcher()([example], 0)
    height, width = 116 / 70, 160 / 96  # 116.67 is cut down
    expected = [[8 * width, 7 * height, 80 * width, 63 * height]]
    np.testing.assert_allclose(batch.objects[0].boxes_xyxy, expected, rtol=1e-6)


def test_weights_of_another_world_keep_all_but_what_names_classes():
    start = MaskRcnnRecipe(TINY, canvases=()).build().state_dict()
    other = replace(TINY, categories={7: DEMO.categories[1]})
    model = MaskRcnnRecipe(
        other, canvases=(), start=fitting_weights(start, other, is_same_world=False)
    ).build()
    weights = model.state_dict()
    assert torch.equal(weights["rpn.head.cls_logits.weight"], start["rpn.head.cls_logits.weight"])
    assert weights["roi_heads.box_predictor.cls_score.weight"].shape[0] == 8
    assert not model.get_parameter("backbone.body.conv1.weight").requires_grad
    assert model.get_parameter("backbone.fpn.inner_blocks.0.0.weight").requires_grad
