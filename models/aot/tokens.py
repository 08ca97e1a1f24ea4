"""The transformer's tokens, one a cell of a frame, and what is remembered of them."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Memory(NamedTuple):
    """Tokens of one or several frames, for one layer or, in front, for all of them.

    Attributes:
        keys: [..., t, c] floating.
        values: [..., t, c] floating, identities included.
    """

    keys: Tensor
    values: Tensor


def to_tokens(features: Tensor) -> Tensor:
    """Turn [b, c, h, w] floating into [b, t, c], row by row; a view if channels are last."""
    return features.permute(0, 2, 3, 1).flatten(1, 2)


def to_cells(tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    """Turn [b, t, c] floating into [b, c, h, w], a view with channels last; grid is (h, w)."""
    b, _, c = tokens.shape
    return tokens.view(b, *grid, c).permute(0, 3, 1, 2)


def stack(memories: Sequence[Memory]) -> Memory:
    """Return memories of equal length as one, [b, ...]; a single one is not copied."""
    if len(memories) == 1:
        return Memory(memories[0].keys[None], memories[0].values[None])
    return Memory(*(torch.stack(tensors) for tensors in zip(*memories, strict=True)))


def unstack(memory: Memory) -> list[Memory]:
    """Return the memories of a batch, [b, ...], one by one, as views."""
    return [Memory(keys, values) for keys, values in zip(*memory, strict=True)]
