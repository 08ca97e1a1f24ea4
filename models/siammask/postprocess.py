"""A cell's mask back in the frame, the rectangle around it, and targets to objects."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models import rle
from models.ops.regions import largest_region, min_area_rectangle
from models.outputs import TrackedObject
from models.rle import Rle
from models.siammask.anchors import grid_size
from models.siammask.config import SiamMaskConfig
from models.siammask.preprocess import Box
from models.siammask.state import Target
from models.siammask.tracking import Sighting
from models.siammask.trunk import STRIDE

Corners = tuple[tuple[float, float], ...]

_OUTSIDE = -1.0  # what a mask has beyond its border
_MIN_AREA = 100.0  # of a region that a rectangle is drawn around, square pixels


@dataclass(frozen=True)
class PlacedMask:
    """The part of a frame that a mask covers.

    Attributes:
        mask: [h, w] bool; without pixels where the mask lies outside the frame.
        left, top: the frame's column and row of its first pixel.
        frame_size: (height, width), pixels.
    """

    mask: npt.NDArray[np.bool_]
    left: int
    top: int
    frame_size: tuple[int, int]

    def encode(self) -> Rle:
        """Return the mask of the whole frame."""
        if not self.mask.size:
            return rle.encode(np.zeros(self.frame_size, dtype=bool))
        return rle.encode_crop(self.mask, self.left, self.top, self.frame_size)


def paste(
    probabilities: npt.NDArray[np.float32],
    sighting: Sighting,
    frame_size: tuple[int, int],
    config: SiamMaskConfig,
) -> PlacedMask:
    """Place a cell's mask in the frame.

    Args:
        probabilities: [m, m] float32, in [0, 1].
        sighting: of the target.
        frame_size: (height, width), pixels.
        config: of the network.

    Source: SiamMask: tools/test.py, siamese_track, sub_box and crop_back; differs: only where the
        mask can be is looked at. The window's own corner counts, not the whole pixel at which it
        was cut out.
    """
    window = sighting.window
    pixel = window.side / config.search_size  # of the search, in pixels of the frame
    cells = len(probabilities)
    middle = grid_size(config.search_size, config) // 2
    axes = [
        _axis(
            centre + ((cell - middle) * STRIDE - config.template_size / 2) * pixel,
            config.template_size * pixel / cells,
            cells,
            length,
        )
        for centre, cell, length in zip(window.centre[::-1], sighting.cell, frame_size, strict=True)
    ]
    (top, rows), (left, columns) = axes
    values = sample(probabilities, rows, columns)
    return PlacedMask(values > config.seg_thr, left, top, frame_size)


def sample(
    probabilities: npt.NDArray[np.float32],
    rows: npt.NDArray[np.float64],
    columns: npt.NDArray[np.float64],
) -> npt.NDArray[np.float32]:
    """Return a mask's values at places between its cells, which are -1 outside of it.

    Args:
        probabilities: [m, m] float32.
        rows: [h] float64, cells, centres at whole numbers.
        columns: [w] float64, the same.

    Returns:
        [h, w] float32, bilinear between four cells.

    Source: OpenCV 5 warpAffine; differs: none. Its versions 3 and 4 round places to 1/32 of a cell.
    """
    bordered = np.pad(probabilities, 1, constant_values=_OUTSIDE)
    lines = _between(bordered, rows + 1)
    return _between(lines.T, columns + 1).T


def rotated_box(placed: PlacedMask, box_xyxy: Box) -> Corners:
    """Return the corners of the smallest rectangle around the mask's largest region.

    Args:
        placed: mask of the target.
        box_xyxy: pixels of the frame; its corners come back where no region is large enough.

    Returns:
        (x, y) of each corner, one after the other, pixels of the frame, centres at whole numbers.

    Source: SiamMask: tools/test.py, siamese_track; differs: none.
    """
    region = largest_region(placed.mask)
    if region is None or region.area <= _MIN_AREA:
        left, top, right, bottom = box_xyxy
        return (left, top), (right, top), (right, bottom), (left, bottom)
    corners = min_area_rectangle(region.points + np.array([placed.left, placed.top]))
    return tuple((x, y) for x, y in corners.tolist())


def to_object(
    target: Target, placed: PlacedMask, score: float, unkept_xyxy: Box, config: SiamMaskConfig
) -> TrackedObject:
    """Return what is reported of a target.

    Args:
        target: kept within the frame.
        placed: its mask.
        score: in [0, 1].
        unkept_xyxy: its box before it was kept within the frame, pixels.
        config: of the network.
    """
    return TrackedObject(
        id=target.object_id,
        box_xyxy=target.box_xyxy,
        score=score,
        is_visible=score >= config.visible_score,
        rotated_box=rotated_box(placed, unkept_xyxy),
        encode_mask=placed.encode,
    )


def _axis(
    start: float, cell: float, cells: int, length: int
) -> tuple[int, npt.NDArray[np.float64]]:
    """The pixels that a mask can reach along one axis: the first, and where each lies in the mask.

    Args:
        start: of the mask's window, pixels of the frame.
        cell: side of a cell of the mask, pixels of the frame.
        cells: of the mask.
        length: of the frame, pixels.
    """
    shrink = (length - 1) / length  # a published oddity
    start, cell = start * shrink, cell * shrink
    first = max(0, math.floor(start - cell))
    end = min(length, math.ceil(start + cell * cells) + 1)
    pixels = np.arange(first, max(first, end), dtype=np.float64)
    return first, (pixels - start) / cell if cell else np.zeros_like(pixels)


def _between(
    lines: npt.NDArray[np.float32], places: npt.NDArray[np.float64]
) -> npt.NDArray[np.float32]:
    """Mix the two lines around each place; the first and last line go on for ever."""
    last = len(lines) - 1
    places = places.clip(0, last)
    before = np.minimum(places.astype(np.int64), last - 1)
    share = (places - before).astype(np.float32)[:, None]
    return lines[before] * (1 - share) + lines[before + 1] * share
