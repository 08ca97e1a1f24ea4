"""The demo world: scenes of flat figures, drawn by chance, rendered with exact masks.

A scene is a value; rendering it needs no more chance. A figure's pose is apart from its look, so
that a moving picture is the same scene with other poses.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from models.training.figures import Blob, Figure, cover, draw_blob, draw_kind, figure_box
from models.training.finish import Finish, apply_finish, draw_finish
from models.training.grid import Grid, Plane, Pose
from models.training.textures import BACKDROPS, FILLS, RICH, Pattern, Texture, draw_texture, paint

MAX_FIGURES = 8
MAX_HIDDEN = 0.45
RADII = (0.06, 0.25)  # of the short side


@dataclass(frozen=True)
class Look:
    """What a world is made of.

    Attributes:
        draw_kind: draws what a figure is.
        radii: of figures, shares of the short side.
        fills, fill_periods: of figures; periods in radii.
        backdrops, backdrop_periods: of what is behind them; periods in half short sides.
        is_panned: in videos the backdrop may move past.
    """

    draw_kind: Callable[[np.random.Generator], int | Blob]
    radii: tuple[float, float]
    fills: tuple[Pattern, ...]
    fill_periods: tuple[float, float]
    backdrops: tuple[Pattern, ...]
    backdrop_periods: tuple[float, float]
    is_panned: bool


FIGURES = Look(draw_kind, RADII, FILLS, (0.35, 1.0), BACKDROPS, (0.1, 0.8), is_panned=False)
THINGS = Look(draw_blob, (0.08, 0.4), RICH, (0.8, 3.0), RICH, (0.6, 2.5), is_panned=True)
"""Things without a name: blobs with rich surfaces before surfaces as rich."""


@dataclass(frozen=True)
class World:
    """How large the pictures are, how many figures they hold and of what they are made.

    Attributes:
        short_side: pixels, smallest and largest.
        max_aspect: long side over short side at most.
        max_side: pixels, of the long side.
        figures: smallest and largest number.
        look: of figures and backdrops.
    """

    short_side: tuple[int, int] = (128, 640)
    max_aspect: float = 2.0
    max_side: int = 640
    figures: tuple[int, int] = (0, MAX_FIGURES)
    look: Look = FIGURES


@dataclass(frozen=True)
class Scene:
    """A still picture as a value.

    Attributes:
        image_size: (height, width), pixels.
        backdrop: the surface behind all figures; its unit is half the short side.
        camera: the backdrop's pose.
        figures: farthest first; later ones hide earlier ones.
        finish: faults of the picture.
    """

    image_size: tuple[int, int]
    backdrop: Texture
    camera: Pose
    figures: tuple[Figure, ...]
    finish: Finish


@dataclass(frozen=True)
class Rendering:
    """A picture and what is on it.

    Attributes:
        image: [h, w, 3] uint8, RGB.
        owners: [h, w] uint8: 0 on the backdrop, i + 1 where figure i is seen.
        labels: [n] int64, category ids 1 to 6; 0 for what has no name.
    """

    image: npt.NDArray[np.uint8]
    owners: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]

    @cached_property
    def masks(self) -> npt.NDArray[np.bool_]:
        """[n, h, w] bool: the seen part of each figure."""
        numbers = np.arange(1, len(self.labels) + 1, dtype=np.uint8)
        return self.owners[None] == numbers[:, None, None]

    @property
    def boxes_xyxy(self) -> npt.NDArray[np.float32]:
        """[n, 4] float32, pixel edges: tight around the seen part; zeros if none is seen."""
        return tight_boxes(self.masks)


def tight_boxes(masks: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Return [n, 4] float32, xyxy, pixel edges: around each of [n, h, w] masks; zeros if empty."""
    boxes = np.zeros((len(masks), 4), dtype=np.float32)
    for box, mask in zip(boxes, masks, strict=True):
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if len(rows):
            box[:] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return boxes


def scene_at(seed: int, index: int, world: World | None = None) -> Scene:
    """Return scene `index` of the endless sequence that `seed` names."""
    return draw_scene(np.random.default_rng((seed, index)), world or World())


def draw_scene(rng: np.random.Generator, world: World) -> Scene:
    """Draw a scene of a world."""
    height, width = image_size = _draw_size(rng, world)
    short = min(height, width)
    look = world.look
    pattern = look.backdrops[rng.integers(len(look.backdrops))]
    backdrop = draw_texture(rng, pattern, np.zeros((0, 3), np.float32), look.backdrop_periods)
    angle = float(rng.uniform(0, 2 * np.pi))
    camera = Pose(width / 2, height / 2, short / 2, angle)
    figures = _draw_figures(rng, image_size, backdrop, world)
    return Scene(image_size, backdrop, camera, figures, draw_finish(rng))


def render(scene: Scene) -> Rendering:
    """Draw a scene."""
    height, width = scene.image_size
    canvas = paint(scene.backdrop, Grid.over(slice(0, height), slice(0, width), scene.camera))
    owners = np.zeros(scene.image_size, dtype=np.uint8)
    for number, figure in enumerate(scene.figures, start=1):
        box = figure_box(figure.pose, scene.image_size)
        grid = Grid.over(*box, figure.pose)
        alpha = cover(figure.kind, grid)
        under = canvas[:, *box]
        under += alpha * (paint(figure.texture, grid) - under)
        owners[box][alpha >= 0.5] = number
    labels = np.array([figure.label for figure in scene.figures], dtype=np.int64)
    return Rendering(apply_finish(scene.finish, canvas), owners, labels)


def _draw_size(rng: np.random.Generator, world: World) -> tuple[int, int]:
    short = int(rng.integers(world.short_side[0], world.short_side[1] + 1))
    aspect = math.exp(rng.uniform(0, math.log(world.max_aspect)))
    long = min(max(round(short * aspect), short), max(world.max_side, short))
    return (short, long) if rng.random() < 0.5 else (long, short)


def _draw_figures(
    rng: np.random.Generator, image_size: tuple[int, int], backdrop: Texture, world: World
) -> tuple[Figure, ...]:
    """Figures of a world; one that finds no place in a dozen tries is left out."""
    stage = _Stage(image_size, world.look.radii)
    figures: list[Figure] = []
    fewest, most = world.figures
    look = world.look
    for _ in range(rng.integers(fewest, most + 1)):
        kind = look.draw_kind(rng)
        pose = stage.place(rng, kind)
        if pose is None:
            continue
        pattern = look.fills[rng.integers(len(look.fills))]
        near = [figure for figure in figures if _touch(figure.pose, pose)]
        avoid = _palette([backdrop, *(figure.texture for figure in near)])
        figures.append(Figure(kind, draw_texture(rng, pattern, avoid, look.fill_periods), pose))
    return tuple(figures)


def _palette(textures: list[Texture]) -> Plane:
    """[n, 3]: the colours of the textures and what lies between the two of each."""
    ends = np.array([texture.colours for texture in textures], dtype=np.float32)
    mixes = np.linspace(0, 1, 5, dtype=np.float32)[:, None, None]
    return (ends[:, 0] + mixes * (ends[:, 1] - ends[:, 0])).reshape(-1, 3)


def _touch(one: Pose, other: Pose) -> bool:
    return math.hypot(one.x - other.x, one.y - other.y) < one.scale + other.scale


class _Stage:
    """Which figure owns which pixel while a scene is made up; `place` alone changes it."""

    def __init__(self, image_size: tuple[int, int], radii: tuple[float, float]) -> None:
        self._radii = radii
        self._owners = np.zeros(image_size, dtype=np.uint8)
        self._areas = np.zeros(1, dtype=np.int64)  # of each figure alone; 0 is the backdrop
        self._seen = np.zeros(1, dtype=np.int64)

    def place(self, rng: np.random.Generator, kind: int | Blob, tries: int = 12) -> Pose | None:
        """Find a pose where no earlier figure becomes hidden too much, and stand it there."""
        for _ in range(tries):
            pose = self._draw_pose(rng)
            box = figure_box(pose, self._owners.shape)
            mask = cover(kind, Grid.over(*box, pose)) >= 0.5
            lost = np.bincount(self._owners[box][mask], minlength=len(self._areas))
            seen = self._seen - lost
            if (seen[1:] >= (1 - MAX_HIDDEN) * self._areas[1:]).all():
                self._owners[box][mask] = len(self._areas)
                self._areas = np.append(self._areas, mask.sum())
                self._seen = np.append(seen, mask.sum())
                return pose
        return None

    def _draw_pose(self, rng: np.random.Generator) -> Pose:
        """Radii even in their logarithm; the frame may cut off a little of a figure."""
        height, width = self._owners.shape
        radius = min(height, width) * math.exp(rng.uniform(*np.log(self._radii)))
        x = rng.uniform(0.7 * radius, width - 0.7 * radius)
        y = rng.uniform(0.7 * radius, height - 0.7 * radius)
        return Pose(float(x), float(y), float(radius), float(rng.uniform(0, 2 * np.pi)))
