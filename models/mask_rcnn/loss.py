"""Targets and losses of Mask R-CNN: the five numbers whose sum is trained on.

Sources: Ren et al. 2015, section 3.1.2; He et al. 2017, section 3; torchvision
`models/detection/rpn.py` and `roi_heads.py`. All boxes are in the network's frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from models.mask_rcnn.config import MaskRcnnConfig
from models.mask_rcnn.model import MaskRcnn
from models.mask_rcnn.rpn import RpnOutputs
from models.ops import boxes as box_ops
from models.ops.matching import match, sample
from models.ops.roi_align import crop_masks

_SMOOTH_L1_BETA = 1 / 9
_RPN_WEIGHTS = (1.0, 1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Objects:
    """What is on one picture, in the network's frame.

    Attributes:
        boxes_xyxy: [n, 4] float32, pixels, inside the picture, sides > 0.
        labels: [n] int64, 1 and above.
        masks: [n, h, w] bool or uint8.
    """

    boxes_xyxy: Tensor
    labels: Tensor
    masks: Tensor


@dataclass(frozen=True)
class Rois:
    """The boxes of one picture that the heads train on, matched ones first.

    Attributes:
        boxes_xyxy: [r, 4] float32, pixels.
        labels: [r] int64, 0 = background.
        deltas: [p, 4] float32: from the matched boxes to their objects, coded.
        matches: [p] int64: their objects.
    """

    boxes_xyxy: Tensor
    labels: Tensor
    deltas: Tensor
    matches: Tensor


def losses(
    model: MaskRcnn, images: Tensor, image_sizes: Tensor, objects: Sequence[Objects]
) -> dict[str, Tensor]:
    """Return the five losses of a batch.

    Args:
        model: in training mode.
        images: [b, 3, h, w] floating, normalised and padded.
        image_sizes: [b, 2] float32, (height, width) of each picture in the input, unpadded.
        objects: of each picture.

    Returns:
        Name -> [] float32; their plain sum is trained on.
    """
    features = model.backbone(images)
    rpn_outputs = model.rpn(features, (images.shape[2], images.shape[3]))
    objectness, rpn_box = rpn_losses(rpn_outputs, objects, model.config)
    rois = [
        choose_rois(proposals.boxes_xyxy, truth, model.config)
        for proposals, truth in zip(
            model.rpn.propose(rpn_outputs, image_sizes), objects, strict=True
        )
    ]
    class_logits, box_deltas = model.roi_heads.box_branch(
        features, [picture.boxes_xyxy for picture in rois]
    )
    classes, box = box_losses(class_logits, box_deltas, rois)
    matched = [picture.boxes_xyxy[: len(picture.matches)] for picture in rois]
    mask_logits = model.roi_heads.mask_branch(features, matched, matched_labels(rois))
    return {
        "objectness": objectness,
        "rpn_box": rpn_box,
        "classes": classes,
        "box": box,
        "mask": mask_loss(mask_logits, rois, objects),
    }


def rpn_losses(
    outputs: RpnOutputs, objects: Sequence[Objects], config: MaskRcnnConfig
) -> tuple[Tensor, Tensor]:
    """Score the first stage.

    Args:
        outputs: of the RPN.
        objects: of each picture.
        config: matching and sampling.

    Returns:
        Objectness loss, box loss: [] float32 each.
    """
    anchors_xyxy = torch.cat(outputs.anchors_xyxy)
    all_logits = torch.cat(outputs.objectness_logits, dim=1)
    all_deltas = torch.cat(outputs.box_deltas, dim=1)
    chosen_logits, wanted, errors = [], [], []
    for logits, deltas, truth in zip(all_logits, all_deltas, objects, strict=True):
        matches = match_anchors(anchors_xyxy, truth, config)
        chosen = sample(matches, config.rpn_batch_size_per_image, config.rpn_positive_fraction)
        positive = chosen[matches[chosen] >= 0]
        targets = box_ops.encode(
            truth.boxes_xyxy[matches[positive]], anchors_xyxy[positive], _RPN_WEIGHTS
        )
        chosen_logits.append(logits[chosen])
        wanted.append((matches[chosen] >= 0).to(logits.dtype))
        errors.append(_smooth_l1(deltas[positive], targets))
    labels = torch.cat(wanted)
    objectness = F.binary_cross_entropy_with_logits(torch.cat(chosen_logits), labels)
    return objectness, torch.stack(errors).sum() / labels.numel()


def match_anchors(anchors_xyxy: Tensor, truth: Objects, config: MaskRcnnConfig) -> Tensor:
    """Return [m] int64: the object of each anchor ([m, 4] float32, pixels), as `match` says it."""
    ious = box_ops.iou_matrix(truth.boxes_xyxy, anchors_xyxy)
    return match(ious, config.rpn_fg_iou_thresh, config.rpn_bg_iou_thresh, keep_best=True)


def choose_rois(proposals_xyxy: Tensor, truth: Objects, config: MaskRcnnConfig) -> Rois:
    """Choose what the heads train on from the proposals and the objects' own boxes.

    Args:
        proposals_xyxy: [n, 4] float32, pixels; no gradient flows through them.
        truth: the picture's objects.
        config: matching, sampling and the weights of the box coding.
    """
    boxes = torch.cat((proposals_xyxy.detach(), truth.boxes_xyxy))
    ious = box_ops.iou_matrix(truth.boxes_xyxy, boxes)
    matches = match(ious, config.box_fg_iou_thresh, config.box_bg_iou_thresh)
    chosen = sample(matches, config.box_batch_size_per_image, config.box_positive_fraction)
    boxes, matches = boxes[chosen], matches[chosen]
    positives = matches[matches >= 0]
    labels = torch.zeros_like(matches)
    labels[: len(positives)] = truth.labels[positives]
    deltas = box_ops.encode(
        truth.boxes_xyxy[positives], boxes[: len(positives)], config.box_weights
    )
    return Rois(boxes, labels, deltas, positives)


def box_losses(
    class_logits: Tensor, box_deltas: Tensor, rois: Sequence[Rois]
) -> tuple[Tensor, Tensor]:
    """Score the box branch.

    Args:
        class_logits: [r, k] float32, of all pictures' RoIs in order.
        box_deltas: [r, k, 4] float32, of the same rows.
        rois: of each picture.

    Returns:
        Classification loss, box loss: [] float32 each.
    """
    labels = torch.cat([picture.labels for picture in rois])
    positives = torch.nonzero(labels)[:, 0]
    deltas = box_deltas[positives, labels[positives]]
    targets = torch.cat([picture.deltas for picture in rois])
    return F.cross_entropy(class_logits, labels), _smooth_l1(deltas, targets) / labels.numel()


def mask_loss(mask_logits: Tensor, rois: Sequence[Rois], objects: Sequence[Objects]) -> Tensor:
    """Score the mask branch on the matched RoIs; zero, but with a gradient, if there are none.

    Args:
        mask_logits: [p, s, s] float32, of all pictures' matched RoIs in order, for their labels.
        rois: of each picture.
        objects: of each picture.

    Returns:
        [] float32.
    """
    if not len(mask_logits):
        return mask_logits.sum() * 0
    size = mask_logits.shape[-1]
    targets = [
        crop_masks(truth.masks, picture.boxes_xyxy[: len(picture.matches)], picture.matches, size)
        for picture, truth in zip(rois, objects, strict=True)
    ]
    return F.binary_cross_entropy_with_logits(mask_logits, torch.cat(targets))


def matched_labels(rois: Sequence[Rois]) -> Tensor:
    """Return [p] int64: the labels of all pictures' matched RoIs in order."""
    return torch.cat([picture.labels[: len(picture.matches)] for picture in rois])


def _smooth_l1(found: Tensor, wanted: Tensor) -> Tensor:
    return F.smooth_l1_loss(found, wanted, beta=_SMOOTH_L1_BETA, reduction="sum")
