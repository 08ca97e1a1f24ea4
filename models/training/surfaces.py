"""Rich surfaces, as nature has them: fractal noise, overlapping leaves, strokes.

Each is painted once on a small tile whose opposite sides fit, and then seen from any grid.
"""

from functools import lru_cache
from itertools import product

import numpy as np
import torch
from torch.nn import functional as F

from models.training.grid import Grid, Plane

_SIDE = 96  # pixels of a tile
_LEAVES, _STROKES = 90, 160

Colours = tuple[tuple[float, ...], tuple[float, ...]]


@lru_cache(maxsize=64)
def fractal(colours: Colours, seed: int) -> Plane:
    """Return a tile [3, s, s] float32: noise at all scales, mixing two colours."""
    return _mixed(np.random.default_rng(seed), colours)


@lru_cache(maxsize=64)
def leaves(colours: Colours, seed: int) -> Plane:
    """Return a tile [3, s, s] float32: shaded ovals of all sizes that lie upon one another."""
    rng = np.random.default_rng(seed)
    lengths = 4 * rng.uniform(0.02, 1, _LEAVES) ** -0.5
    widths = lengths * rng.uniform(0.3, 1, _LEAVES)
    angles = rng.uniform(0, np.pi, _LEAVES)
    return _strewn(rng, colours, np.stack((lengths, widths, angles), axis=1))


@lru_cache(maxsize=64)
def strokes(colours: Colours, seed: int) -> Plane:
    """Return a tile [3, s, s] float32: thin lines, mostly along one direction, as fur or grass."""
    rng = np.random.default_rng(seed)
    lengths, widths = rng.uniform(5, 20, _STROKES), rng.uniform(0.8, 2, _STROKES)
    angles = rng.uniform(0, np.pi) + rng.uniform(-0.4, 0.4, _STROKES)
    return _strewn(rng, colours, np.stack((lengths, widths, angles), axis=1))


def look_at(tile: Plane, grid: Grid, direction: float, period: float) -> Plane:
    """Return [3, h, w] float32: a surface covered with a tile, seen from a grid.

    Args:
        tile: [3, s, s] float32.
        grid: where to look.
        direction: radians, of the tile's x axis.
        period: units, the tile's side.
    """
    tile_pixels = grid.pixel / period * tile.shape[-1]  # that one pixel of the picture shows
    level = _shrunk(tile, halvings=max(0, round(np.log2(tile_pixels))))
    side = level.shape[-1]
    x, y = (
        grid.along(direction + turn) * np.float32(side / period) - np.float32(0.5)
        for turn in (0, np.pi / 2)
    )
    left, top = np.floor(x), np.floor(y)
    columns, rows = left.astype(np.int64) % side, top.astype(np.int64) % side
    upper, upper_next, lower, lower_next = (
        level.reshape(3, -1).take((row % side) * side + column % side, axis=1)
        for row, column in product((rows, rows + 1), (columns, columns + 1))
    )
    across, down = x - left, y - top
    upper += across * (upper_next - upper)
    lower += across * (lower_next - lower)
    upper += down * (lower - upper)
    return upper


def _shrunk(tile: Plane, halvings: int) -> Plane:
    """The tile at a half, a quarter ... of its side, so that no detail is finer than a pixel."""
    return F.avg_pool2d(torch.from_numpy(tile)[None], 2 ** min(halvings, 4))[0].numpy()


def _fractal_noise(rng: np.random.Generator) -> Plane:
    """[s, s] float32 of mean 0 and variance 1; its spectrum falls with the frequency."""
    radii = np.hypot(np.fft.fftfreq(_SIDE)[:, None], np.fft.rfftfreq(_SIDE))
    radii[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.standard_normal((_SIDE, _SIDE))) * radii ** -rng.uniform(0.8, 1.6)
    noise: Plane = np.fft.irfft2(spectrum, (_SIDE, _SIDE))
    return (noise / noise.std()).astype(np.float32)


def _muted(rng: np.random.Generator, colours: Colours) -> Plane:
    """[2, 3] float32: the colours, more or less grey."""
    bright = np.array(colours, dtype=np.float32)
    grey = bright.mean(axis=1, keepdims=True)
    muted: Plane = grey + np.float32(rng.uniform(0.2, 1)) * (bright - grey)
    return muted


def _mixed(rng: np.random.Generator, colours: Colours) -> Plane:
    """Two colours mixed by noise, and a little of every other colour."""
    mix = np.clip(0.5 + rng.uniform(0.25, 0.6) * _fractal_noise(rng), 0, 1)
    first, second = _muted(rng, colours)[..., None, None]
    tints = np.stack([_fractal_noise(rng) for _ in range(3)])
    tile: Plane = first + mix * (second - first) + rng.uniform(0.03, 0.15) * tints
    return tile.astype(np.float32)


def _strewn(rng: np.random.Generator, colours: Colours, ovals: Plane) -> Plane:
    """Ovals, [n, 3] half length, half width, angle, painted on noise one after the other."""
    tile = _mixed(rng, colours)
    first, second = _muted(rng, colours)
    jitter = rng.uniform(0.05, 0.3)
    for length, width, angle in ovals.tolist():
        reach = int(length) + 1
        steps = np.arange(-reach, reach + 1)
        along = np.cos(angle) * steps + np.sin(angle) * steps[:, None]
        across = np.cos(angle) * steps[:, None] - np.sin(angle) * steps
        y, x = np.nonzero((along / length) ** 2 + (across / width) ** 2 <= 1)
        top, left = rng.integers(_SIDE, size=2)
        colour = first + rng.random() * (second - first) + jitter * rng.normal(size=3)
        shade = 1 + 0.25 * across[y, x] / width  # brighter on one side
        tile[:, (y + top) % _SIDE, (x + left) % _SIDE] = colour[:, None] * shade
    return tile
