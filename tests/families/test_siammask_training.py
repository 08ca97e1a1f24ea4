"""SiamMask's targets and losses against the official numbers, and what no golden shows."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models import checkpoint, siammask
from models.ops.boxes import cxcywh_to_xyxy, iou_matrix
from models.siammask import SiamMask
from models.siammask.anchors import grid_anchors
from models.siammask.loss import (
    AnchorTargets,
    Pairs,
    box_loss,
    box_weights,
    choose_cells,
    class_loss,
    label_anchors,
    label_others,
    losses,
    mask_loss,
    mask_windows,
    sample,
)
from tests.families import siammask_tiny
from tests.goldens import golden, needs_goldens, uniform, weights

FIRST = {25: 31, 3: 63}  # centre of the first cell, pixels of the search


def anchors_of(grid):
    return grid_anchors(FIRST[grid] + 8.0 * torch.arange(grid), siammask.DAVIS)


@needs_goldens
@pytest.mark.parametrize("case", ["t25_0", "t25_1", "t25_2", "t3_0", "t3_1"])
def test_anchors_are_labelled_as_recorded(case):
    official, (kind, number) = golden("siammask", "train"), case[1:].split("_")
    grid = int(kind)
    box_xyxy = torch.tensor(official.meta[f"boxes{grid}_xyxy"][int(number)])
    anchors = anchors_of(grid)
    ours = label_anchors(box_xyxy, anchors)
    step = 1 if official[f"{case}_overlap"].shape[-1] == grid else 6
    assert np.array_equal(ours.labels.numpy(), official[f"{case}_cls"])
    np.testing.assert_allclose(ours.weights.numpy(), official[f"{case}_weight"], atol=1e-6)
    deltas = ours.deltas[..., ::step, ::step].numpy()
    np.testing.assert_allclose(deltas, official[f"{case}_delta"], atol=1e-6)
    overlaps = iou_matrix(cxcywh_to_xyxy(anchors.flatten(1).T), box_xyxy[None])
    overlaps = overlaps.view(anchors.shape[1:])[..., ::step, ::step]
    np.testing.assert_allclose(overlaps.numpy(), official[f"{case}_overlap"], atol=1e-6)


def drawn(name, shape, factor):
    return torch.from_numpy(uniform(f"train/{name}", shape) * np.float32(factor))


@needs_goldens
def test_class_loss_and_its_gradient_agree():
    official = golden("siammask", "train")
    logits = drawn("pred_cls", (2, 10, 25, 25), 3).requires_grad_()
    labels = torch.from_numpy(official["loss_label_cls"]).long()
    ours = class_loss(logits.view(2, 2, 5, 25, 25), labels)
    ours.backward()
    assert ours.item() == pytest.approx(float(official["loss_cls"]), abs=1e-6)
    sliced = logits.grad[..., 10:15, 10:15].numpy()
    np.testing.assert_allclose(sliced, official["grad_pred_cls_slice"], atol=1e-7)


@needs_goldens
def test_box_loss_and_its_gradient_agree():
    official = golden("siammask", "train")
    deltas = drawn("pred_loc", (2, 20, 25, 25), 1).requires_grad_()
    targets = drawn("label_loc", (2, 4, 5, 25, 25), 1)
    labels = torch.from_numpy(official["loss_label_cls"])
    shares = torch.stack([box_weights(own) for own in labels])
    ours = box_loss(deltas.view(2, 4, 5, 25, 25), targets, shares)
    ours.backward()
    assert ours.item() == pytest.approx(float(official["loss_loc"]), abs=1e-5)
    size = deltas.grad.abs().sum().item()
    assert size == pytest.approx(float(official["grad_pred_loc_abs_sum"]), abs=1e-5)


def bits(official, name, shape):
    unpacked = np.unpackbits(official[name])[: np.prod(shape)]
    return torch.from_numpy(unpacked.reshape(shape).astype(bool))


@needs_goldens
def test_the_loss_of_small_masks_and_its_gradient_agree():
    official = golden("siammask", "train")
    logits = drawn("pred_mask_base", (1, 3969, 25, 25), 2).requires_grad_()
    cells = torch.tensor(official.meta["mask_cells_base"])
    samples = torch.zeros(len(cells), dtype=torch.int64)
    chosen = logits[0, :, cells[:, 0], cells[:, 1]].T.view(-1, 63, 63)
    masks = bits(official, "mask_gt255_bits", (1, 255, 255))
    ours = mask_loss(chosen, mask_windows(masks, samples, cells, 25, siammask.BASE))
    ours.backward()
    assert ours.item() == pytest.approx(float(official["loss_mask_base"]), abs=1e-6)
    gradient = logits.grad[0, :, cells[:, 0], cells[:, 1]].T.view(-1, 63, 63)
    recorded = official["grad_mask_base_cells"]
    np.testing.assert_allclose(gradient[:, ::3, ::3].numpy(), recorded, atol=1e-8)


def official_cells(official, rows=slice(None)):
    chosen = torch.from_numpy(official["mask_weight_refine"][rows, 0] == 1).nonzero()
    return chosen[:, 0], chosen[:, 1:]


@needs_goldens
def test_the_loss_of_decoded_masks_and_its_gradient_agree():
    official = golden("siammask", "train")
    logits = drawn("pred_mask_refine", (18, 16129), 2).requires_grad_()
    samples, cells = official_cells(official)
    chosen = logits[samples * 9 + cells[:, 0] * 3 + cells[:, 1]].view(-1, 127, 127)
    masks = bits(official, "mask_gt143_bits", (2, 143, 143))
    ours = mask_loss(chosen, mask_windows(masks, samples, cells, 3, siammask.DAVIS))
    ours.backward()
    assert ours.item() == pytest.approx(float(official["loss_mask_refine"]), abs=1e-6)
    recorded = official["grad_mask_refine_slice"]
    gradient = logits.grad.view(18, 127, 127)[:, ::9, ::9]
    np.testing.assert_allclose(gradient.numpy(), recorded, atol=1e-8)


@needs_goldens
def test_a_training_pass_and_its_gradients_agree():
    official = golden("siammask", "train")
    model = SiamMask(siammask.DAVIS).eval()
    published = checkpoint.read(weights("siammask", {**official.meta, "variant": "sharp"}))
    checkpoint.load_strict(model, published)
    template, search = (
        torch.from_numpy(official[name]).permute(2, 0, 1)[None].float()
        for name in ("z_crop_bgr", "x_crop143_bgr")
    )
    outputs = model.search(search, model.template_kernels(template))
    close(outputs.class_logits.flatten(1, 2), official["run143_cls"])
    close(outputs.box_deltas.flatten(1, 2), official["run143_loc"])
    close(outputs.features.embedding[:, ::8], official["run143_xf"])
    cells = torch.cartesian_prod(torch.arange(3), torch.arange(3))
    logits = model.mask_logits(outputs, torch.zeros(9, dtype=torch.int64), cells)
    close(logits[:, ::3, ::3], official["run143_mask"])
    close(logits[4], official["run143_mask_center"])
    samples, chosen = official_cells(official, slice(0, 1))
    masks = bits(official, "mask_gt143_bits", (2, 143, 143))[:1]
    truths = mask_windows(masks, samples, chosen, 3, siammask.DAVIS)
    loss = mask_loss(logits[chosen[:, 0] * 3 + chosen[:, 1]], truths)
    assert loss.item() == pytest.approx(float(official["run143_loss_mask"]), abs=1e-5)
    (36 * loss).backward()
    for name, norm in official.arrays.items():
        if name.startswith("gradnorm"):
            gradient = model.get_parameter(name.partition("/")[2]).grad
            assert gradient.norm().item() == pytest.approx(float(norm), rel=1e-4)


def close(ours, recorded):
    limit = 1e-5 * max(1.0, np.abs(recorded).max())
    np.testing.assert_allclose(ours.detach().numpy(), recorded, atol=limit)


def generator():
    return torch.Generator().manual_seed(0)


def test_sixteen_positives_and_sixty_four_anchors_are_kept():
    labels = torch.full((5, 25, 25), -1)
    labels[:, :10], labels[2, 10:14, 10:16] = 0, 1
    labelled = AnchorTargets(labels, torch.zeros(4, 5, 25, 25), box_weights(labels))
    chosen = sample(labelled, generator())
    assert (chosen.labels == 1).sum() == 16
    assert (chosen.labels == 0).sum() == 48
    kept = chosen.labels >= 0
    assert torch.equal(chosen.labels[kept], labels[kept])
    assert chosen.weights.sum().item() == pytest.approx(1)
    assert torch.equal(chosen.weights > 0, chosen.labels == 1)
    other = sample(labelled, torch.Generator().manual_seed(1))
    assert not torch.equal(chosen.labels, other.labels)


def test_few_positives_leave_room_for_negatives():
    labelled = label_anchors(torch.tensor([88.0, 104.0, 168.0, 152.0]), anchors_of(25))
    count = int((labelled.labels == 1).sum())
    chosen = sample(labelled, generator())
    assert 0 < (chosen.labels == 1).sum() == count < 16
    assert (chosen.labels == 0).sum() == 64 - count


def test_another_object_is_told_from_the_target_in_the_middle():
    chosen = sample(label_others(anchors_of(25)), generator())
    assert (chosen.labels == 0).sum() == 16
    _, rows, columns = (chosen.labels == 0).nonzero().unbind(1)
    assert rows.min() >= 9
    assert rows.max() <= 15
    assert columns.min() >= 9
    assert columns.max() <= 15
    assert not (chosen.labels == 1).any()
    assert chosen.weights.sum() == 0


def test_cells_with_a_positive_anchor_have_masks_and_at_most_so_many():
    labels = torch.full((3, 5, 25, 25), -1)
    labels[0, 2, 3, 4] = labels[0, 1, 3, 4] = 1
    labels[2, 0, 10:15, 7] = 1
    samples, cells = choose_cells(labels, generator(), 3)
    assert samples.tolist() == [0, 2, 2, 2]
    assert cells[0].tolist() == [3, 4]
    assert all(10 <= row < 15 and column == 7 for row, column in cells[1:].tolist())


def test_beyond_the_search_a_mask_is_neither_target_nor_background():
    masks = torch.ones(1, 255, 255, dtype=torch.bool)
    masks[:, :, 100:] = False
    (corner,) = mask_windows(masks, torch.tensor([0]), torch.tensor([[0, 12]]), 25, siammask.DAVIS)
    assert corner.shape == (127, 127)
    assert (corner[:32] == 0).all()
    assert (corner[32:, :36] == 1).all()
    assert (corner[32:, 36:] == -1).all()


def tiny_pairs(is_other=(False, False)):
    masks = torch.zeros(2, 255, 255, dtype=torch.bool)
    masks[:, 90:160, 100:170] = True
    return Pairs(
        torch.rand(2, 3, 127, 127) * 255,
        torch.rand(2, 3, 255, 255) * 255,
        torch.tensor([[100.0, 90.0, 170.0, 160.0]]).repeat(2, 1),
        masks,
        torch.tensor(is_other),
    )


@pytest.mark.parametrize("has_refinement", [True, False])
def test_what_infers_learns(has_refinement):
    config = replace(siammask_tiny.TINY, has_refinement=has_refinement)
    model = SiamMask(config).train()
    found = losses(model, tiny_pairs(), generator(), 4)
    assert set(found) == {"class", "box", "mask"}
    sum(found.values()).backward()
    idle = {name for name, own in model.named_parameters() if own.grad is None}
    # With the decoder, the head of small masks is left behind.
    assert idle == (
        {name for name, _ in model.named_parameters() if name.startswith("mask_model.mask.head")}
        if has_refinement
        else set()
    )


def test_another_object_teaches_neither_box_nor_mask():
    model = SiamMask(siammask_tiny.TINY).train()
    found = losses(model, tiny_pairs((True, True)), generator(), 4)
    assert found["box"] == found["mask"] == 0
    assert found["class"] > 0
    sum(found.values()).backward()


def test_losses_fall_on_a_pair_seen_again_and_again():
    torch.manual_seed(3)
    model, pairs = SiamMask(siammask_tiny.TINY).train(), tiny_pairs()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    totals = []
    for _ in range(15):
        found = losses(model, pairs, generator(), 2)
        optimizer.zero_grad()
        sum(found.values()).backward()
        optimizer.step()
        totals.append({name: value.item() for name, value in found.items()})
    for name in ("class", "box", "mask"):
        assert totals[-1][name] < 0.85 * totals[0][name]
