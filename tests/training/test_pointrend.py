"""PointRend's part of training: batches in the right place, learning, judging."""

import pickle
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from models import pointrend
from models.layers.inference import prepare
from models.outputs import SemanticMap
from models.training.__main__ import main
from models.training.examples import DemoExamples, Example
from models.training.pointrend import PointRendRecipe, evaluate, label_map
from models.training.scenes import World
from models.training.trainer import TrainConfig, Trainer

TINY = replace(
    pointrend.DEMO,
    min_size=64,
    stem_channels=8,
    mid_channels=(8, 8, 8, 8),
    block_counts=(1, 1, 1, 1),
    coarse_channels=16,
    atrous_rates=(1, 2, 3),
    subdivision_num_points=1024,
    train_num_points=512,
)
RECIPE = PointRendRecipe(TINY, sides=((0, 32), (0.5, 64)))


def example(height: int, width: int, scale: int = 1) -> Example:
    """A red square, a green bar over part of it, black elsewhere."""
    masks = np.zeros((2, height, width), dtype=bool)
    masks[0, 4 * scale : 20 * scale, 6 * scale : 22 * scale] = True
    masks[1, 16 * scale : 24 * scale, 2 * scale : 30 * scale] = True
    image = np.zeros((height, width, 3), dtype=np.uint8)
    image[masks[0]] = (255, 0, 0)
    image[masks[1]] = (0, 255, 0)
    return Example(image, np.array([2, 5]), masks)


def test_later_objects_lie_over_earlier_ones():
    labels = label_map(example(32, 32))
    assert labels[18, 10] == 5
    assert labels[10, 10] == 2
    assert labels[0, 0] == 0


@pytest.mark.parametrize(("height", "width", "scale"), [(32, 32, 1), (80, 80, 2), (224, 224, 7)])
def test_labels_lie_where_the_resized_picture_shows_them(height, width, scale):
    batch = RECIPE.batcher()([example(height, width, scale)], 0.9)
    assert batch.images.shape == (1, 3, 64, 64)
    assert batch.labels.shape == (1, 64, 64)
    colours = batch.images[0] * torch.tensor(TINY.image_std)[:, None, None]
    colours += torch.tensor(TINY.image_mean)[:, None, None]
    for channel, label in ((0, 2), (1, 5)):
        is_shown, is_labelled = colours[channel] > 0.5, batch.labels[0] == label
        assert is_labelled.any()
        assert (is_shown & is_labelled).sum() / (is_shown | is_labelled).sum() > 0.97


def test_the_middle_square_is_learnt_from():
    wide = example(32, 80)
    batch = RECIPE.batcher()([wide], 0)
    assert batch.labels.shape == (1, 32, 32)
    assert torch.equal(batch.labels[0], torch.from_numpy(label_map(wide)[:, 24:56]))


def test_what_makes_batches_can_be_sent_to_another_process():
    batcher = pickle.loads(pickle.dumps(RECIPE.batcher()))  # noqa: S301 (our own bytes)
    ours, theirs = (make([example(32, 32)], 0.2) for make in (RECIPE.batcher(), batcher))
    assert torch.equal(ours.images, theirs.images)


class OneExample:
    def __getitem__(self, index: int) -> Example:
        return example(64, 64, 2)


def test_a_scene_is_learnt_and_refinement_sharpens_its_borders(tmp_path):
    config = TrainConfig(
        steps=60,
        batch_size=2,
        learning_rate=0.01,
        warmup_steps=5,
        ema_decay=0.5,
        loader_processes=0,
    )
    trainer = Trainer(replace(RECIPE, sides=((0, 64),)), OneExample(), config, tmp_path)
    trainer.run()
    weights = trainer.averaged_weights()
    predictor = pointrend.PointRendPredictor(
        prepare(pointrend.load_network(TINY, weights), "cpu", torch.float32)
    )
    found = evaluate(predictor, [example(64, 64, 2)])
    assert found["miou"] > 0.9
    assert found["border_3px_miou"] > found["coarse_border_3px_miou"] + 0.05
    assert found["iou_square"] > 0.9


class Oracle:
    """Knows the answer, and a worse one when it may not refine."""

    categories = pointrend.DEMO.categories

    def __init__(self, truth: Example) -> None:
        self.truth = label_map(truth)

    def predict(self, images, *, refine):
        labels = self.truth if refine else np.roll(self.truth, 1, axis=1)
        found = SemanticMap(torch.from_numpy(labels.astype(np.uint8)), is_refined=refine)
        return [found for _ in images]


def test_the_refined_and_the_coarse_answer_are_judged_apart():
    found = evaluate(Oracle(example(32, 32)), [example(32, 32)])
    assert found["miou"] == found["border_3px_miou"] == found["iou_cross"] == 1
    assert 0.8 < found["coarse_miou"] < 1
    assert found["coarse_border_3px_miou"] < found["coarse_miou"]
    assert np.isnan(found["iou_ring"])


def test_the_command_trains_it_and_writes_its_card(tmp_path):
    done = main(
        [
            "pointrend_demo",
            *("--steps", "1", "--batch-size", "2", "--unseen", "2", "--loaders", "0"),
            *("--run", str(tmp_path / "run"), "--out", str(tmp_path / "out")),
        ]
    )
    assert done == 0
    card = (tmp_path / "out" / "pointrend_demo.md").read_text()
    assert re.search(r"^  border_3px_miou: \d", card, re.MULTILINE)
    assert "| coarse border 3px mIoU |" in card
    assert (tmp_path / "out" / "pointrend_demo.safetensors").stat().st_size <= 4_000_000


def test_batches_of_the_demo_world_hold_every_label():
    batches = PointRendRecipe(pointrend.DEMO, sides=((0, 96),)).batcher()
    scenes = DemoExamples(1, World(short_side=(112, 200), max_aspect=1.3))
    batch = batches([scenes[index] for index in range(16)], 0)
    assert batch.labels.unique().tolist() == list(range(7))
