"""What callers tell of a target, checked: a box, or a mask and the box around it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.layers.sessions import check_ids
from models.siammask.preprocess import Box

Objects = Mapping[int, npt.NDArray[Any]]

MIN_SIDE = 1.0  # pixels; of less the network would see one pixel's colour
MAX_COORDINATE = 1e6  # pixels; places in larger windows are no longer whole pixels in float32


@dataclass(frozen=True)
class Prompt:
    """One target as its caller tells it.

    Attributes:
        box_xyxy: pixels of the frame, which it overlaps.
        mask: [h, w] bool, None if the box alone was told.
    """

    box_xyxy: Box
    mask: npt.NDArray[np.bool_] | None


def read(objects: Objects, frame_size: tuple[int, int]) -> dict[int, Prompt]:
    """Return the prompts by id, in rising order.

    Args:
        objects: id -> box_xyxy [4] floating, pixels, or mask [h, w] bool.
        frame_size: (height, width), pixels.

    Raises:
        ValueError: there is none, an id is not above 0, a mask is not of the frame's size or has no
            pixel, or a box has no area on the frame.
    """
    check_ids(objects)
    return {
        object_id: _read(object_id, np.asarray(objects[object_id]), frame_size)
        for object_id in sorted(objects)
    }


def _read(object_id: int, told: npt.NDArray[Any], frame_size: tuple[int, int]) -> Prompt:
    if told.shape == (4,) and told.dtype != np.bool_:
        return Prompt(_checked_box(object_id, told, frame_size), None)
    if told.shape != frame_size or told.dtype != np.bool_:
        raise ValueError(
            f"object {object_id} is {list(told.shape)} {told.dtype}, neither a box of four numbers "
            f"nor a mask {list(frame_size)} bool"
        )
    rows, columns = np.flatnonzero(told.any(1)), np.flatnonzero(told.any(0))
    if not len(rows):
        raise ValueError(f"the mask of object {object_id} has no pixel")
    box_xyxy = (float(columns[0]), float(rows[0]), columns[-1] + 1.0, rows[-1] + 1.0)
    return Prompt(box_xyxy, told.copy())


def _checked_box(object_id: int, told: npt.NDArray[Any], frame_size: tuple[int, int]) -> Box:
    left, top, right, bottom = told.astype(np.float64).tolist()
    height, width = frame_size
    if not np.all(np.abs(told) <= MAX_COORDINATE):
        raise ValueError(
            f"the box of object {object_id} has no coordinates within a million pixels"
        )
    if min(right - left, bottom - top) < MIN_SIDE:
        raise ValueError(f"the box of object {object_id} is less than a pixel wide or high")
    if min(right, bottom) <= 0 or left >= width or top >= height:
        raise ValueError(f"the box of object {object_id} lies outside the frame")
    return left, top, right, bottom
