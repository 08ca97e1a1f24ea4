"""COCO polygons of a mask: its outlines along the borders of pixels.

A COCO polygon cannot have a hole, so what an outline encloses counts as filled: exact for masks
without holes, too large by the holes for others (their RLE stays exact). Pixels that touch only at
a corner are apart.
"""

import numpy as np
import numpy.typing as npt

from models import rle as rles
from models.rle import Rle

Ints = npt.NDArray[np.int64]

# A point between four pixels is a corner of the outline if the borders left and right of it differ.
# Each border is +1 where the object lies below it, -1 above it, 0 if it is none; a point's code
# is the left one plus three times the right one.
_ONLY_BELOW_RIGHT = 3  # of the four pixels, the object has this one
_FALLING = 2  # two parts meet here, one above left, one below right
_RISING = -2  # two parts meet here, one below left, one above right
_STRAIGHT = 4


def from_rle(rle: Rle) -> list[list[int]]:
    """Trace the outer outline of each part of a mask.

    Rasterised by pycocotools and joined, the outlines give the mask with its holes filled.

    Returns:
        One [x, y, x, y, ...] a part, in pixel borders from the picture's top-left corner, clockwise
        from the leftmost corner, the first point not repeated; empty for an empty mask.

    Raises:
        ValueError: the RLE is malformed.
    """
    points, codes = _corners(*rles.column_runs(rle))
    rings = _walk(_partners(points, codes).tolist())
    # A ring starts at its leftmost, then topmost point: the object is inside it or outside.
    is_outer = [codes[ring[0]] in {_ONLY_BELOW_RIGHT, _FALLING} for ring in rings]
    outer = [ring for ring, is_wanted in zip(rings, is_outer, strict=True) if is_wanted]
    return [points[ring].ravel().tolist() for ring in outer]


def _corners(columns: Ints, tops: Ints, bottoms: Ints) -> tuple[Ints, Ints]:
    """Find the corners: [p, 2] int64 (x, y), by column, then row; and their codes, [p] int64.

    A point where two parts meet is two corners: the upper part's, then the lower's.
    """
    x, y = np.tile(columns, 2), np.append(tops, bottoms)
    border = np.repeat((1, -1), len(columns))
    line = y.max(initial=0) + 1
    keys = np.append((x + 1) * line + y, x * line + y)  # a border ends right and left of its pixel
    keys, place = np.unique(keys, return_inverse=True)
    codes = np.bincount(place, np.append(border, 3 * border)).astype(np.int64)
    corners = np.where(abs(codes) == _STRAIGHT, 0, 1 + (abs(codes) == _FALLING))
    keys, codes = np.repeat(keys, corners), np.repeat(codes, corners)
    return np.column_stack(np.divmod(keys, line)), codes


def _partners(points: Ints, codes: Ints) -> Ints:
    """Find for each corner the one at the other end of its horizontal border: [p] int64."""
    x, y = points.T
    is_second = np.append(False, (points[1:] == points[:-1]).all(axis=1))[: len(points)]
    is_on_right = is_second ^ (codes == _RISING)
    by_row = np.lexsort((is_on_right, x, y))
    partners = np.empty_like(by_row)
    partners[by_row] = by_row.reshape(-1, 2)[:, ::-1].ravel()
    return partners


def _walk(partners: list[int]) -> list[list[int]]:
    """Follow horizontal and vertical borders in turn until all rings are closed.

    Args:
        partners: across; along a column, every even corner's partner is the next one.
    """
    rings = []
    is_left = [True] * len(partners)
    for start in range(len(partners)):
        ring = []
        corner = start
        while is_left[corner]:
            across = partners[corner]
            is_left[corner] = is_left[across] = False
            ring += [corner, across]
            corner = across ^ 1
        if ring:
            rings.append(ring)
    return rings
