"""AOT's three attentions: within a frame, to the whole memory, and to the last frame nearby."""

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.aot.tokens import Memory, stack
from models.ops.local_attention import RelativeEmbedding, local_attention


class SelfAttention(nn.Module):
    """Every token of a frame attends to all of them.

    Args:
        channels: of tokens, keys and values.
        heads: contiguous blocks of channels.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self._heads = heads
        self.linear_Q = nn.Linear(channels, channels)
        self.linear_K = nn.Linear(channels, channels)
        self.linear_V = nn.Linear(channels, channels)
        self.projection = nn.Linear(channels, channels)

    def forward(self, tokens: Tensor, position: Tensor) -> Tensor:
        """Return what the tokens read.

        Args:
            tokens: [b, t, c] floating.
            position: [t, c] floating, added for queries and keys only.

        Returns:
            [b, t, c] of the same dtype.
        """
        placed = tokens + position
        memory = Memory(self.linear_K(placed), self.linear_V(tokens))
        return self.projection(_attend(self.linear_Q(placed), memory, self._heads))


class LongTermAttention(nn.Module):
    """Every token attends to every token of its own sample's memory.

    Args:
        channels: of tokens, keys and values.
        heads: contiguous blocks of channels.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self._heads = heads
        self.projection = nn.Linear(channels, channels)

    def forward(self, queries: Tensor, memories: Sequence[Memory]) -> Tensor:
        """Return what the queries read; memories of equal length are read together.

        Args:
            queries: [b, t, c] floating.
            memories: one a sample, [m, c] each, of any length; the order of tokens is of no effect.

        Returns:
            [b, t, c] of the same dtype.
        """
        by_length = defaultdict(list)
        for index, memory in enumerate(memories):
            by_length[len(memory.keys)].append(index)
        read = torch.empty_like(queries)
        for indices in by_length.values():
            memory = stack([memories[index] for index in indices])
            read[indices] = _attend(queries[indices], memory, self._heads)
        return self.projection(read)


class ShortTermAttention(nn.Module):
    """Every token attends to the tokens around its own place in one earlier frame.

    Args:
        channels: of tokens, keys and values.
        heads: contiguous blocks of channels.
        radius: cells beyond its own on each side.
    """

    def __init__(self, channels: int, heads: int, radius: int) -> None:
        super().__init__()
        self._heads = heads
        offsets = (2 * radius + 1) ** 2
        self.relative_emb_k = nn.Conv2d(channels, heads * offsets, 1, groups=heads)
        self.relative_emb_v = nn.Parameter(torch.zeros(heads, channels // heads, offsets))
        self.projection = nn.Linear(channels, channels)

    def forward(self, queries: Tensor, memory: Memory, grid: tuple[int, int]) -> Tensor:
        """Return what the queries read.

        Args:
            queries: [b, t, c] floating.
            memory: [b, t, c] each.
            grid: (height, width) in cells, t of them row by row.

        Returns:
            [b, t, c] of the same dtype.
        """
        _, depth, offsets = self.relative_emb_v.shape
        relative = RelativeEmbedding(
            self.relative_emb_k.weight.view(self._heads, offsets, depth),
            self.relative_emb_k.get_parameter("bias").view(self._heads, offsets),
            self.relative_emb_v.transpose(1, 2),
        )
        cells = [
            tokens.view(len(tokens), *grid, self._heads, depth) for tokens in (queries, *memory)
        ]
        read = local_attention(cells[0], cells[1], cells[2], relative)
        return self.projection(read.flatten(3).flatten(1, 2))


def _attend(queries: Tensor, memory: Memory, heads: int) -> Tensor:
    """Plain multi-head attention of [b, t, c] to [b, m, c]."""
    split = [
        tokens.view(*tokens.shape[:2], heads, -1).transpose(1, 2) for tokens in (queries, *memory)
    ]  # [b, heads, t, d]
    read = F.scaled_dot_product_attention(split[0], split[1], split[2])
    return read.transpose(1, 2).flatten(2)
