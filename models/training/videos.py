"""Moving pictures: a scene, how its figures move, and how the camera trembles.

A video is a value as a scene is: its frames are scenes with other poses, each drawn by itself.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from models.training.figures import Blob, Figure
from models.training.grid import Pose
from models.training.scenes import Scene, World, draw_scene

FRAMES = (8, 60)
_LEAVING = 0.2  # share of figures that cross the frame's border before they turn back


@dataclass(frozen=True)
class Motion:
    """How a figure moves, beginning where the scene has it.

    Attributes:
        speed: (x, y) pixels a frame.
        x_range, y_range: pixels, between which the centre goes to and fro.
        spin: radians a frame.
        swell: size at its largest over the middle one, as a natural logarithm.
        swell_start, swell_speed: phase of the swelling in radians, and its change a frame.
        writhing: radians a frame by which the waves of a blob's outline run on.
    """

    speed: tuple[float, float]
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    spin: float
    swell: float
    swell_start: float
    swell_speed: float
    writhing: float

    def move(self, figure: Figure, frame: int) -> Figure:
        """Return the figure as it is on a frame."""
        pose = figure.pose
        swelling = math.sin(self.swell_start + frame * self.swell_speed)
        moved = Pose(
            _to_and_fro(pose.x + frame * self.speed[0], *self.x_range),
            _to_and_fro(pose.y + frame * self.speed[1], *self.y_range),
            pose.scale * math.exp(self.swell * (swelling - math.sin(self.swell_start))),
            pose.angle + frame * self.spin,
        )
        return replace(figure, pose=moved, kind=self._writhe(figure.kind, frame))

    def _writhe(self, kind: int | Blob, frame: int) -> int | Blob:
        """The outline of a blob on a frame; every other wave runs the other way."""
        if not isinstance(kind, Blob):
            return kind
        turn = frame * self.writhing
        return Blob(
            tuple(
                (height, phase + (turn if number % 2 else -turn))
                for number, (height, phase) in enumerate(kind.waves)
            )
        )


@dataclass(frozen=True)
class Video:
    """A moving picture as a value.

    Attributes:
        scene: the first frame.
        motions: of its figures.
        shifts: of every frame, (x, y) pixels by which the camera's trembling moves all of it.
        pan: (x, y) pixels a frame by which the backdrop moves besides.
    """

    scene: Scene
    motions: tuple[Motion, ...]
    shifts: tuple[tuple[float, float], ...]
    pan: tuple[float, float]

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.shifts)

    def frame(self, number: int) -> Scene:
        """Return a frame as a scene, counted from 0; its noise is its own."""
        scene, shift = self.scene, self.shifts[number]
        pan = (number * self.pan[0], number * self.pan[1])
        return replace(
            scene,
            camera=_shifted(_shifted(scene.camera, shift), pan),
            figures=tuple(
                replace(moved, pose=_shifted(moved.pose, shift))
                for moved in (
                    motion.move(figure, number)
                    for motion, figure in zip(self.motions, scene.figures, strict=True)
                )
            ),
            finish=replace(scene.finish, seed=scene.finish.seed + number),
        )


def video_at(seed: int, index: int, world: World, frames: tuple[int, int] = FRAMES) -> Video:
    """Return video `index` of the endless sequence that `seed` names.

    Args:
        seed: of the sequence.
        index: in the sequence.
        world: of its first frame.
        frames: smallest and largest number.
    """
    rng = np.random.default_rng((seed, index))
    scene = draw_scene(rng, world)
    short = min(scene.image_size)
    count = int(rng.integers(frames[0], frames[1] + 1))
    motions = tuple(_draw_motion(rng, figure.pose, scene.image_size) for figure in scene.figures)
    pan = rng.normal(0, 0.01 * short, 2) * world.look.is_panned * (rng.random() < 0.5)
    return Video(scene, motions, _draw_shifts(rng, count, short), (float(pan[0]), float(pan[1])))


def _draw_motion(rng: np.random.Generator, pose: Pose, image_size: tuple[int, int]) -> Motion:
    height, width = image_size
    speed = min(image_size) * math.exp(rng.uniform(math.log(0.002), math.log(0.035)))
    course = rng.uniform(0, 2 * math.pi)
    # A figure turns back with its edge on the frame's, or when it is out of sight.
    margin = (-1.3 if rng.random() < _LEAVING else 0.7) * pose.scale
    return Motion(
        speed=(speed * math.cos(course), speed * math.sin(course)),
        x_range=(margin, width - margin),
        y_range=(margin, height - margin),
        spin=float(rng.normal(0, 0.06)),
        swell=float(rng.uniform(0, 0.3)),
        swell_start=float(rng.uniform(0, 2 * math.pi)),
        swell_speed=float(rng.uniform(0.05, 0.25)),
        writhing=float(rng.normal(0, 0.08)),
    )


def _draw_shifts(
    rng: np.random.Generator, count: int, short: int
) -> tuple[tuple[float, float], ...]:
    """A trembling that soon forgets where it was; none on the first frame."""
    strength = rng.uniform(0, 0.006) * short
    shift, shifts = np.zeros(2), []
    for _ in range(count):
        shifts.append((float(shift[0]), float(shift[1])))
        shift = 0.7 * shift + rng.normal(0, strength, 2)
    return tuple(shifts)


def _to_and_fro(place: float, low: float, high: float) -> float:
    """The place, thrown back from both ends of a range."""
    length = high - low
    way = (place - low) % (2 * length)
    return low + (way if way <= length else 2 * length - way)


def _shifted(pose: Pose, by: tuple[float, float]) -> Pose:
    return replace(pose, x=pose.x + by[0], y=pose.y + by[1])
