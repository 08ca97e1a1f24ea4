"""Average precision as COCO defines it, for boxes and for masks."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
THRESHOLDS: Floats = np.linspace(0.5, 0.95, 10)
"""Source: Lin et al. 2014; pycocotools `cocoeval.py`: Params.iouThrs."""
_RECALLS: Floats = np.linspace(0, 1, 101)
_MAX_DETECTIONS = 100  # a picture and class


@dataclass(frozen=True)
class Findings:
    """What was found in one picture against what is there.

    Attributes:
        ious: [n, m] float64, in [0, 1]. Overlap of n detections with m objects.
        scores: [n] float64.
        labels: [n] int64, of the detections.
        true_labels: [m] int64, of the objects.
    """

    ious: Floats
    scores: Floats
    labels: npt.NDArray[np.int64]
    true_labels: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Precision:
    """Average precision over classes, in [0, 1]; -1 where there was no object at all.

    Attributes:
        ap: mean over overlaps 0.50, 0.55 ... 0.95.
        ap50: at overlap 0.50.
        ap75: at overlap 0.75.
        by_label: label -> mean over all overlaps.
    """

    ap: float
    ap50: float
    ap75: float
    by_label: dict[int, float]


def average_precision(pictures: Sequence[Findings]) -> Precision:
    """Average the precision over recall 0, 0.01 ... 1, overlaps and classes.

    Source: pycocotools `cocoeval.py`: evaluateImg, accumulate; differs: no crowds, no area ranges.
    """
    labels = sorted({int(label) for picture in pictures for label in picture.true_labels})
    if not labels:
        return Precision(-1, -1, -1, {})
    table = np.stack([_class_precision(pictures, label) for label in labels])
    return Precision(
        ap=float(table.mean()),
        ap50=float(table[:, 0].mean()),
        ap75=float(table[:, 5].mean()),
        by_label={label: float(row.mean()) for label, row in zip(labels, table, strict=True)},
    )


def box_ious(boxes_xyxy: npt.ArrayLike, true_boxes_xyxy: npt.ArrayLike) -> Floats:
    """Return [n, m] float64, in [0, 1]: overlap of boxes, each [..., 4] in pixels."""
    ours = np.asarray(boxes_xyxy, dtype=np.float64).reshape(-1, 1, 4)
    theirs = np.asarray(true_boxes_xyxy, dtype=np.float64).reshape(1, -1, 4)
    sides = np.minimum(ours[..., 2:], theirs[..., 2:]) - np.maximum(ours[..., :2], theirs[..., :2])
    common = sides.clip(min=0).prod(axis=-1)
    areas = (ours[..., 2:] - ours[..., :2]).prod(-1) + (theirs[..., 2:] - theirs[..., :2]).prod(-1)
    return common / np.maximum(areas - common, np.finfo(np.float64).tiny)


def mask_ious(masks: npt.NDArray[np.bool_], true_masks: npt.NDArray[np.bool_]) -> Floats:
    """Return [n, m] float64, in [0, 1]: overlap of masks, [n, h, w] and [m, h, w] bool."""
    pixels = math.prod(true_masks.shape[1:])
    ours = masks.reshape(-1, pixels).astype(np.float32)
    theirs = true_masks.reshape(-1, pixels).astype(np.float32)
    common = (ours @ theirs.T).astype(np.float64)  # exact: counts below 2^24
    union = ours.sum(1, dtype=np.float64)[:, None] + theirs.sum(1, dtype=np.float64) - common
    return common / np.maximum(union, 1)


def _class_precision(pictures: Iterable[Findings], label: int) -> Floats:
    """[10]: average precision of one class at each overlap."""
    scores, hits, total = [], [], 0
    for picture in pictures:
        chosen = np.flatnonzero(picture.labels == label)
        order = chosen[np.argsort(-picture.scores[chosen], kind="stable")[:_MAX_DETECTIONS]]
        objects = np.flatnonzero(picture.true_labels == label)
        scores.append(picture.scores[order])
        hits.append(_hits(picture.ious[np.ix_(order, objects)]))
        total += len(objects)
    order = np.argsort(-np.concatenate(scores), kind="stable")
    return _area_under(np.concatenate(hits, axis=1)[:, order], total)


def _hits(ious: Floats) -> npt.NDArray[np.bool_]:
    """[10, n]: which detections, best score first, find an object that none before has taken.

    Of the free objects a detection takes the one it overlaps most, the last of equals.
    """
    detections, objects = ious.shape
    hits = np.zeros((len(THRESHOLDS), detections), dtype=bool)
    if not objects:
        return hits
    for found, threshold in zip(hits, THRESHOLDS, strict=True):
        free = np.ones(objects, dtype=bool)
        for detection, row in enumerate(np.where(ious >= threshold, ious, -1)):
            open_row = np.where(free, row, -1)
            best = objects - 1 - int(open_row[::-1].argmax())
            if open_row[best] >= 0:
                free[best], found[detection] = False, True
    return hits


def _area_under(hits: npt.NDArray[np.bool_], total: int) -> Floats:
    """[10]: mean over 101 recalls of the best precision at that recall or a higher one."""
    found = hits.cumsum(axis=1)
    precision = found / np.arange(1, hits.shape[1] + 1)
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    padded = np.concatenate((best, np.zeros((len(best), 1))), axis=1)
    recall = found / total
    places = [np.searchsorted(row, _RECALLS, side="left") for row in recall]
    return np.array([row[place].mean() for row, place in zip(padded, places, strict=True)])
