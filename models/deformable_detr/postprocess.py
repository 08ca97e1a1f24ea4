"""Raw outputs to detections in the picture's own pixels.

No suppression: the network was trained to name every object once. A query is a candidate once for
every label, so one box may come out with two labels.
"""

from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor

from models.deformable_detr.model import RawOutputs
from models.ops.boxes import cxcywh_to_xyxy
from models.outputs import Detections


@dataclass(frozen=True)
class Selection:
    """Which candidates become detections.

    Attributes:
        score_threshold: scores must be above it.
        max_detections: the best so many of a picture.
        labels: only these columns of the class logits.
    """

    score_threshold: float
    max_detections: int
    labels: Collection[int]


def to_detections(
    outputs: RawOutputs, original_sizes: Tensor, selection: Selection
) -> list[Detections]:
    """Return the detections of every picture, on the CPU.

    Args:
        outputs: of the network; the last layer counts.
        original_sizes: [b, 2] float32, (height, width) of each picture as given.
        selection: which candidates to return.

    Source: Deformable-DETR deformable_detr.py, PostProcess; differs: threshold and labels.
    """
    class_logits, boxes = outputs.class_logits[-1], outputs.boxes_cxcywh_norm[-1]
    columns = torch.tensor(sorted(selection.labels), dtype=torch.int64).to(class_logits.device)
    scores = class_logits[..., columns].sigmoid().flatten(1)
    count = min(selection.max_detections, scores.shape[1])
    best, index = scores.topk(count)  # [b, n], descending
    width_height = original_sizes.flip(1).repeat(1, 2)[:, None].to(boxes.device)
    boxes_xyxy = cxcywh_to_xyxy(boxes) * width_height
    queries = index // max(len(columns), 1)
    found = boxes_xyxy.gather(1, queries[..., None].expand(-1, -1, 4))
    labels = columns[index % max(len(columns), 1)]
    # One copy from the device for everything; labels are small enough to be exact in float32.
    packed = torch.cat([found, best[..., None], labels[..., None]], dim=-1).cpu()
    return [_above(picture, selection.score_threshold) for picture in packed]


def _above(packed: Tensor, score_threshold: float) -> Detections:
    """Unpack [n, 4 + 1 + 1]: box, score, label."""
    packed = packed[packed[:, 4] > score_threshold]
    return Detections(packed[:, :4], packed[:, 5].long(), packed[:, 4])
