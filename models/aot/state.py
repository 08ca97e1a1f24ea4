"""What a session knows: a value that is never changed, only followed by another.

Objects are numbered 1, 2, … in *slots*, in the order in which they came, through all groups.
Reading a state back lives in `models.aot.snapshot`.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.aot.groups import DROPPED, Group
from models.aot.tokens import Memory

FORMAT = 1  # of `dump`; counts up when the meaning of a tensor changes
_MEMORIES = ("long_term", "short_term")


@dataclass(frozen=True, eq=False)
class AotState:
    """One session at one frame; see `models.outputs.TrackState`.

    Attributes:
        frame: [h, w, 3] uint8, RGB, the frame it stands at.
        label_map: [h, w] uint8, that frame's slots, 0 = background.
        groups: whose slots follow one another; all but the last are full.
    """

    frame: npt.NDArray[np.uint8] = field(repr=False)
    label_map: npt.NDArray[np.uint8] = field(repr=False)
    groups: tuple[Group, ...]

    @property
    def frame_size(self) -> tuple[int, int]:
        """(height, width) of all frames, pixels."""
        return self.label_map.shape[0], self.label_map.shape[1]

    @property
    def group_sizes(self) -> list[int]:
        """Slots of every group."""
        return [len(group.object_ids) for group in self.groups]

    @property
    def slot_ids(self) -> tuple[int, ...]:
        """The object id of every slot, `DROPPED` among them."""
        return tuple(object_id for group in self.groups for object_id in group.object_ids)

    @property
    def object_ids(self) -> tuple[int, ...]:
        """The objects that a step reports, in its order."""
        return tuple(object_id for object_id in self.slot_ids if object_id != DROPPED)

    @property
    def nbytes(self) -> int:
        """Memory that it keeps alive, in bytes."""
        return sum(tensor.nbytes for tensor in self._tensors().values())

    def dump(self) -> dict[str, Tensor]:
        """Return all of it as [any] tensors of any dtype, on the CPU, by name."""
        return {name: tensor.cpu() for name, tensor in self._tensors().items()}

    def without(self, object_ids: set[int]) -> "AotState":
        """Return the state that no longer reports some objects.

        A slot stays, so that its pixels do not fall to others, until its group holds no other.

        Args:
            object_ids: of objects that it reports.
        """
        new_slots = np.zeros(256, dtype=np.uint8)
        groups, slot, new_slot = [], 1, 1
        for group in self.groups:
            ids = tuple(DROPPED if known in object_ids else known for known in group.object_ids)
            count = len(ids)
            if any(ids):
                groups.append(replace(group, object_ids=ids))
                new_slots[slot : slot + count] = np.arange(new_slot, new_slot + count)
                new_slot += count
            slot += count
        return AotState(self.frame, new_slots[self.label_map], tuple(groups))

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {
            "format": torch.tensor(FORMAT),
            "frame": torch.from_numpy(self.frame),
            "label_map": torch.from_numpy(self.label_map),
            "object_ids": torch.tensor(self.slot_ids, dtype=torch.int64),
            "group_sizes": torch.tensor(self.group_sizes, dtype=torch.int64),
            "ages": torch.tensor([group.age for group in self.groups], dtype=torch.int64),
        }
        for index, group in enumerate(self.groups):
            tensors[f"groups.{index}.is_annotated"] = torch.tensor(group.is_annotated)
            for name in _MEMORIES:
                memory: Memory = getattr(group, name)
                tensors[f"groups.{index}.{name}.keys"] = memory.keys
                tensors[f"groups.{index}.{name}.values"] = memory.values
        return tensors
