"""What to follow: objects told by mask, box or point, or found by a detector."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from models import rle
from models.rle import Bitmap


@dataclass(frozen=True)
class NewObject:
    """An object to follow, or a known one told anew; exactly one of mask, box and point tells it.

    Attributes:
        mask: [h, w] bool of the frame's size, or COCO's compressed RLE.
        box: x, y, width, height; pixels of the frame.
        point: x, y; pixels of the frame.
        id: above 0; None: the service gives it one.
        label: what to call it.
    """

    mask: Bitmap | rle.Rle | None = field(default=None, repr=False)
    box: tuple[float, float, float, float] | None = None
    point: tuple[float, float] | None = None
    id: int | None = None
    label: str | None = None


@dataclass(frozen=True)
class Detect:
    """Follow what a network finds on the first frame.

    Attributes:
        model: that finds; None: the service chooses.
        score_threshold: leave out what scores less; None: the service's default.
        labels: only these categories: names or category ids.
    """

    model: str | None = None
    score_threshold: float | None = None
    labels: Sequence[str | int] | None = None


def to_json(objects: Sequence[NewObject] | Detect) -> dict[str, Any]:
    """Return what to follow as the members of a request.

    Raises:
        ValueError: an object is told in no way or in several.
    """
    if isinstance(objects, Detect):
        detect = _without_none(asdict(objects))
        if "labels" in detect:
            detect["labels"] = [str(label) for label in detect["labels"]]
        return {"detect": detect}
    return {"objects": [_object(one) for one in objects]}


def _object(one: NewObject) -> dict[str, Any]:
    told = _without_none({"mask": one.mask, "box": one.box, "point": one.point})
    if len(told) != 1:
        raise ValueError(f"one of mask, box and point tells an object, not {len(told)} of them")
    if isinstance(one.mask, np.ndarray):
        told["mask"] = rle.encode(one.mask)
    return {**told, **_without_none({"id": one.id, "label": one.label})}


def _without_none(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
