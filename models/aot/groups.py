"""Ten objects' memory through a session: what a group keeps, and what it forgets."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch

from models.aot.config import AotConfig
from models.aot.tokens import Memory, stack, unstack

DROPPED = 0  # the object id of a slot that is followed on, but no longer reported


@dataclass(frozen=True, eq=False)
class Group:
    """Up to ten objects that pass through the network together.

    Attributes:
        object_ids: of its slots, `DROPPED` among them. The memory knows objects by their slots.
        long_term: [l, frames * t, c] each, the newest frame first.
        short_term: [l, t, c] each, of the last frame.
        is_annotated: of every long-term frame, the newest first: somebody drew its masks.
        age: frames since the newest long-term frame.
    """

    object_ids: tuple[int, ...]
    long_term: Memory = field(repr=False)
    short_term: Memory = field(repr=False)
    is_annotated: tuple[bool, ...]
    age: int


def join(groups: Sequence[Group]) -> tuple[list[list[Memory]], list[Memory]]:
    """Return the memories of several groups as one batch.

    Returns:
        For each layer the long-term memories, one a group, [frames * t, c] each; and for each layer
        the short-term memory, [b, t, c] each.
    """
    long_term = zip(*(unstack(group.long_term) for group in groups), strict=True)
    short_term = zip(*(unstack(group.short_term) for group in groups), strict=True)
    return [list(layer) for layer in long_term], [stack(layer) for layer in short_term]


def separate(memories: Sequence[Memory]) -> list[Memory]:
    """Return the memories of a batch one by one, each in memory of its own.

    Args:
        memories: [b, t, c] each, one a layer.

    Returns:
        [l, t, c] each, one a row of the batch.
    """
    layers = [unstack(memory) for memory in memories]
    return [
        Memory(*(torch.stack(tensors) for tensors in zip(*rows, strict=True)))
        for rows in zip(*layers, strict=True)
    ]


def begin(object_ids: tuple[int, ...], memory: Memory) -> Group:
    """Return a new group at a frame on which its objects were drawn.

    Args:
        object_ids: of its slots.
        memory: [l, t, c] each, the frame's.
    """
    long_term = Memory(*(tokens.clone() for tokens in memory))
    return Group(object_ids, long_term, memory, is_annotated=(True,), age=0)


def advance(group: Group, memory: Memory, config: AotConfig) -> Group:
    """Return the group one frame later.

    That frame becomes the short-term memory, and joins the long-term memory when its time has come.

    Args:
        group: at the frame before.
        memory: [l, t, c] each, of the new frame, as predicted.
        config: gap and limit of the long-term memory.

    Source: aot-benchmark: networks/engines/aot_engine.py, AOTEngine.update_short_term_memory;
        differs: the limit.
    """
    later = replace(group, short_term=memory, age=group.age + 1)
    if later.age < config.long_term_gap:
        return later
    return _memorise(later, config.max_long_term_frames, is_annotated=False)


def annotate(group: Group, object_ids: tuple[int, ...], memory: Memory, config: AotConfig) -> Group:
    """Return the group at the same frame, after somebody drew its objects there.

    Args:
        group: at this frame.
        object_ids: of its slots, of which there may be more now.
        memory: [l, t, c] each, of this frame, as drawn.
        config: limit of the long-term memory.

    Source: aot-benchmark: networks/engines/aot_engine.py, AOTEngine.add_reference_frame; differs:
        a frame already memorised is replaced, not memorised twice.
    """
    drawn = replace(group, object_ids=object_ids, short_term=memory)
    return _memorise(drawn, config.max_long_term_frames, is_annotated=True)


def _memorise(group: Group, limit: int | None, *, is_annotated: bool) -> Group:
    """Put the last frame in front of the long-term memory, or in its own place if it is there.

    Beyond the limit those frames are kept that somebody annotated, and of equals the newest.
    """
    known = 1 if group.age == 0 else 0
    flags = [is_annotated, *group.is_annotated[known:]]
    by_need = sorted(range(len(flags)), key=lambda index: (not flags[index], index))
    kept = sorted(by_need[:limit])
    if 0 not in kept:
        return group
    long_term = Memory(
        *(
            _join([new, *torch.split(old, new.shape[1], dim=1)[known:]], kept)
            for new, old in zip(group.short_term, group.long_term, strict=True)
        )
    )
    kept_flags = tuple(flags[index] for index in kept)
    return replace(group, long_term=long_term, is_annotated=kept_flags, age=0)


def _join(frames: Sequence[torch.Tensor], kept: Sequence[int]) -> torch.Tensor:
    """The kept ones of [l, t, c] frames, one after the other."""
    return torch.cat([frames[index] for index in kept], dim=1)
