"""Detections as replies: COCO result members in JSON, or drawn on the picture."""

from collections.abc import Iterator
from typing import Any

from models.predictor import Category
from service.api import overlay
from service.api.overlay import Mark
from service.api.pictures.call import Answered

Box = tuple[float, float, float, float]


def to_json(answered: Answered) -> bytes:
    """Return the reply of `POST /detect`."""
    return answered.reply(detections=members(answered))


def to_png(answered: Answered) -> bytes:
    """Return the picture with its detections drawn on it."""
    return overlay.draw(answered.image, marks(answered))


def members(answered: Answered) -> list[dict[str, Any]]:
    """Return what replies say of everything found: what it is, how sure, and where."""
    return [
        {
            "label": category.name,
            "category_id": category.id,
            "score": round(score, 5),
            "bbox": [round(number, 2) for number in (left, top, right - left, bottom - top)],
        }
        for category, score, (left, top, right, bottom) in _found(answered)
    ]


def marks(answered: Answered) -> list[Mark]:
    """Return everything found as something to draw, without masks."""
    return [
        Mark(
            box_xyxy=box_xyxy,
            caption=f"{category.name} {score:.2f}",
            colour=overlay.category_colour(category.id),
        )
        for category, score, box_xyxy in _found(answered)
    ]


def _found(answered: Answered) -> Iterator[tuple[Category, float, Box]]:
    """Category, score and box of everything found.

    A box may reach beyond the picture; what the picture shows of it counts. That never takes it
    further from a true box, which lies inside.
    """
    output = answered.output
    height, width = answered.image.shape[:2]
    rows = zip(
        output.labels.tolist(), output.scores.tolist(), output.boxes_xyxy.tolist(), strict=True
    )
    for label, score, (left, top, right, bottom) in rows:
        box = _cut(left, width), _cut(top, height), _cut(right, width), _cut(bottom, height)
        yield answered.model.categories[label], score, box


def _cut(coordinate: float, side: int) -> float:
    return min(max(coordinate, 0.0), side)
