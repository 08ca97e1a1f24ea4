"""Targets to the network's input: how much of the frame is cut out, in which colours.

Positions are (x, y), sizes (width, height) of the target, both in pixels of the frame.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.ops.resize_uint8 import crop_opencv
from models.siammask.config import SiamMaskConfig

Pair = tuple[float, float]
Box = tuple[float, float, float, float]
Colour = tuple[int, ...]


@dataclass(frozen=True)
class SearchWindow:
    """The square of a frame in which a target is looked for.

    Attributes:
        centre: (x, y), pixels of the frame.
        side: whole pixels of the frame.
        scale: pixels of the network's input a pixel of the frame, before the side was rounded.
    """

    centre: Pair
    side: int
    scale: float


def around(position: Pair, size: Pair) -> Box:
    """Return the corners of an upright box, xyxy."""
    (x, y), (width, height) = position, size
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def centre_and_size(box_xyxy: Box) -> tuple[Pair, Pair]:
    """Return the centre and the size of an upright box; the inverse of `around`."""
    left, top, right, bottom = box_xyxy
    width, height = right - left, bottom - top
    return (left + width / 2, top + height / 2), (width, height)


def border_colour(frame: Tensor) -> Colour:
    """Return the colour that stands for what lies outside, the frame's mean, cut down.

    Args:
        frame: [h, w, 3] uint8.
    """
    pixels = frame.shape[0] * frame.shape[1]
    red, green, blue = (frame.sum((0, 1), dtype=torch.int64) // pixels).tolist()
    return red, green, blue


def context_side(size: Pair, config: SiamMaskConfig) -> float:
    """Return the side of the square as large as a target with its context, pixels.

    Source: Bertinetto et al. 2016, section 3.2; SiamMask: tools/test.py, siamese_init; differs:
        none.
    """
    context = config.context_amount * sum(size)
    return math.sqrt((size[0] + context) * (size[1] + context))


def search_window(position: Pair, size: Pair, config: SiamMaskConfig) -> SearchWindow:
    """Return where to look for a target.

    Args:
        position: of the target on the frame before.
        size: there.
        config: of the network.

    Source: SiamMask: tools/test.py, siamese_track; differs: none.
    """
    side = context_side(size, config)
    scale = config.template_size / side
    margin = (config.search_size - config.template_size) / 2 / scale
    return SearchWindow(position, round(side + 2 * margin), scale)


def crop(frame: Tensor, centre: Pair, sides: tuple[int, int], border: Colour) -> Tensor:
    """Cut a square out of a frame and resize it.

    Args:
        frame: [h, w, c] uint8.
        centre: (x, y), pixels.
        sides: of the square, pixels, and wanted.
        border: a byte a channel, the colour outside the frame.

    Returns:
        [m, m, c] uint8.

    Source: SiamMask: tools/test.py, get_subwindow_tracking; differs: none. The first pixel's place
        is rounded with halves to even.
    """
    side, size = sides
    x, y = (round(place - (side + 1) / 2) for place in centre)
    outside = torch.tensor(border, dtype=torch.uint8)
    return crop_opencv(frame, (x, y), side, size, outside)


def to_input(crops: Sequence[Tensor], like: Tensor) -> Tensor:
    """Return crops as the network takes them: BGR, 0 to 255, neither centred nor scaled.

    Args:
        crops: each [m, m, 3] uint8, RGB.
        like: [any] floating, of the wanted device and dtype.

    Returns:
        [b, 3, m, m], channels last in memory.
    """
    images = torch.stack(list(crops)).to(like.device).flip(3)
    return images.to(like.dtype).permute(0, 3, 1, 2)
