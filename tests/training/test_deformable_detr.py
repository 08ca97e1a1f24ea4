"""Deformable DETR's part of training: batches in the right place, learning, judging."""

import pickle
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from models import deformable_detr
from models.layers.inference import prepare
from models.outputs import Detections
from models.training.__main__ import main
from models.training.deformable_detr import DeformableDetrRecipe, evaluate
from models.training.examples import Example
from models.training.plans import demo_plan
from models.training.trainer import TrainConfig, Trainer

TINY = replace(
    deformable_detr.DEMO,
    min_size=64,
    max_size=96,
    stem_channels=8,
    mid_channels=(8, 8, 8, 8),
    block_counts=(1, 1, 1, 1),
    channels=32,
    feedforward_channels=64,
    decoder_layers=2,
    query_count=8,
)
RECIPE = DeformableDetrRecipe(TINY, canvases=((0, 32), (0.5, 64)))


def example(height: int, width: int) -> Example:
    """A red square in the upper left quarter, a green bar along the lower edge."""
    masks = np.zeros((2, height, width), dtype=bool)
    masks[0, height // 8 : height // 2, width // 8 : width // 2] = True
    masks[1, 3 * height // 4 :, :] = True
    image = np.zeros((height, width, 3), dtype=np.uint8)
    image[masks[0]] = (255, 0, 0)
    image[masks[1]] = (0, 255, 0)
    return Example(image, np.array([2, 5]), masks)


def test_boxes_are_shares_of_the_picture_and_not_of_its_padding():
    batch = RECIPE.batcher()([example(64, 64), example(32, 64)], 0.9)
    assert batch.images.shape == (2, 3, 64, 64)
    assert not batch.padding_mask[0].any()
    assert batch.padding_mask[1, 32:].all()
    assert not batch.padding_mask[1, :32].any()
    for truth in batch.objects:
        assert truth.labels.tolist() == [2, 5]
        expected = torch.tensor([[0.3125, 0.3125, 0.375, 0.375], [0.5, 0.875, 1, 0.25]])
        torch.testing.assert_close(truth.boxes_cxcywh_norm, expected)


@pytest.mark.parametrize(("progress", "side"), [(0.49, 32), (0.5, 64)])
def test_canvases_grow_with_progress(progress, side):
    batch = RECIPE.batcher()([example(50, 100)], progress)
    assert max(batch.images.shape[2:]) == side


def test_pictures_of_all_shapes_are_trained_on():
    examples = demo_plan("deformable_detr_demo").examples
    sizes = [examples[index].image.shape[:2] for index in range(20)]
    assert max(max(size) / min(size) for size in sizes) > 1.6


def test_what_makes_batches_can_be_sent_to_another_process():
    batcher = pickle.loads(pickle.dumps(RECIPE.batcher()))  # noqa: S301 (our own bytes)
    ours, theirs = (make([example(32, 32)], 0.2) for make in (RECIPE.batcher(), batcher))
    assert torch.equal(ours.images, theirs.images)


class OneExample:
    def __getitem__(self, index: int) -> Example:
        return example(64, 64)


def test_a_scene_is_learnt_by_heart(tmp_path):
    config = TrainConfig(
        steps=80,
        batch_size=2,
        learning_rate=4e-3,
        warmup_steps=10,
        ema_decay=0.5,
        loader_processes=0,
    )
    trainer = Trainer(replace(RECIPE, canvases=((0, 64),)), OneExample(), config, tmp_path)
    trainer.run()
    weights = trainer.averaged_weights()
    predictor = deformable_detr.DeformableDetrPredictor(
        prepare(deformable_detr.load_network(TINY, weights), "cpu", torch.float32)
    )
    found = evaluate(predictor, [example(64, 64)])
    assert found["box_ap50"] == pytest.approx(1)
    assert found["box_ap"] > 0.6


class Oracle:
    """Knows the boxes; calls every other one by a wrong name if it is told to."""

    categories = deformable_detr.DEMO.categories

    def __init__(self, truth: Example, wrong: int = 0) -> None:
        labels = torch.from_numpy(truth.labels.copy())
        labels[:wrong] = 1
        boxes = torch.from_numpy(truth.boxes_xyxy)
        self.found = Detections(boxes, labels, torch.linspace(0.9, 0.8, len(labels)))

    def predict(self, images):
        return [self.found for _ in images]


def test_boxes_are_judged_class_by_class():
    truth = example(64, 64)
    assert evaluate(Oracle(truth), [truth])["box_ap"] == pytest.approx(1)
    half = evaluate(Oracle(truth, wrong=1), [truth])
    assert half["box_ap"] == pytest.approx(0.5)
    assert half["box_ap_square"] == 0
    assert half["box_ap_cross"] == pytest.approx(1)


def test_the_command_trains_it_and_writes_its_card(tmp_path):
    done = main(
        [
            "deformable_detr_demo",
            *("--steps", "1", "--batch-size", "2", "--unseen", "2", "--loaders", "0"),
            *("--run", str(tmp_path / "run"), "--out", str(tmp_path / "out")),
        ]
    )
    assert done == 0
    card = (tmp_path / "out" / "deformable_detr_demo.md").read_text()
    assert re.search(r"^  box_ap75: \d", card, re.MULTILINE)
    assert "| box AP75 |" in card
    assert (tmp_path / "out" / "deformable_detr_demo.safetensors").stat().st_size <= 8_000_000
