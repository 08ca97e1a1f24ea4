"""Low-resolution mask probabilities to masks of the whole picture: He et al. 2017, section 3.1.

`paste` says what the masks are. `encode_crops` gives the same masks as COCO RLE without making
them: its memory and its time grow with a box's sides, not with its area nor with the picture.

Source: torchvision/models/detection/roi_heads.py: expand_boxes, paste_masks_in_image.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from models import rle
from models.rle import Rle

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_RING = 1  # zeros around the probabilities, so that an object ends inside its enlarged box

# How far float32 may take a probability from its value in exact arithmetic: the source coordinate,
# up to 30 and off by a few units in its last place, is the worst of it. This is twice as much.
_TOLERANCE = 1e-5

# Enlarged pictures at least this wide are computed along the row first, then between rows, so that
# doing the two in turn gives the same bits; smaller ones may not be.
# Source: pytorch/pytorch: aten/src/ATen/native/cpu/UpSampleKernel.cpp, the condition on
# output height + width <= 128.
_SEPARABLE = 128


def paste(mask_probs: Tensor, boxes_xyxy: Tensor, image_size: tuple[int, int]) -> Tensor:
    """Place each mask in its box: the definition, one full-size plane a mask.

    Args:
        mask_probs: [n, m, m] float, in [0, 1]; m is 28 in the published networks.
        boxes_xyxy: [n, 4] float, pixels of the picture.
        image_size: (height, width) of the picture.

    Returns:
        [n, h, w] float32, in [0, 1], zero outside the boxes.
    """
    height, width = image_size
    masks = torch.zeros(len(boxes_xyxy), height, width)
    probs, boxes = _enlarge(mask_probs, boxes_xyxy)
    for mask, prob, (x, y, columns, rows) in zip(masks, probs, boxes, strict=True):
        soft = _interpolate(prob[None, None], rows, columns)[0, 0]
        top, bottom = max(y, 0), min(y + rows, height)
        left, right = max(x, 0), min(x + columns, width)
        if top < bottom and left < right:
            mask[top:bottom, left:right] = soft[top - y : bottom - y, left - x : right - x]
    return masks


def encode_crops(
    mask_probs: Tensor,
    boxes_xyxy: Tensor,
    image_size: tuple[int, int],
    threshold: float = 0.5,
) -> list[Rle]:
    """Encode each mask straight from its box: bit for bit `paste(...) > threshold`, then RLE.

    Between two rows of the source a column is a straight line, which crosses the threshold once at
    most: where, is solved for. Columns that cross too close to a pixel's centre to foresee what
    float32 makes of it are enlarged as `paste` enlarges them.

    Args:
        mask_probs: [n, m, m] float, in [0, 1], on any device.
        boxes_xyxy: [n, 4] float, pixels of the picture.
        image_size: (height, width) of the picture.
        threshold: probability above which (not at which) a pixel is on the object, in [0, 1).
    """
    probs, boxes = _enlarge(mask_probs, boxes_xyxy)
    return [
        _encode_crop(prob, box, image_size, threshold)
        for prob, box in zip(probs, boxes, strict=True)
    ]


def _enlarge(mask_probs: Tensor, boxes_xyxy: Tensor) -> tuple[Tensor, list[list[int]]]:
    """Put the ring around masks and boxes: [n, m+2, m+2] float32, whole [x, y, columns, rows]."""
    probs = F.pad(mask_probs.float().cpu(), (_RING,) * 4)
    boxes = boxes_xyxy.float().cpu()
    centres = (boxes[:, :2] + boxes[:, 2:]) * 0.5
    halves = (boxes[:, 2:] - boxes[:, :2]) * 0.5 * (probs.shape[-1] / mask_probs.shape[-1])
    first = (centres - halves).long()  # truncated toward zero, as published
    last = (centres + halves).long()
    sides = (last - first + 1).clamp(min=1)  # the published +1: corners are pixels here
    return probs, torch.cat((first, sides), dim=1).tolist()


def _interpolate(planes: Tensor, rows: int, columns: int) -> Tensor:
    return F.interpolate(planes, size=(rows, columns), mode="bilinear", align_corners=False)


def _encode_crop(
    prob: Tensor, box: list[int], image_size: tuple[int, int], threshold: float
) -> Rle:
    height, width = image_size
    x, y, columns, rows = box
    left, right = max(-x, 0), max(min(columns, width - x), 0)  # columns inside the picture
    lines = _interpolate(prob[None, None], len(prob), columns)
    changes, is_unsure = _solve(lines[0, 0, :, left:right].numpy(), rows, threshold)
    if is_unsure.any():
        unsure = np.flatnonzero(is_unsure)
        enlarged = _enlarge_columns(prob[None, None], lines, left + unsure, rows)
        looked_up = _look_up(enlarged[0, 0] > threshold, unsure)
        changes = np.sort(np.concatenate((changes, looked_up)))
    column, row = np.divmod(changes, rows + 1)
    positions = (x + left + column) * height + np.minimum(np.maximum(y + row, 0), height)
    starts, ends = positions[0::2], positions[1::2]
    is_visible = starts < ends
    return rle.from_runs(starts[is_visible], ends[is_visible], image_size)


def _solve(lines: npt.NDArray[np.float32], rows: int, threshold: float) -> tuple[Ints, Flags]:
    """Compute where columns enter and leave the object when enlarged from m to `rows` rows.

    Args:
        lines: [m, w] float32, in [0, 1]; first and last row are zero.
        rows: how many rows the columns are to have.
        threshold: see `encode_crops`.

    Returns:
        [p] int64, rising: column * (rows + 1) + row; enter, leave, enter, leave and so on.
        [w] bool: columns that float32 rounding may decide; the first result leaves them out.
    """
    margins = lines.T - np.float32(threshold)
    is_object = margins > 0
    column, source = np.nonzero(is_object[:, 1:] != is_object[:, :-1])
    before = margins[column, source].astype(np.float64)
    after = margins[column, source + 1]
    step = rows / len(lines)
    crossing = (source + before / (before - after) + 0.5) * step - 0.5
    doubt = np.abs(crossing - np.rint(crossing)) / step * np.abs(after - before)
    is_unsure = np.abs(margins).min(axis=1) <= _TOLERANCE
    is_unsure[column[doubt <= _TOLERANCE]] = True
    changes = column * (rows + 1) + np.ceil(crossing).astype(np.int64)
    return changes[~is_unsure[column]], is_unsure


def _enlarge_columns(prob: Tensor, lines: Tensor, wanted: Ints, rows: int) -> Tensor:
    """Compute some columns of the enlarged mask, bit for bit as if all were: [1, 1, rows, n]."""
    columns = lines.shape[-1]
    if columns < _SEPARABLE:
        return _interpolate(prob, rows, columns)[..., wanted]
    some = np.resize(wanted, max(len(wanted), _SEPARABLE))
    return _interpolate(lines[..., some], rows, len(some))[..., : len(wanted)]


def _look_up(is_object: Tensor, columns: Ints) -> Ints:
    """Find where columns enter and leave the object, in the form of `_solve`.

    Args:
        is_object: [h, n] bool.
        columns: [n] int64, what to number them with.
    """
    bordered = F.pad(is_object.T, (1, 1)).numpy()
    column, row = np.nonzero(bordered[:, 1:] != bordered[:, :-1])
    return columns[column] * (len(is_object) + 1) + row
