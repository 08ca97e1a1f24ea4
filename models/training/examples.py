"""Where training pictures come from: the demo world, or a folder of one's own."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from models.training.scenes import World, render, scene_at, tight_boxes


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


class Examples(Protocol):
    """An endless sequence of examples: one index always gives the same example."""

    def __getitem__(self, index: int) -> Example:
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
