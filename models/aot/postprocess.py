"""Identity logits to one label a pixel of the frame, and labels to objects."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from models.aot.groups import DROPPED
from models.aot.state import AotState
from models.ops.resize import bilinear_taps, mix_rows
from models.outputs import Masks, TrackedObject, TrackStep
from models.rle import Rle
from models.rle_labels import encode_labels

_MERGE_MARGIN = 1e-5
_BAND_PIXELS = 2**18  # of the frame, at a time: memory stays small however large the frame


@dataclass(frozen=True)
class Labelling:
    """What a frame shows.

    Attributes:
        label_map: [h, w] uint8, slots, 0 = background.
        boxes_xyxy: [n, 4] int64, pixels, the smallest around each slot; zeros for what is not seen.
        scores: [n] float32, in [0, 1], the mean probability of the slot over its own pixels.
        is_visible: [n] bool: some pixel shows it.
    """

    label_map: Tensor
    boxes_xyxy: Tensor
    scores: Tensor
    is_visible: Tensor


def label(
    logits: Sequence[Tensor], object_counts: Sequence[int], frame_size: tuple[int, int]
) -> Labelling:
    """Return the labels of a frame.

    Args:
        logits: [k, h, w] floating at stride 4, one a group, channel 0 background.
        object_counts: of each group; only the last may have fewer than k - 1.
        frame_size: (height, width), pixels.
    """
    used = [group[: count + 1].float() for group, count in zip(logits, object_counts, strict=True)]
    parts = [band_logits.softmax(0).max(0) for band_logits in frame_logits(used, frame_size)]
    label_map = torch.cat([part.indices.byte() for part in parts])
    return measure(label_map, torch.cat([part.values for part in parts]), sum(object_counts))


def frame_logits(
    logits: Sequence[Tensor], frame_size: tuple[int, int], band_pixels: int = _BAND_PIXELS
) -> Iterator[Tensor]:
    """Yield the logits of all slots at the frame's size, band by band from the top.

    Args:
        logits: [1 + objects, h, w] float32, one a group, as `merge_groups` takes them.
        frame_size: (height, width), pixels.
        band_pixels: about so many of the frame at a time.

    Yields:
        [1 + n, rows, width] float32.
    """
    height, width = frame_size
    rows = max(1, band_pixels // width)
    old_height, device = logits[0].shape[1], logits[0].device
    for top in range(0, height, rows):
        band = slice(top, min(top + rows, height))
        taps, shares = bilinear_taps(old_height, height, device, band, aligns_corners=True)
        yield merge_groups(
            [mix_rows(group, taps, shares, width, aligns_corners=True) for group in logits]
        )


def merge_groups(logits: Sequence[Tensor]) -> Tensor:
    """Return the logits of all groups' objects side by side.

    A pixel is background if it is for every group.

    Args:
        logits: [1 + objects, h, w] float32, one a group, channel 0 background; only the last group
            may have fewer channels.

    Returns:
        [1 + n, h, w] float32; of a lone group its own, of several n is a multiple of the first
        group's objects.

    Source: aot-benchmark: networks/engines/aot_engine.py, AOTInferEngine.soft_logit_aggregation;
        differs: none.
    """
    if len(logits) == 1:
        return logits[0]
    channels = len(logits[0])
    scores = [F.pad(group.softmax(0), (0, 0, 0, 0, 0, channels - len(group))) for group in logits]
    background = torch.stack([group[0] for group in scores]).prod(0)
    merged = torch.cat([background[None], *(group[1:] for group in scores)])
    return merged.clamp(_MERGE_MARGIN, 1 - _MERGE_MARGIN).logit()


def measure(label_map: Tensor, scores: Tensor, count: int) -> Labelling:
    """Say where each slot is and how sure that is.

    Args:
        label_map: [h, w] uint8, slots up to `count`.
        scores: [h, w] float32, of each pixel's own label.
        count: of slots.
    """
    height, width = label_map.shape
    labels = label_map.long()
    classes = count + 1
    row_index = torch.arange(height, device=labels.device)[:, None] * classes
    column_index = torch.arange(width, device=labels.device) * classes
    in_rows = torch.bincount((labels + row_index).flatten(), minlength=height * classes)
    in_columns = torch.bincount((labels + column_index).flatten(), minlength=width * classes)
    in_rows, in_columns = in_rows.view(height, classes), in_columns.view(width, classes)
    areas = in_rows.sum(0)
    sums = torch.bincount(labels.flatten(), scores.double().flatten(), minlength=classes)
    (top, bottom), (left, right) = _extent(in_rows), _extent(in_columns)
    boxes_xyxy = torch.stack([left, top, right, bottom], dim=1) * (areas > 0)[:, None]
    means = sums / areas.clamp(min=1)
    return Labelling(label_map, boxes_xyxy[1:], means[1:].float(), (areas > 0)[1:])


def _extent(counts: Tensor) -> tuple[Tensor, Tensor]:
    """First line and one past the last that a label is on, from [lines, classes] counts."""
    is_there = (counts > 0).byte()
    return is_there.argmax(0), len(counts) - is_there.flip(0).argmax(0)


def to_step(state: AotState, labelling: Labelling) -> TrackStep:
    """Return the objects of a frame, their masks not yet encoded.

    Args:
        state: at this frame.
        labelling: of this frame; its tensors may be on any device.
    """
    slots = [slot for slot, known in enumerate(state.slot_ids, start=1) if known != DROPPED]
    height, width = state.label_map.shape
    masks = Masks(len(slots), (height, width), partial(encode_labels, state.label_map, slots))
    boxes_xyxy = labelling.boxes_xyxy.tolist()
    scores, is_visible = labelling.scores.tolist(), labelling.is_visible.tolist()
    objects = [
        TrackedObject(
            id=state.slot_ids[slot - 1],
            box_xyxy=tuple(boxes_xyxy[slot - 1]),
            score=scores[slot - 1],
            is_visible=is_visible[slot - 1],
            rotated_box=None,
            encode_mask=partial(_mask, masks, index),
        )
        for index, slot in enumerate(slots)
    ]
    return TrackStep(tuple(objects), state)


def _mask(masks: Masks, index: int) -> Rle:
    return masks[index]
