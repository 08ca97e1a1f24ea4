"""Raw outputs to detections, and detections to instances in the picture's own pixels."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from models.mask_rcnn.config import MaskRcnnConfig
from models.mask_rcnn.model import RawOutputs
from models.ops import boxes
from models.ops.grouping import members, owners
from models.ops.masks import encode_crops
from models.ops.nms import nms
from models.outputs import InstanceMasks, Masks


@dataclass(frozen=True)
class Selection:
    """Which of all candidates become detections.

    Attributes:
        score_threshold: scores must be above it.
        max_detections: the best so many of a picture.
        labels: only these.
    """

    score_threshold: float
    max_detections: int
    labels: Collection[int]


@dataclass(frozen=True)
class BoxDetections:
    """Detections of one picture before they have masks, best score first.

    Attributes:
        boxes_xyxy: [n, 4] float32, pixels of the network's input.
        labels: [n] int64.
        scores: [n] float32, in [0, 1].
    """

    boxes_xyxy: Tensor
    labels: Tensor
    scores: Tensor


def detect(
    outputs: RawOutputs, image_sizes: Tensor, selection: Selection, config: MaskRcnnConfig
) -> list[BoxDetections]:
    """Return the detections of every picture.

    A proposal may yield several labels, each with its own box; suppression is within a label.

    Args:
        outputs: of the network.
        image_sizes: [b, 2] float32, (height, width) of each picture in the network's input.
        selection: which candidates to return.
        config: of the network.

    Source: torchvision RoIHeads.postprocess_detections; differs: scores first, so that boxes are
        decoded for candidates only.
    """
    scores = outputs.class_logits.softmax(1)
    is_candidate = (scores > selection.score_threshold) & _wanted_labels(scores, selection)
    rows, labels = is_candidate.nonzero(as_tuple=True)
    counts = [len(proposals.scores) for proposals in outputs.proposals]
    scores, image_index = scores[rows, labels], owners(counts, scores.device)[rows]
    proposals = torch.cat([proposals.boxes_xyxy for proposals in outputs.proposals])
    boxes_xyxy = boxes.decode(outputs.box_deltas[rows, labels], proposals[rows], config.box_weights)
    boxes_xyxy = boxes.clip(boxes_xyxy, image_sizes[image_index])
    large = boxes.has_sides(boxes_xyxy, config.box_min_side).nonzero()[:, 0]
    group_ids = image_index * config.class_count + labels
    kept = large[nms(boxes_xyxy[large], scores[large], group_ids[large], config.box_nms_thresh)]
    best = [
        kept[rows[: selection.max_detections]]
        for rows in members(image_index[kept], len(image_sizes))
    ]
    return [BoxDetections(boxes_xyxy[rows], labels[rows], scores[rows]) for rows in best]


def to_instances(
    detections: Sequence[BoxDetections],
    mask_scores: Tensor,
    image_sizes: Tensor,
    original_sizes: Tensor,
) -> list[InstanceMasks]:
    """Return the instances of every picture, on the CPU, their masks not yet encoded.

    Args:
        detections: one record a picture.
        mask_scores: [sum n, s, s] float32, in [0, 1], over each box.
        image_sizes: [b, 2] float32, (height, width) of each picture in the network's input.
        original_sizes: [b, 2] float32, (height, width) of each picture as given.
    """
    scales = (original_sizes / image_sizes).flip(1).repeat(1, 2)  # [b, 4], x and y apart
    rows = [
        torch.cat([found.boxes_xyxy * scale, found.scores[:, None], found.labels[:, None]], dim=1)
        for found, scale in zip(detections, scales, strict=True)
    ]
    # One copy from the device for everything; labels are small enough to be exact in float32.
    packed = torch.cat([torch.cat(rows), mask_scores.flatten(1)], dim=1).cpu()
    parts = torch.split(packed, [len(found.scores) for found in detections])
    sizes = [(int(height), int(width)) for height, width in original_sizes.tolist()]
    side = mask_scores.shape[-1]
    return [_to_instance(part, side, size) for part, size in zip(parts, sizes, strict=True)]


def _to_instance(packed: Tensor, side: int, image_size: tuple[int, int]) -> InstanceMasks:
    """Unpack [n, 4 + 1 + 1 + side * side]: box, score, label, mask."""
    boxes_xyxy, scores, labels = packed[:, :4], packed[:, 4], packed[:, 5]
    mask_scores = packed[:, 6:].reshape(-1, side, side)
    encode = partial(encode_crops, mask_scores, boxes_xyxy, image_size)
    return InstanceMasks(boxes_xyxy, labels.long(), scores, Masks(len(packed), image_size, encode))


def _wanted_labels(scores: Tensor, selection: Selection) -> Tensor:
    """[k] bool: never the background."""
    labels = torch.arange(scores.shape[1], device=scores.device)
    wanted = torch.tensor(sorted(selection.labels), dtype=labels.dtype, device=scores.device)
    return (labels > 0) & torch.isin(labels, wanted)
