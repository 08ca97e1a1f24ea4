"""Pixels seen from a frame of their own: moved, turned, scaled. All drawing is done on it."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

Plane = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Pose:
    """Where something stands: the only part of it that changes when it moves.

    Attributes:
        x: pixels, centre, from the picture's left edge.
        y: pixels, centre, from the picture's top edge.
        scale: pixels a unit of the thing's own frame.
        angle: radians, clockwise as seen on the screen.
    """

    x: float
    y: float
    scale: float
    angle: float


@dataclass(frozen=True)
class Grid:
    """The pixel centres of a rectangle of the picture, in the units of a pose.

    Attributes:
        xs: [w] float32, units right of the pose's centre, along the picture's own x axis.
        ys: [h] float32, units below it, along the picture's own y axis.
        angle: radians by which the pose's axes are turned against the picture's.
        pixel: the length of a pixel in units.
    """

    xs: Plane
    ys: Plane
    angle: float
    pixel: float

    @classmethod
    def over(cls, rows: slice, columns: slice, pose: Pose) -> "Grid":
        """Build the grid of the pixels in `rows` and `columns` as `pose` sees them."""
        xs = (np.arange(columns.start, columns.stop, dtype=np.float32) + 0.5 - pose.x) / pose.scale
        ys = (np.arange(rows.start, rows.stop, dtype=np.float32) + 0.5 - pose.y) / pose.scale
        return cls(xs.astype(np.float32), ys.astype(np.float32), pose.angle, 1 / pose.scale)

    def along(self, direction: float) -> Plane:
        """Return [h, w] float32, units: the coordinate in `direction` (radians from own x)."""
        angle = self.angle + direction
        across = np.float32(math.cos(angle)) * self.xs
        down = np.float32(math.sin(angle)) * self.ys
        return across[None, :] + down[:, None]

    def from_centre(self) -> Plane:
        """Return [h, w] float32, units: the distance from the centre."""
        return np.sqrt(np.square(self.xs)[None, :] + np.square(self.ys)[:, None])

    def waves(self, vectors: Plane, phases: Plane, amplitudes: Plane) -> Plane:
        """Add up plane waves: sum of a * cos(2 pi k.p + phase).

        A wave over a grid is a product of what depends on x and what depends on y, so that any
        number of them is one matrix product.

        Args:
            vectors: [n, 2] float32, periods a unit, along the pose's own axes.
            phases: [n] float32, radians.
            amplitudes: [n] float32.

        Returns:
            [h, w] float32.
        """
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        turned = vectors @ np.array([[cos, sin], [-sin, cos]], dtype=np.float32)
        across = 2 * np.pi * turned[:, :1] * self.xs[None, :] + phases[:, None]
        down = 2 * np.pi * turned[:, 1:] * self.ys[None, :]
        left = np.concatenate((np.cos(down), -np.sin(down))) * np.tile(amplitudes, 2)[:, None]
        right = np.concatenate((np.cos(across), np.sin(across)))
        # Torch's product, because torch keeps a loader's process to one thread and numpy does not.
        product = torch.from_numpy(left).float().T @ torch.from_numpy(right).float()
        return product.numpy()
