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
from models.layers.sessions import StateReader, check_unique


def restore(tensors: Mapping[str, Tensor], model: Aot) -> AotState:
    """Return the state that `AotState.dump` wrote.

    Args:
        tensors: [any] of any dtype, by name.
        model: the network that shall go on with it.

    Raises:
        ValueError: the tensors are no state, or not one of such a network.
    """
    reader = StateReader(tensors)
    reader.take_format(FORMAT)
    frame = reader.take_frame()
    height, width, _ = frame.shape
    label_map = reader.take("label_map", torch.uint8, height, width)
    groups = _read_groups(reader, grid_size((height, width), model.config), model)
    reader.finish()
    state = AotState(frame, label_map.numpy(), groups)
    if label_map.max() > len(state.slot_ids):
        raise ValueError("the snapshot's label map shows objects that it does not list")
    return state


def _read_groups(reader: StateReader, grid: tuple[int, int], model: Aot) -> tuple[Group, ...]:
    sizes = reader.take("group_sizes", torch.int64, None).tolist()
    limit = model.config.group_objects
    if any(size != limit for size in sizes[:-1]) or any(not 0 < size <= limit for size in sizes):
        raise ValueError(f"the snapshot's groups of {sizes} objects are not groups of {limit}")
    object_ids = reader.take("object_ids", torch.int64, sum(sizes)).tolist()
    known = [object_id for object_id in object_ids if object_id != DROPPED]
    check_unique(known)
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


def _read_memory(reader: StateReader, prefix: str, tokens: int, model: Aot) -> Memory:
    own = model.encoder_projector.weight
    shape = (model.config.layers, tokens, model.config.embedding_channels)
    return Memory(
        *(
            reader.take(f"{prefix}.{name}", own.dtype, *shape).to(own.device)
            for name in Memory._fields
        )
    )
