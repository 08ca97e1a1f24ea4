"""The six kinds of flat figures of the demo world, blobs without a name, and what they cover."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.training.grid import Grid, Plane, Pose
from models.training.textures import Texture

KINDS = ("circle", "square", "triangle", "star", "cross", "ring")
"""Category id 1 is the first. A figure's scale is the radius of the circle around it."""

_STAR_INNER = 0.42  # of the radius
_RING_HOLE = 0.55  # of the radius
_CROSS_ARM = 1 / 3  # of its length


@dataclass(frozen=True)
class Blob:
    """The outline of a thing without a name: a circle with waves around it.

    Attributes:
        waves: (height, phase in radians) of the waves that fit one, two, three ... times around;
            heights are shares of the circle's radius and together below 1.
    """

    waves: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Figure:
    """A figure of the world.

    Attributes:
        kind: index into `KINDS`, or an outline without a name.
        texture: its surface.
        pose: where it stands; its scale is the radius in pixels.
    """

    kind: int | Blob
    texture: Texture
    pose: Pose

    @property
    def label(self) -> int:
        """The category id, 0 without a name."""
        return 0 if isinstance(self.kind, Blob) else self.kind + 1


def draw_kind(rng: np.random.Generator) -> int:
    """Draw one of the six kinds."""
    return int(rng.integers(len(KINDS)))


def draw_blob(rng: np.random.Generator) -> Blob:
    """Draw an outline, from nearly round to deeply lobed."""
    numbers = np.arange(1, 7)
    heights = rng.uniform(0.1, 0.5) * rng.uniform(-1, 1, len(numbers)) / numbers**0.7
    phases = rng.uniform(0, 2 * np.pi, len(numbers))
    return Blob(tuple(zip(heights.tolist(), phases.tolist(), strict=True)))


def figure_box(pose: Pose, image_size: tuple[int, int]) -> tuple[slice, slice]:
    """Return the rows and columns of the picture that the figure can touch; may be empty."""
    reach = pose.scale + 1
    return _between(pose.y - reach, pose.y + reach, image_size[0]), _between(
        pose.x - reach, pose.x + reach, image_size[1]
    )


def cover(kind: int | Blob, grid: Grid) -> Plane:
    """Return [h, w] float32, in [0, 1]: how much of each pixel the figure covers."""
    depth = _blob(kind, grid) if isinstance(kind, Blob) else _DEPTHS[kind](grid)
    return np.clip(0.5 - depth / grid.pixel, 0, 1)


def _between(first: float, last: float, length: int) -> slice:
    """The pixels of a side of `length` that lie between two places."""
    start = min(max(math.floor(first), 0), length)
    return slice(start, max(min(math.ceil(last), length), start))


def _blob(blob: Blob, grid: Grid) -> Plane:
    """The distance from the outline along the ray from the centre."""
    direction = np.arctan2(grid.along(math.pi / 2), grid.along(0))
    outline = np.ones_like(direction)
    for number, (height, phase) in enumerate(blob.waves, start=1):
        outline += np.float32(height) * np.cos(number * direction + np.float32(phase))
    highest = 1 + sum(abs(height) for height, _ in blob.waves)
    return grid.from_centre() - outline / np.float32(highest)


def _circle(grid: Grid) -> Plane:
    return grid.from_centre() - 1


def _square(grid: Grid) -> Plane:
    return np.maximum(np.abs(grid.along(0)), np.abs(grid.along(math.pi / 2))) - math.sqrt(0.5)


def _triangle(grid: Grid) -> Plane:
    sides = [grid.along(turn * 2 * math.pi / 3) for turn in range(3)]
    return np.maximum(np.maximum(sides[0], sides[1]), sides[2]) - 0.5


def _star(grid: Grid) -> Plane:
    """The ten edges folded onto one: mirrored until the point lies between two mirrors."""
    x, y = grid.along(0), np.abs(grid.along(math.pi / 2))
    for turn in (2, 1):  # mirrors at 72 and 36 degrees leave the wedge between 0 and 36
        mirror = turn * math.pi / 5
        over = np.maximum(y * math.cos(mirror) - x * math.sin(mirror), 0)
        x, y = x + 2 * over * math.sin(mirror), np.abs(y - 2 * over * math.cos(mirror))
    end_x, end_y = _STAR_INNER * math.cos(math.pi / 5), _STAR_INNER * math.sin(math.pi / 5)
    length = math.hypot(1 - end_x, end_y)
    return ((x - 1) * end_y + y * (1 - end_x)) / length


def _cross(grid: Grid) -> Plane:
    x, y = np.abs(grid.along(0)), np.abs(grid.along(math.pi / 2))
    reach = 1 / math.hypot(1, _CROSS_ARM)
    lying = np.maximum(x - reach, y - reach * _CROSS_ARM)
    return np.minimum(lying, np.maximum(y - reach, x - reach * _CROSS_ARM))


def _ring(grid: Grid) -> Plane:
    middle, half = (1 + _RING_HOLE) / 2, (1 - _RING_HOLE) / 2
    return np.abs(grid.from_centre() - middle) - half


_DEPTHS: tuple[Callable[[Grid], Plane], ...] = (
    _circle,
    _square,
    _triangle,
    _star,
    _cross,
    _ring,
)
