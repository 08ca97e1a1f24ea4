"""Matching, sampling and the five losses of Mask R-CNN against the official numbers."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.checkpoint import load_strict
from models.mask_rcnn.config import R50_FPN, R50_FPN_V2, MaskRcnnConfig
from models.mask_rcnn.loss import (
    Objects,
    Rois,
    box_losses,
    choose_rois,
    losses,
    mask_loss,
    match_anchors,
    rpn_losses,
)
from models.mask_rcnn.published_names import to_new_name
from models.mask_rcnn.rpn import RpnOutputs
from models.ops import boxes as box_ops
from models.ops.anchors import pyramid_anchors
from models.ops.matching import BACKGROUND, IGNORED, match, sample
from models.ops.roi_align import crop_masks
from models.training.examples import Example
from models.training.mask_rcnn import MaskRcnnRecipe, resized_batch
from tests import goldens

USUAL = R50_FPN
EVERYTHING = replace(R50_FPN, rpn_batch_size_per_image=10**6, box_batch_size_per_image=10**6)


def tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.array(array))


def uniform(name: str, *shape: int, scale: float) -> torch.Tensor:
    return tensor(goldens.uniform(name, shape) * np.float32(scale))


@pytest.fixture
def golden():
    return goldens.golden("mask_rcnn", "train-components")


@pytest.fixture
def truth(golden):
    return Objects(*(tensor(golden[name]) for name in ("gt_boxes", "gt_labels", "gt_masks")))


@pytest.fixture
def anchors(golden):
    height, width = golden["anchors_shape"].tolist()
    strides = (4, 8, 16, 32, 64)
    grids = [(-(-height // stride), -(-width // stride)) for stride in strides]
    return torch.cat(pyramid_anchors((32, 64, 128, 256, 512), (0.5, 1, 2), (height, width), grids))


@goldens.needs_goldens
def test_anchors_get_the_official_objects(golden, truth, anchors):
    matches = match_anchors(anchors, truth, USUAL)
    np.testing.assert_array_equal(matches.numpy(), golden["rpn_matched_index"])
    positive = torch.nonzero(matches >= 0)[:, 0]
    np.testing.assert_array_equal(positive.numpy(), golden["rpn_pos_index"])
    deltas = box_ops.encode(truth.boxes_xyxy[matches[positive]], anchors[positive], (1, 1, 1, 1))
    np.testing.assert_allclose(deltas.numpy(), golden["rpn_pos_targets"], atol=1e-5)


@goldens.needs_goldens
def test_rpn_losses_are_the_official_ones(golden, truth, anchors):
    index = tensor(golden["rpn_loss_index"])
    matches = match_anchors(anchors, truth, USUAL)
    far_away = torch.full((len(anchors), 4), 1e6) + torch.tensor([0.0, 0.0, 1.0, 1.0])
    # Every other anchor is moved off the picture and given a logit that costs nothing.
    moved = far_away.index_copy(0, index, anchors[index])
    logits = torch.full((len(anchors),), -1e4)
    logits[index] = tensor(golden["rpn_loss_objectness_logits"])[:, 0]
    deltas = torch.zeros(len(anchors), 4)
    deltas[index] = tensor(golden["rpn_loss_deltas"])
    outputs = RpnOutputs([logits[None]], [deltas[None]], [moved])
    values = torch.stack(rpn_losses(outputs, [truth], EVERYTHING))
    used = int((match_anchors(moved, truth, USUAL) != IGNORED).sum())
    counted = int((matches[index] != IGNORED).sum())
    np.testing.assert_allclose((values * used / counted).numpy(), golden["rpn_loss"], rtol=1e-4)


@goldens.needs_goldens
def test_rois_get_the_official_labels_and_deltas(golden, truth):
    rois = choose_rois(tensor(golden["proposals"]), truth, EVERYTHING)
    order = by_position(rois, tensor(golden["roi_boxes"]))
    np.testing.assert_array_equal(rois.labels[order].numpy(), golden["roi_labels"])
    positive = golden["roi_labels"] > 0
    matched = order[tensor(positive)]
    np.testing.assert_array_equal(
        rois.matches[matched].numpy(), golden["roi_matched_index"][positive]
    )
    np.testing.assert_allclose(
        rois.deltas[matched].numpy(), golden["roi_targets"][positive], atol=1e-4
    )


def by_position(rois: Rois, boxes: torch.Tensor) -> torch.Tensor:
    """Where each of the boxes is among the sampled ones; all were sampled, in random order."""
    gaps = (rois.boxes_xyxy[None] - boxes[:, None]).abs().amax(-1)
    assert gaps.amin(1).max() == 0
    return gaps.argmin(1)


@goldens.needs_goldens
def test_box_losses_are_the_official_ones(golden, truth):
    rois = choose_rois(tensor(golden["proposals"]), truth, EVERYTHING)
    order = by_position(rois, tensor(golden["roi_boxes"]))
    count = len(order)
    logits, deltas = torch.zeros(count, 91), torch.zeros(count, 91, 4)
    logits[order] = uniform("tr/cl", count, 91, scale=3)
    deltas[order] = uniform("tr/br", count, 91, 4, scale=1.5)
    values = torch.stack(box_losses(logits, deltas, [rois]))
    np.testing.assert_allclose(values.numpy(), golden["roi_loss"], rtol=1e-5)


@goldens.needs_goldens
def test_mask_targets_and_loss_are_the_official_ones(golden, truth):
    rows = tensor(golden["mask_loss_rows"])
    boxes, matches = tensor(golden["roi_boxes"])[rows], tensor(golden["roi_matched_index"])[rows]
    targets = crop_masks(truth.masks, boxes, matches, 28)
    np.testing.assert_allclose(targets.numpy(), golden["mask_targets"], atol=1e-5)
    rois = Rois(boxes, truth.labels[matches], torch.zeros(len(rows), 4), matches)
    logits = uniform("tr/ml", len(rows), 91, 28, 28, scale=3)
    chosen = logits[torch.arange(len(rows)), truth.labels[matches]]
    loss = mask_loss(chosen, [rois], [truth])
    np.testing.assert_allclose(loss.numpy(), golden["mask_loss"][0], rtol=1e-5)


@goldens.needs_goldens
def test_sampler_takes_the_official_numbers(golden):
    for positives, negatives, batch, percent, taken, left in golden["sampler_counts"].tolist():
        matches = torch.tensor([0] * positives + [BACKGROUND] * negatives + [IGNORED] * 9)
        chosen = sample(matches, batch, percent / 100)
        assert (matches[chosen] == 0).sum() == taken
        assert (matches[chosen] == BACKGROUND).sum() == left
        assert len(chosen.unique()) == taken + left


def test_sampler_draws_evenly():
    matches = torch.tensor([0, 1, 2, 3, BACKGROUND, BACKGROUND])
    drawn = torch.cat([sample(matches, 2, 0.5) for _ in range(400)])
    counts = torch.bincount(drawn, minlength=6)
    assert counts[:4].min() > 60
    assert counts[4:].min() > 150


def test_of_equal_objects_the_first_is_matched():
    ious = torch.tensor([[0.8, 0.2, 0.5], [0.8, 0.1, 0.6]])
    assert match(ious, 0.7, 0.3).tolist() == [0, BACKGROUND, IGNORED]


def test_a_best_candidate_keeps_the_object_that_it_overlaps_best():
    ious = torch.tensor([[0.2, 0.25], [0.1, 0.26]])
    assert match(ious, 0.7, 0.3, keep_best=True).tolist() == [BACKGROUND, 1]


def test_a_picture_without_objects_is_all_background():
    nothing = Objects(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), torch.zeros(0, 8, 8))
    rois = choose_rois(torch.tensor([[0.0, 0, 4, 4]]), nothing, USUAL)
    assert rois.labels.tolist() == [0]
    logits = torch.zeros(0, 28, 28, requires_grad=True)
    loss = mask_loss(logits, [rois], [nothing])
    loss.backward()
    assert loss == 0


def train_step(name: str, published: MaskRcnnConfig):
    """The official step: both samplers take everything, so that nothing is left to chance."""
    step = goldens.golden("mask_rcnn", name)
    config = replace(
        published,
        min_size=128,
        max_size=192,
        rpn_pre_nms_top_n_train=1000,
        rpn_post_nms_top_n_train=500,
        rpn_batch_size_per_image=10**6,
        box_batch_size_per_image=10**6,
    )
    state = goldens.weights("mask_rcnn", step.meta)
    weights = {key: torch.from_numpy(value) for key, value in state.items()}
    model = MaskRcnnRecipe(config, canvases=()).build()
    load_strict(model, weights, to_new_name)
    # Torch's batch statistics are less exact with channels last: 4 % in gradients of the trunk.
    model.to(memory_format=torch.contiguous_format)
    examples = [
        Example(step[f"image_{i}"], step[f"gt_{i}_labels"], step[f"gt_{i}_masks"] > 0)
        for i in range(2)
    ]
    batch = resized_batch(examples, config)
    values = losses(model, batch.images.contiguous(), batch.image_sizes, batch.objects)
    torch.autograd.backward(torch.stack(list(values.values())).sum())
    return step, model, batch, torch.stack(list(values.values())).detach().numpy()


@pytest.mark.slow
@goldens.needs_goldens
@pytest.mark.parametrize(("name", "published"), [("train-v1", R50_FPN), ("train-v2", R50_FPN_V2)])
def test_a_training_step_is_the_official_one(name, published):
    step, model, batch, values = train_step(name, published)
    np.testing.assert_allclose(batch.images[:, :, ::4, ::4], step["input"], atol=1e-5)
    np.testing.assert_allclose(values, step["losses"], rtol=1e-3)
    gradients = {parameter: tensor.grad for parameter, tensor in model.named_parameters()}
    for parameter, norm in step.meta["grad_norms"].items():
        found = gradients[to_new_name(parameter)].norm().item()
        assert found == pytest.approx(norm, rel=5e-3), parameter
    for key in step.arrays:
        if key.startswith("grad_"):
            gradient = gradients[to_new_name(key.removeprefix("grad_"))].flatten()
            found = gradient[:: max(1, gradient.numel() // 400)].numpy()
            np.testing.assert_allclose(found, step[key], atol=5e-3 * np.abs(step[key]).max())
    if published.norm == "batch":
        check_running_statistics(step, model)


def check_running_statistics(step: goldens.Golden, model: torch.nn.Module) -> None:
    buffers = dict(model.named_buffers())
    trunk = buffers["backbone.body.bn1.running_mean"].numpy()
    np.testing.assert_allclose(trunk, step["after_bn1_running_mean"], atol=1e-6)
    head = buffers["roi_heads.box_head.0.1.running_var"].numpy()
    np.testing.assert_allclose(head, step["after_box_head_0_1_running_var"], rtol=1e-3)
    counter = buffers["backbone.body.bn1.num_batches_tracked"]
    assert counter.item() == step["after_num_batches_tracked"]
