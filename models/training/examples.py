"""What networks learn from: pictures, or clips of videos, of the demo world."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from models.training.scenes import World, render, scene_at, tight_boxes
from models.training.videos import FRAMES, video_at

ExampleT_co = TypeVar("ExampleT_co", covariant=True)


@dataclass(frozen=True)
class Example:
    """A picture and the objects on it.

    Attributes:
        image: [h, w, 3] uint8, RGB.
        labels: [n] int64, 1 and above.
        masks: [n, h, w] bool, none of them empty; they may overlap.
    """

    image: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    masks: npt.NDArray[np.bool_]

    @property
    def boxes_xyxy(self) -> npt.NDArray[np.float32]:
        """[n, 4] float32, pixel edges: tight around each mask."""
        return tight_boxes(self.masks)


@dataclass(frozen=True)
class Clip:
    """Some frames of a video, and which object each pixel shows.

    Attributes:
        images: [t, h, w, 3] uint8, RGB.
        owners: [t, h, w] uint8: 0 on the backdrop, 1 to `object_count` on the objects. All of them
            are seen on the first frame.
        object_count: how many there are.
    """

    images: npt.NDArray[np.uint8]
    owners: npt.NDArray[np.uint8]
    object_count: int


def clip_of(images: npt.NDArray[np.uint8], owners: npt.NDArray[np.uint8]) -> Clip:
    """Return a clip; what its first frame does not show is backdrop throughout.

    Args:
        images: [t, h, w, 3] uint8, RGB.
        owners: [t, h, w] uint8: 0 on the backdrop, any other number on an object.
    """
    seen = np.unique(owners[0])
    seen = seen[seen > 0]
    numbers = np.zeros(256, dtype=np.uint8)
    numbers[seen] = np.arange(1, len(seen) + 1)
    return Clip(images, numbers[owners], len(seen))


class Examples(Protocol[ExampleT_co]):
    """An endless sequence of examples: one index always gives the same example."""

    def __getitem__(self, index: int) -> ExampleT_co:
        """Return example `index`, counted from 0 without end."""
        ...


@dataclass(frozen=True)
class DemoExamples:
    """Scenes of the demo world.

    Attributes:
        seed: names the sequence; training and evaluation take different ones.
        world: sizes of the pictures.
    """

    seed: int
    world: World

    def __getitem__(self, index: int) -> Example:
        """Render scene `index`."""
        rendering = render(scene_at(self.seed, index, self.world))
        return Example(rendering.image, rendering.labels, rendering.masks)


@dataclass(frozen=True)
class DemoClips:
    """Clips of videos of several worlds in turn.

    Attributes:
        seed: names the sequence; training and evaluation take different ones.
        worlds: clip `index` shows world `index` modulo their number.
        length: frames a clip.
        max_gap: frames of the video, at most, from one of the clip to the next.
        video_frames: of the videos that clips are cut out of, at least and at most.
    """

    seed: int
    worlds: Sequence[World]
    length: int
    max_gap: int = 1
    video_frames: tuple[int, int] = FRAMES

    def __getitem__(self, index: int) -> Clip:
        """Render clip `index`."""
        world = self.worlds[index % len(self.worlds)]
        video = video_at(self.seed, index, world, self.video_frames)
        rng = np.random.default_rng((self.seed, index, 1))
        renderings = [render(video.frame(number)) for number in self._choose(rng, len(video))]
        return clip_of(
            np.stack([rendering.image for rendering in renderings]),
            np.stack([rendering.owners for rendering in renderings]),
        )

    def _choose(self, rng: np.random.Generator, frames: int) -> list[int]:
        """Frames of a video of so many: rising, with gaps."""
        gap = int(rng.integers(1, self.max_gap + 1))
        gap = min(gap, (frames - 1) // (self.length - 1))
        first = int(rng.integers(frames - gap * (self.length - 1)))
        return [first + gap * number for number in range(self.length)]
