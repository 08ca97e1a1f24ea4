"""What the families that follow objects share: frames owned, ids checked, states read back."""

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.ops.images import to_tensor

Frame = npt.NDArray[np.uint8]


def own(frame: Frame) -> Frame:
    """Return a copy of a frame, so that nobody changes what a state holds.

    Args:
        frame: [h, w, 3] uint8.

    Raises:
        ValueError: another shape or dtype, or no pixels.
    """
    return to_tensor(frame).numpy().copy()


def check_size(frame: Frame, known: Frame) -> None:
    """Refuse a frame of another size than the session's.

    Args:
        frame: [h, w, 3] uint8, the new one.
        known: [h, w, 3] uint8, one of the session.

    Raises:
        ValueError: they differ in shape.
    """
    if frame.shape != known.shape:
        raise ValueError(f"a frame of {list(frame.shape)} in a session of {list(known.shape)}")


def check_ids(object_ids: Collection[int]) -> None:
    """Refuse ids that no objects can have.

    Args:
        object_ids: of the objects that a caller tells.

    Raises:
        ValueError: there is none, or one is not above 0.
    """
    if not object_ids:
        raise ValueError("there is no object to follow")
    for object_id in object_ids:
        if object_id < 1:
            raise ValueError(f"an object's id is above 0, not {object_id}")


def check_followed(object_ids: Iterable[int], followed: Sequence[int]) -> set[int]:
    """Return some objects' ids, all of which a session follows.

    Args:
        object_ids: of the objects.
        followed: by the session.

    Raises:
        ValueError: it follows no such object.
    """
    ids = set(object_ids)
    unknown = ids - set(followed)
    if unknown:
        raise ValueError(f"no objects {sorted(unknown)} among {list(followed)}")
    return ids


class StateReader:
    """A state's tensors by name, each checked and taken once; they may come from anywhere.

    Args:
        tensors: [any] of any dtype, by name.
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._rest = dict(tensors)

    def take(self, name: str, dtype: torch.dtype, *shape: int | None) -> Tensor:
        """Return a tensor, [any]; it has this dtype and shape, where None is any length.

        Raises:
            ValueError: there is none, or another.
        """
        if name not in self._rest:
            raise ValueError(f"the snapshot lacks {name}")
        tensor = self._rest.pop(name)
        is_fit = tensor.dtype == dtype and len(tensor.shape) == len(shape)
        if not is_fit or any(
            wanted not in (None, length) for wanted, length in zip(shape, tensor.shape, strict=True)
        ):
            lengths = ", ".join("any" if wanted is None else str(wanted) for wanted in shape)
            raise ValueError(
                f"the snapshot's {name} is {list(tensor.shape)} {tensor.dtype}, "
                f"not [{lengths}] {dtype}"
            )
        return tensor

    def take_format(self, known: int) -> None:
        """Check the number of the snapshot's format.

        Raises:
            ValueError: it is not the known one.
        """
        if self.take("format", torch.int64) != known:
            raise ValueError("the snapshot is of another format")

    def take_frame(self) -> Frame:
        """Return the frame, [h, w, 3] uint8, that the session stands at.

        Raises:
            ValueError: there is none.
        """
        frame = self.take("frame", torch.uint8, None, None, 3)
        if not frame.numel():
            raise ValueError("the snapshot's frame has no pixels")
        return frame.numpy()

    def finish(self) -> None:
        """Check that nothing is left.

        Raises:
            ValueError: there are tensors that nobody took.
        """
        if self._rest:
            raise ValueError(f"the snapshot holds unknown {', '.join(sorted(self._rest))}")


def check_unique(object_ids: Sequence[int]) -> None:
    """Check the ids that a snapshot lists.

    Args:
        object_ids: of its objects.

    Raises:
        ValueError: one is not above 0, or there twice.
    """
    if len(set(object_ids)) != len(object_ids) or min(object_ids, default=1) < 1:
        raise ValueError("the snapshot's object ids are not positive or not unique")
