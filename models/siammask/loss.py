"""Targets and losses of SiamMask: three numbers whose weighted sum is trained on.

Sources: Wang et al. 2019, section 3; SiamMask: datasets/siam_mask_dataset.py,
models/siammask_sharp.py. All boxes are in the search window.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from models.ops.boxes import cxcywh_to_xyxy, iou_matrix
from models.siammask.anchors import grid_anchors
from models.siammask.config import SiamMaskConfig
from models.siammask.model import SearchOutputs, SiamMask
from models.siammask.trunk import STRIDE

IGNORED = -1
_MIN_POSITIVE_IOU = 0.6
_MAX_NEGATIVE_IOU = 0.3
_MAX_POSITIVES = 16
_MAX_ANCHORS = 64  # positive and negative
_MAX_OTHERS = 16  # negative, where the search shows another object
_NEAR = 3  # cells from the middle that such negatives come from
_EPS = 1e-6
_WEIGHTS = {"class": 1.0, "box": 1.2, "mask": 36.0}


@dataclass(frozen=True)
class Pairs:
    """What one step trains on: targets, and where they are in search windows.

    Attributes:
        templates: [b, 3, m, m] floating, BGR in 0 to 255.
        searches: [b, 3, s, s] floating, the same.
        boxes_xyxy: [b, 4] float32, pixels of the search.
        masks: [b, s, s] bool.
        is_other: [b] bool: the search shows another object than the template.
    """

    templates: Tensor
    searches: Tensor
    boxes_xyxy: Tensor
    masks: Tensor
    is_other: Tensor


@dataclass(frozen=True)
class AnchorTargets:
    """What the anchors of one search window shall say.

    Attributes:
        labels: [a, g, g] int64: 1 target, 0 background, -1 nothing.
        deltas: [4, a, g, g] float32, (dx, dy, dw, dh).
        weights: [a, g, g] float32, of the deltas; they sum to 1 if there is a positive anchor.
    """

    labels: Tensor
    deltas: Tensor
    weights: Tensor


def losses(
    model: SiamMask, pairs: Pairs, generator: torch.Generator, max_cells: int
) -> dict[str, Tensor]:
    """Return the weighted losses of a batch.

    Args:
        model: in training mode.
        pairs: of one size.
        generator: on the CPU, of the choice of anchors and cells.
        max_cells: masks are drawn for so many positive cells of a pair at most.

    Returns:
        Name -> [] float32; their plain sum is trained on.

    Source: SiamMask: models/siammask_sharp.py, Custom.forward; differs: masks come from the decoder
        or from the correlation as the config says, for every size of search; the official training
        has a stage for each.
    """
    outputs = model.search(pairs.searches, model.template_kernels(pairs.templates))
    anchors = training_anchors(pairs.searches.shape[3], outputs, model.config)
    targets = []
    for box_xyxy, is_other in zip(pairs.boxes_xyxy.cpu(), pairs.is_other.tolist(), strict=True):
        target = label_others(anchors) if is_other else label_anchors(box_xyxy, anchors)
        targets.append(sample(target, generator))
    device = pairs.searches.device
    labels, deltas, weights = (
        torch.stack([getattr(target, name) for target in targets]).to(device)
        for name in ("labels", "deltas", "weights")
    )
    found = {
        "class": class_loss(outputs.class_logits, labels),
        "box": box_loss(outputs.box_deltas, deltas, weights),
        "mask": labels.new_zeros((), dtype=torch.float32),
    }
    samples, cells = choose_cells(labels.cpu(), generator, max_cells)
    if len(samples):
        logits = model.mask_logits(outputs, samples, cells)
        grid = outputs.class_logits.shape[4]
        found["mask"] = mask_loss(
            logits, mask_windows(pairs.masks.to(device), samples, cells, grid, model.config)
        )
    return {name: _WEIGHTS[name] * value for name, value in found.items()}


def training_anchors(side: int, outputs: SearchOutputs, config: SiamMaskConfig) -> Tensor:
    """Return the anchors of search windows, [4, a, g, g] float32, from their first pixel's corner.

    Args:
        side: of the search windows, pixels.
        outputs: of the network for them.
        config: of the network.

    Source: SiamMask: utils/anchors.py, Anchors.generate_all_anchors; differs: none.
    """
    grid = outputs.class_logits.shape[4]
    middle = side // 2
    return grid_anchors((torch.arange(grid) - grid // 2) * float(STRIDE) + middle, config)


def label_anchors(box_xyxy: Tensor, anchors: Tensor) -> AnchorTargets:
    """Return what each anchor shall say of a target.

    Args:
        box_xyxy: [4] float32, pixels of the search.
        anchors: [4, a, g, g] float32, centres and sides.

    Source: SiamMask: datasets/siam_mask_dataset.py, AnchorTargetLayer; differs: all anchors are
        labelled; `sample` chooses.
    """
    flat = anchors.flatten(1).T
    overlaps = iou_matrix(cxcywh_to_xyxy(flat), box_xyxy[None])[:, 0].view(anchors.shape[1:])
    labels = torch.full(overlaps.shape, IGNORED)
    labels[overlaps > _MIN_POSITIVE_IOU] = 1
    labels[overlaps < _MAX_NEGATIVE_IOU] = 0
    left, top, right, bottom = box_xyxy
    centre = torch.stack([left + right, top + bottom])[:, None, None, None] / 2
    sides = torch.stack([right - left, bottom - top])[:, None, None, None]
    deltas = torch.cat([(centre - anchors[:2]) / anchors[2:], (sides / anchors[2:]).log()])
    return AnchorTargets(labels, deltas, box_weights(labels))


def label_others(anchors: Tensor) -> AnchorTargets:
    """Return what anchors shall say where another object is seen: no target is near the middle.

    Args:
        anchors: [4, a, g, g] float32.

    Source: SiamMask: datasets/siam_mask_dataset.py, AnchorTargetLayer; differs: none.
    """
    labels = torch.full(anchors.shape[1:], IGNORED)
    middle = anchors.shape[3] // 2
    near = slice(max(0, middle - _NEAR), middle + _NEAR + 1)
    labels[:, near, near] = 0
    return AnchorTargets(labels, torch.zeros_like(anchors), box_weights(labels))


def sample(targets: AnchorTargets, generator: torch.Generator) -> AnchorTargets:
    """Keep some anchors: 16 positives, and negatives up to 64 in all; 16 if there is no positive.

    Args:
        targets: of one search window.
        generator: of the choice.

    Source: SiamMask: datasets/siam_mask_dataset.py, AnchorTargetLayer; differs: a target without a
        positive anchor has as many negatives as another object.
    """
    labels = torch.full_like(targets.labels, IGNORED)
    positives = _choose(targets.labels == 1, _MAX_POSITIVES, generator)
    negatives = _MAX_ANCHORS - len(positives) if len(positives) else _MAX_OTHERS
    labels.view(-1)[positives] = 1
    labels.view(-1)[_choose(targets.labels == 0, negatives, generator)] = 0
    return AnchorTargets(labels, targets.deltas, box_weights(labels))


def box_weights(labels: Tensor) -> Tensor:
    """Return the weight of each anchor's deltas, the same for all positives.

    Args:
        labels: [a, g, g] int64.

    Returns:
        [a, g, g] float32.
    """
    is_positive = (labels == 1).float()
    return is_positive / (is_positive.sum() + _EPS)


def choose_cells(
    labels: Tensor, generator: torch.Generator, max_cells: int
) -> tuple[Tensor, Tensor]:
    """Return the cells for which masks are drawn: some of those with a positive anchor.

    Args:
        labels: [b, a, g, g] int64, on the CPU.
        generator: of the choice.
        max_cells: of a pair.

    Returns:
        [n] int64, the pair; and [n, 2] int64, (row, column); on the CPU.
    """
    samples, cells = [], []
    for index, own in enumerate((labels == 1).any(1)):
        chosen = _choose(own, max_cells, generator)
        samples.append(torch.full_like(chosen, index))
        cells.append(torch.stack([chosen // own.shape[1], chosen % own.shape[1]], dim=1))
    return torch.cat(samples), torch.cat(cells)


def mask_windows(
    masks: Tensor, samples: Tensor, cells: Tensor, grid: int, config: SiamMaskConfig
) -> Tensor:
    """Return the true masks under the template-sized windows of cells.

    Args:
        masks: [b, s, s] bool.
        samples: [n] int64, in [0, b), at least one.
        cells: [n, 2] int64, (row, column) in [0, grid).
        grid: rows and columns of cells.
        config: of the network.

    Returns:
        [n, m, m] float32: 1 on the target, -1 beside it, 0 outside of the search.
    """
    size = config.template_size
    margin = (size + STRIDE * (grid - 1) - masks.shape[2]) // 2
    signs = F.pad(masks.float() * 2 - 1, (margin,) * 4)
    places = zip(samples.tolist(), (cells * STRIDE).tolist(), strict=True)
    return torch.stack([signs[index, y : y + size, x : x + size] for index, (y, x) in places])


def class_loss(class_logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean cross-entropy of positive and of negative anchors, half and half.

    Args:
        class_logits: [b, 2, a, g, g] floating.
        labels: [b, a, g, g] int64; a kind of which there is none counts nothing.

    Returns:
        [] float32.

    Source: SiamMask: models/siamrpn.py, select_cross_entropy_loss; differs: none.
    """
    costs = F.cross_entropy(class_logits.float(), labels.clamp(min=0), reduction="none")
    means = [
        (costs * (labels == label)).sum() / (labels == label).sum().clamp(min=1) for label in (0, 1)
    ]
    return (means[0] + means[1]) / 2


def box_loss(box_deltas: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted absolute differences of deltas, added up and shared by the batch.

    Args:
        box_deltas: [b, 4, a, g, g] floating.
        targets: [b, 4, a, g, g] float32.
        weights: [b, a, g, g] float32.

    Returns:
        [] float32.

    Source: SiamMask: models/siamrpn.py, weight_l1_loss; differs: none.
    """
    apart = (box_deltas.float() - targets).abs().sum(1)
    return (apart * weights).sum() / len(weights)


def mask_loss(mask_logits: Tensor, truths: Tensor) -> Tensor:
    """Return the mean of log(1 + exp(-truth * logit)) over all pixels of all cells.

    Args:
        mask_logits: [n, m, m] floating, small ones are enlarged to the truths.
        truths: [n, w, w] float32, of 1, -1 and 0.

    Returns:
        [] float32.

    Source: Wang et al. 2019, equation 3; SiamMask: models/siammask.py, select_mask_logistic_loss;
        differs: none.
    """
    logits = mask_logits.float()
    if logits.shape != truths.shape:
        size = truths.shape[1:]
        logits = F.interpolate(logits[None], size, mode="bilinear", align_corners=True)[0]
    return F.softplus(-truths * logits).mean()


def _choose(is_candidate: Tensor, limit: int, generator: torch.Generator) -> Tensor:
    """Flat indices [n] of some candidates, at most so many."""
    candidates = is_candidate.flatten().nonzero()[:, 0]
    order = torch.randperm(len(candidates), generator=generator)
    return candidates[order[:limit]]
