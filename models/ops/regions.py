"""Connected regions of bitmaps, and the smallest rectangle around one.

Everything works on runs of rows, never on single pixels in Python; numpy only.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Region:
    """One connected part of a bitmap, its holes filled.

    Attributes:
        area: inside the outline through the centres of its border pixels, square pixels.
        points: [n, 2] int64, (x, y): the first and the last pixel of each of its rows.
    """

    area: float
    points: Ints


@dataclass(frozen=True)
class _Runs:
    """Stretches of equal pixels, row by row.

    Attributes:
        starts, ends: [n] int64, rising: row * line + column, of the first and past the last pixel.
        line: distance from row to row, more than a row's width.
    """

    starts: Ints
    ends: Ints
    line: int


def largest_region(mask: npt.NDArray[np.bool_]) -> Region | None:
    """Return the region of largest area, None for an empty bitmap.

    Pixels that touch at a corner belong together; what a region encloses is its own.

    Args:
        mask: [h, w] bool.

    Returns:
        Of regions of equal area the topmost.

    Source: OpenCV findContours with RETR_EXTERNAL and contourArea, as SiamMask's tools/test.py uses
        them; differs: none.
    """
    mask = _fill_holes(mask)
    runs = _runs(mask)
    if not len(runs.starts):
        return None
    labels = _connect(runs, reach=1)
    areas = _areas(mask, runs, labels)
    best = int(areas.argmax())
    is_best = labels == best
    rows, first = np.divmod(runs.starts[is_best], runs.line)
    last = runs.ends[is_best] - 1 - rows * runs.line
    points = np.concatenate([np.stack([first, rows], 1), np.stack([last, rows], 1)])
    return Region(float(areas[best]), points)


def min_area_rectangle(points: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
    """Return the corners of the rectangle of smallest area around points, at any angle.

    Args:
        points: [n, 2] integer or floating, (x, y); not all on one line.

    Returns:
        [4, 2] float64, one corner after the other.

    Source: Freeman and Shapira 1975: one of its sides lies along the convex hull; OpenCV
        minAreaRect; differs: where the corners begin, and which of several is taken.
    """
    hull = _convex_hull(points)
    sides = np.roll(hull, -1, axis=0) - hull
    along = sides / np.hypot(*sides.T)[:, None]
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    u, v = along @ hull.T, across @ hull.T  # [sides, points]
    best = ((u.max(1) - u.min(1)) * (v.max(1) - v.min(1))).argmin()
    u, v = u[best], v[best]
    corners = np.array(
        [[u.min(), v.min()], [u.max(), v.min()], [u.max(), v.max()], [u.min(), v.max()]]
    )
    return corners @ np.stack([along[best], across[best]])


def _fill_holes(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Everything but the background that a path over pixels' sides leads out of: [h, w] bool."""
    background = np.ones((mask.shape[0] + 2, mask.shape[1] + 2), dtype=bool)
    background[1:-1, 1:-1] = ~mask
    runs = _runs(background)
    labels = _connect(runs, reach=0)
    outside = labels == labels[0]
    if outside.all():
        return mask
    changes = np.zeros(background.shape[0] * runs.line + 1, dtype=np.int8)
    changes[runs.starts[outside]] = 1
    changes[runs.ends[outside]] = -1
    is_outside = np.cumsum(changes[:-1], dtype=np.int8).reshape(-1, runs.line)
    return is_outside[1:-1, 1 : mask.shape[1] + 1] == 0


def _runs(mask: npt.NDArray[np.bool_]) -> _Runs:
    height, width = mask.shape
    line = width + 2
    flat = np.zeros(height * line + 1, dtype=bool)
    flat[1:].reshape(height, line)[:, :width] = mask
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    return _Runs(edges[0::2], edges[1::2], line)


def _connect(runs: _Runs, reach: int) -> Ints:
    """Number the connected runs: [n] int64, the same for runs of one region, that of its first.

    Args:
        runs: of a bitmap.
        reach: 0 where pixels touch by their sides, 1 where by their corners, too.
    """
    first = np.searchsorted(runs.ends, runs.starts + (runs.line - reach), side="right")
    end = np.searchsorted(runs.starts, runs.ends + (runs.line + reach), side="left")
    counts = np.maximum(end - first, 0)
    upper = np.repeat(np.arange(len(counts)), counts)
    lower = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts - first, counts)
    labels = np.arange(len(counts))
    while True:
        lowest = np.minimum(labels[upper], labels[lower])
        known = labels.copy()
        np.minimum.at(labels, known[upper], lowest)
        np.minimum.at(labels, known[lower], lowest)
        while not np.array_equal(labels, labels[labels]):
            labels = labels[labels]
        if np.array_equal(labels, known):
            return labels


def _areas(mask: npt.NDArray[np.bool_], runs: _Runs, labels: Ints) -> npt.NDArray[np.float64]:
    """Area of each label: [n] float64.

    The outline through pixels' centres halves a square of four centres where three are set.
    """
    numbers = np.full(mask.shape, -1)
    numbers[mask] = np.repeat(labels, runs.ends - runs.starts)
    quads = np.stack([numbers[:-1, :-1], numbers[:-1, 1:], numbers[1:, :-1], numbers[1:, 1:]])
    counts = (quads >= 0).sum(0)
    owners = quads.max(0)
    whole = np.bincount(owners[counts == 4], minlength=len(labels))
    half = np.bincount(owners[counts == 3], minlength=len(labels))
    return whole + 0.5 * half


def _convex_hull(points: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
    """Corners of the convex hull in order, [n, 2] (Andrew 1979)."""
    ordered = np.unique(points, axis=0).tolist()
    return np.array(_half_hull(ordered) + _half_hull(ordered[::-1]), dtype=np.float64)


def _half_hull(ordered: list[list[float]]) -> list[list[float]]:
    """One side of the hull, the last point left out."""
    hull: list[list[float]] = []
    for x, y in ordered:
        while len(hull) > 1:
            (ax, ay), (bx, by) = hull[-2:]
            if (bx - ax) * (y - ay) > (by - ay) * (x - ax):
                break
            hull.pop()
        hull.append([x, y])
    return hull[:-1]
