"""A session's state read back from tensors, which may have come from anywhere."""

from collections.abc import Mapping
from itertools import accumulate

import torch
from torch import Tensor

from models.aot.groups import DROPPED, Group
from models.aot.model import Aot
from models.aot.preprocess import grid_size
from models.aot.state import FORMAT, AotState
from models.aot.tokens import Memory


def restore(tensors: Mapping[str, Tensor], model: Aot) -> AotState:
    """Return the state that `AotState.dump` wrote.

    Args:
        tensors: [any] of any dtype, by name.
        model: the network that shall go on with it.

    Raises:
        ValueError: the tensors are no state, or not one of such a network.
    """
    reader = _Reader(tensors)
    if reader.take("format", torch.int64) != FORMAT:
        raise ValueError("the snapshot is of another format")
    frame = reader.take("frame", torch.uint8, None, None, 3)
    if not frame.numel():
        raise ValueError("the snapshot's frame has no pixels")
    height, width, _ = frame.shape
    label_map = reader.take("label_map", torch.uint8, height, width)
    groups = _read_groups(reader, grid_size((height, width), model.config), model)
    reader.finish()
    state = AotState(frame.numpy(), label_map.numpy(), groups)
    if label_map.max() > len(state.slot_ids):
        raise ValueError("the snapshot's label map shows objects that it does not list")
    return state


def _read_groups(reader: "_Reader", grid: tuple[int, int], model: Aot) -> tuple[Group, ...]:
    sizes = reader.take("group_sizes", torch.int64, None).tolist()
    limit = model.config.group_objects
    if any(size != limit for size in sizes[:-1]) or any(not 0 < size <= limit for size in sizes):
        raise ValueError(f"the snapshot's groups of {sizes} objects are not groups of {limit}")
    object_ids = reader.take("object_ids", torch.int64, sum(sizes)).tolist()
    known = [object_id for object_id in object_ids if object_id != DROPPED]
    if len(set(known)) != len(known) or min(known, default=1) < 1:
        raise ValueError("the snapshot's object ids are not positive or not unique")
    ages = reader.take("ages", torch.int64, len(sizes)).tolist()
    groups = []
    for index, (end, age) in enumerate(zip(accumulate(sizes), ages, strict=True)):
        prefix = f"groups.{index}"
        is_annotated = reader.take(f"{prefix}.is_annotated", torch.bool, None).tolist()
        if age < 0 or not is_annotated:
            raise ValueError(f"the snapshot's {prefix} remembers nothing, or is {age} frames old")
        cells = grid[0] * grid[1]
        long_term = _read_memory(reader, f"{prefix}.long_term", len(is_annotated) * cells, model)
        short_term = _read_memory(reader, f"{prefix}.short_term", cells, model)
        ids = tuple(object_ids[end - sizes[index] : end])
        groups.append(Group(ids, long_term, short_term, tuple(is_annotated), age))
    return tuple(groups)


def _read_memory(reader: "_Reader", prefix: str, tokens: int, model: Aot) -> Memory:
    own = model.encoder_projector.weight
    shape = (model.config.layers, tokens, model.config.embedding_channels)
    return Memory(
        *(
            reader.take(f"{prefix}.{name}", own.dtype, *shape).to(own.device)
            for name in Memory._fields
        )
    )


class _Reader:
    """Tensors by name, each checked and taken once."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._rest = dict(tensors)

    def take(self, name: str, dtype: torch.dtype, *shape: int | None) -> Tensor:
        """A tensor of this dtype and shape, where None is any length."""
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

    def finish(self) -> None:
        """Nothing may be left."""
        if self._rest:
            raise ValueError(f"the snapshot holds unknown {', '.join(sorted(self._rest))}")
