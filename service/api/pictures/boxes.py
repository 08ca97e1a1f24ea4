"""Boxes that a caller points out: out of the option `boxes`, and onto the picture."""

import json
import math
from collections.abc import Sequence

import numpy as np

from models.predictor import BoxPrompts
from service.api.codec import ImageHeader
from service.errors import InvalidOptions

Box = tuple[float, float, float, float]  # x, y, width, height
Corners = tuple[float, float, float, float]  # left, top, right, bottom

MAX_BOXES = 100
_EXPECTED = "JSON like [[x, y, width, height], …] is expected"


def parse(text: str) -> tuple[Box, ...]:
    """Read boxes: JSON, a list of x, y, width and height each, pixels.

    Raises:
        ValueError: it is something else, too many, or one is not finite or has no area; the
            message says which.
    """
    try:
        rows = json.loads(text, parse_int=float)
    except (ValueError, RecursionError):
        raise ValueError(_EXPECTED) from None
    if not isinstance(rows, list) or not rows:
        raise ValueError(_EXPECTED)
    if len(rows) > MAX_BOXES:
        raise ValueError(f"{len(rows)} are too many; {MAX_BOXES} may be given")
    return tuple(_box(index, row) for index, row in enumerate(rows))


def to_prompts(header: ImageHeader, boxes: Sequence[Box], labels: tuple[int, ...]) -> BoxPrompts:
    """Return boxes cut to a picture.

    Args:
        header: of the picture.
        boxes: x, y, width, height.
        labels: of the boxes, or none.

    Raises:
        InvalidOptions: one of the boxes has no part in the picture.
    """
    corners = np.array([_corners(box, header) for box in boxes])
    for index, (left, top, right, bottom) in enumerate(corners):
        if left >= right or top >= bottom:
            raise InvalidOptions(
                f"boxes.{index} covers nothing of the picture of {header.width}x{header.height}."
            )
    return BoxPrompts(corners, labels)


def _box(index: int, row: object) -> Box:
    if not isinstance(row, list) or [type(number) for number in row] != [float] * 4:
        raise ValueError(f"boxes.{index} is not four numbers: x, y, width, height")
    x, y, width, height = row
    if not all(map(math.isfinite, row)):
        raise ValueError(f"boxes.{index} has a number that is not finite")
    if width <= 0 or height <= 0:
        raise ValueError(
            f"boxes.{index} has the width {width:g} and the height {height:g}; both must be above 0"
        )
    return x, y, width, height


def _corners(box: Box, header: ImageHeader) -> Corners:
    """Left, top, right and bottom of a box, cut to a picture."""
    x, y, width, height = box
    return max(x, 0.0), max(y, 0.0), min(x + width, header.width), min(y + height, header.height)
