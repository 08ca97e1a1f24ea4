"""What a session knows: a value that is never changed, only followed by another.

Reading a state back lives in `models.siammask.snapshot`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.siammask.preprocess import Box, Colour, Pair, around

FORMAT = 1  # of `dump`; counts up when the meaning of a tensor changes


@dataclass(frozen=True, eq=False)
class Target:
    """One target at one frame.

    Attributes:
        object_id: the caller's.
        position: (x, y) of its centre, pixels of the frame.
        size: (width, height), pixels of the frame.
        border: (red, green, blue) bytes: what stands for pixels outside the frame.
        kernels: [3, c, k, k] floating: what it looked like when it was told.
    """

    object_id: int
    position: Pair
    size: Pair
    border: Colour
    kernels: Tensor = field(repr=False)

    @property
    def box_xyxy(self) -> Box:
        """Pixels of the frame; it may reach beyond it."""
        return around(self.position, self.size)


@dataclass(frozen=True, eq=False)
class SiamMaskState:
    """One session at one frame; see `models.outputs.TrackState`.

    Attributes:
        frame: [h, w, 3] uint8, RGB, the frame it stands at.
        targets: in the order in which they are reported.
    """

    frame: npt.NDArray[np.uint8] = field(repr=False)
    targets: tuple[Target, ...]

    @property
    def frame_size(self) -> tuple[int, int]:
        """(height, width) of all frames, pixels."""
        return self.frame.shape[0], self.frame.shape[1]

    @property
    def object_ids(self) -> tuple[int, ...]:
        """The objects that a step reports, in its order."""
        return tuple(target.object_id for target in self.targets)

    @property
    def nbytes(self) -> int:
        """Memory that it keeps alive, in bytes."""
        return sum(tensor.nbytes for tensor in self._tensors().values())

    def dump(self) -> dict[str, Tensor]:
        """Return all of it as [any] tensors of any dtype, on the CPU, by name."""
        return {name: tensor.cpu() for name, tensor in self._tensors().items()}

    def with_targets(self, targets: Mapping[int, Target]) -> "SiamMaskState":
        """Return the state in which known targets are replaced and new ones follow them.

        Args:
            targets: by id.
        """
        known = [targets.get(target.object_id, target) for target in self.targets]
        new = [target for object_id, target in targets.items() if object_id not in self.object_ids]
        return replace(self, targets=(*known, *new))

    def without(self, object_ids: set[int]) -> "SiamMaskState":
        """Return the state without some targets.

        Args:
            object_ids: of the targets.
        """
        kept = tuple(target for target in self.targets if target.object_id not in object_ids)
        return replace(self, targets=kept)

    def _tensors(self) -> dict[str, Tensor]:
        positions = [target.position for target in self.targets]
        sizes = [target.size for target in self.targets]
        borders = [target.border for target in self.targets]
        return {
            "format": torch.tensor(FORMAT),
            "frame": torch.from_numpy(self.frame),
            "object_ids": torch.tensor(self.object_ids, dtype=torch.int64),
            "positions": torch.tensor(positions, dtype=torch.float64).view(-1, 2),
            "sizes": torch.tensor(sizes, dtype=torch.float64).view(-1, 2),
            "borders": torch.tensor(borders, dtype=torch.uint8).view(-1, 3),
            **{f"kernels.{target.object_id}": target.kernels for target in self.targets},
        }
