"""Boxes that a caller points out: onto the network's input, and what is in them."""

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from models.mask_rcnn.postprocess import BoxDetections
from models.mask_rcnn.preprocess import NetworkInput
from models.ops import boxes
from models.predictor import BoxPrompts

_ANY = -1  # in the place of a label that the network shall choose


def check(prompts: BoxPrompts, known: Collection[int]) -> None:
    """Do nothing if the prompts make sense.

    Args:
        prompts: of one picture.
        known: labels that there are.

    Raises:
        ValueError: they are no boxes, or not as many labels, or unknown ones.
    """
    corners = torch.as_tensor(prompts.boxes_xyxy)
    if corners.ndim != 2 or corners.shape[1] != 4 or not corners.isfinite().all():
        raise ValueError("boxes_xyxy: [n, 4] finite numbers expected")
    if (corners[:, 2:] <= corners[:, :2]).any():
        raise ValueError("boxes_xyxy: a box has no area")
    if len(prompts.labels) not in (0, len(corners)):
        raise ValueError(f"{len(prompts.labels)} labels for {len(corners)} boxes")
    unknown = set(prompts.labels) - {*known, None}
    if unknown:
        raise ValueError(f"unknown label {unknown.pop()}")


def to_input(prompts: Sequence[BoxPrompts], batch: NetworkInput) -> list[Tensor]:
    """Return each picture's boxes, cut to it, as [n, 4] float32, pixels of the network's input.

    Args:
        prompts: one record a picture.
        batch: the pictures.
    """
    device = batch.images.device
    scales = (batch.image_sizes / batch.original_sizes).flip(1).repeat(1, 2)  # [b, 4]
    return [
        boxes.clip(torch.as_tensor(one.boxes_xyxy, dtype=torch.float32, device=device), size)
        * scale
        for one, size, scale in zip(prompts, batch.original_sizes, scales, strict=True)
    ]


def judge(
    prompts: Sequence[BoxPrompts],
    boxes_xyxy: Sequence[Tensor],
    class_logits: Tensor,
    choices: Collection[int],
) -> list[BoxDetections]:
    """Return what is in each box, in the order of the boxes, with its probability.

    Args:
        prompts: one record a picture.
        boxes_xyxy: a [n, 4] float32 tensor a picture, pixels of the network's input.
        class_logits: [sum n, k] float32, of the boxes of all pictures one after the other.
        choices: at least one, from which a label is chosen where none is given.
    """
    scores = class_logits.softmax(1)
    chosen = torch.tensor(sorted(choices), device=scores.device)
    best = chosen[scores[:, chosen].argmax(1)]
    given = torch.tensor([label for one in prompts for label in _given(one)], dtype=torch.int64)
    given = given.to(scores.device)
    labels = torch.where(given == _ANY, best, given)
    scores = scores.gather(1, labels[:, None])[:, 0]
    counts = [len(one) for one in boxes_xyxy]
    parts = zip(boxes_xyxy, torch.split(labels, counts), torch.split(scores, counts), strict=True)
    return [BoxDetections(*part) for part in parts]


def _given(prompts: BoxPrompts) -> list[int]:
    """One number a box: its label, or that it has none."""
    labels = prompts.labels or (None,) * len(prompts.boxes_xyxy)
    return [_ANY if label is None else label for label in labels]
