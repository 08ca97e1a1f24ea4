"""What callers tell of objects, checked: ids, kinds of prompts, arrays."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from service.engine.sessions.records import BoxPrompt, MaskPrompt, NewObject, PointPrompt
from service.engine.tracker import Frame
from service.errors import InvalidOptions

AnyPrompt = MaskPrompt | BoxPrompt | PointPrompt

_ID_END = 2**31
_KINDS = {MaskPrompt: "mask", BoxPrompt: "box", PointPrompt: "point"}


@dataclass(frozen=True)
class Told:
    """Objects in a tracker's own terms.

    Attributes:
        prompts: id -> [h, w] bool mask or [4] float box_xyxy.
        labels: id -> what its caller calls it, of these and those known before.
    """

    prompts: Mapping[int, npt.NDArray[Any]]
    labels: Mapping[int, str | None]


def kinds(new_objects: Sequence[NewObject]) -> set[str]:
    """Return what they are told by."""
    return {_KINDS[type(one.prompt)] for one in new_objects}


def number(
    new_objects: Sequence[NewObject], known: Mapping[int, str | None]
) -> dict[int, NewObject]:
    """Return objects by id; those that came without one get the next free ones.

    Args:
        new_objects: that callers gave.
        known: whose ids are taken.

    Raises:
        InvalidOptions: there is none, or an id is given twice or out of range.
    """
    given = [one.id for one in new_objects if one.id is not None]
    if len(set(given)) < len(given):
        raise InvalidOptions("objects: an id is given twice.")
    free = max((*given, *known, 0))
    numbered = {}
    for new in new_objects:
        free += new.id is None
        numbered[free if new.id is None else new.id] = new
    if not numbered:
        raise InvalidOptions("objects: there is none.")
    if not all(0 < one < _ID_END for one in numbered):
        raise InvalidOptions(f"objects: an id is a whole number from 1 to {_ID_END - 1}.")
    return numbered


def to_array(prompt: AnyPrompt, frame: Frame) -> npt.NDArray[Any]:
    """Return a prompt in numbers.

    Args:
        prompt: that a caller gave.
        frame: [h, w, 3] uint8, RGB, on which it is.

    Returns:
        [h, w] bool mask, [4] float64 box_xyxy, or [2] float64 (x, y); pixels.

    Raises:
        InvalidOptions: it is not on the frame.
    """
    height, width = frame.shape[:2]
    match prompt:
        case MaskPrompt(mask):
            _check_mask(mask, height, width)
            return mask
        case BoxPrompt(box):
            left, top, right, bottom = box
            is_finite = all(map(math.isfinite, box))
            if (
                not is_finite
                or min(right, width) <= max(left, 0)
                or (min(bottom, height) <= max(top, 0))
            ):
                raise InvalidOptions("objects: a box has no area on the frame.")
            return np.array(box)
        case PointPrompt(point):
            x, y = point
            if not (0 <= x < width and 0 <= y < height):
                raise InvalidOptions("objects: a point is not on the frame.")
            return np.array(point)


def _check_mask(mask: npt.NDArray[np.bool_], height: int, width: int) -> None:
    if mask.shape != (height, width):
        raise InvalidOptions(
            f"objects: a mask is {mask.shape[1]} x {mask.shape[0]} pixels, "
            f"the frame {width} x {height}."
        )
    if not mask.any():
        raise InvalidOptions("objects: a mask has no pixel.")
