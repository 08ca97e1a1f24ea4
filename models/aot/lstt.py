"""The long short-term transformer (Yang et al. 2021, section 4.2): frames read their memories."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import pi
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.aot.attention import LongTermAttention, SelfAttention, ShortTermAttention
from models.aot.config import AotConfig
from models.aot.tokens import Memory, to_cells, to_tokens, unstack

_TEMPERATURE = 10000.0
_ANGLE_EPS = 1e-6


class GroupedActivation(nn.Module):
    """Group norm, GELU and a depthwise 5x5 convolution, between the feed-forward's linear layers.

    Args:
        channels: of the tokens.
        groups: of the norm.
    """

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.gn = nn.GroupNorm(groups, channels)
        self.conv = nn.Conv2d(channels, channels, 5, padding=2, groups=channels, bias=False)

    def forward(self, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        """Turn [b, t, c] floating into the same; grid is (height, width) in cells."""
        return to_tokens(self.conv(F.gelu(self.gn(to_cells(tokens, grid)))))


class LsttLayer(nn.Module):
    """Look at the own frame, read both memories, feed forward.

    Args:
        config: of the network.

    Source: aot-benchmark: networks/layers/transformer.py, LongShortTermTransformerBlock;
        differs: none.
    """

    def __init__(self, config: AotConfig) -> None:
        super().__init__()
        channels, hidden = config.embedding_channels, config.feed_forward_channels
        self._drop_path = config.drop_path
        self.norm1 = nn.LayerNorm(channels)
        self.self_attn = SelfAttention(channels, config.heads)
        self.norm2 = nn.LayerNorm(channels)
        self.linear_Q = nn.Linear(channels, channels)
        self.linear_V = nn.Linear(channels, channels)
        self.long_term_attn = LongTermAttention(channels, config.heads)
        self.short_term_attn = ShortTermAttention(channels, config.heads, config.window_radius)
        self.norm3 = nn.LayerNorm(channels)
        self.linear1 = nn.Linear(channels, hidden)
        self.activation = GroupedActivation(hidden, config.feed_forward_groups)
        self.linear2 = nn.Linear(hidden, channels)

    def look(self, tokens: Tensor, position: Tensor) -> tuple[Tensor, Memory]:
        """Attend within the frame.

        Args:
            tokens: [b, t, c] floating.
            position: [t, c] floating.

        Returns:
            The tokens [b, t, c], and the frame's own memory [b, t, c] still without identities; its
            keys are also the queries to read other memories with.
        """
        tokens = tokens + self._drop(self.self_attn(self.norm1(tokens), position))
        normed = self.norm2(tokens)
        return tokens, Memory(self.linear_Q(normed), normed)

    def remember(self, candidate: Memory, id_embedding: Tensor) -> Memory:
        """Return a frame's memory with what is where, [b, t, c].

        Args:
            candidate: [b, t, c], as `look` returned it.
            id_embedding: [b, t, c] floating.
        """
        return Memory(candidate.keys, self.linear_V(candidate.values + id_embedding))

    def recall(
        self,
        tokens: Tensor,
        queries: Tensor,
        long_term: Sequence[Memory],
        short_term: Memory,
        grid: tuple[int, int],
    ) -> Tensor:
        """Read both memories and feed forward.

        Args:
            tokens: [b, t, c] floating.
            queries: [b, t, c] floating.
            long_term: one a sample, [m, c].
            short_term: [b, t, c].
            grid: (height, width) in cells.

        Returns:
            [b, t, c] of the same dtype.
        """
        tokens = tokens + self.long_term_attn(queries, long_term)
        tokens = tokens + self.short_term_attn(queries, short_term, grid)
        hidden = self.activation(self.linear1(self.norm3(tokens)), grid)
        return tokens + self._drop(self.linear2(hidden))

    def _drop(self, branch: Tensor) -> Tensor:
        """Skip a residual branch for some samples of a training batch (stochastic depth)."""
        if not self.training or self._drop_path == 0:
            return branch
        kept = 1 - self._drop_path
        return branch * torch.bernoulli(branch.new_full((len(branch), 1, 1), kept)) / kept


@dataclass(frozen=True)
class LsttOutput:
    """What the transformer made of a batch of frames.

    Attributes:
        layers: [b, t, c] floating, normalised, one a layer.
        candidates: [b, t, c] each, the frames' memory without identities, one a layer.
    """

    layers: list[Tensor]
    candidates: list[Memory]


class Lstt(nn.Module):
    """All layers.

    Args:
        config: of the network.

    Source: aot-benchmark: networks/layers/transformer.py, LongShortTermTransformer; differs: no
        mask token, which nothing reads.
    """

    def __init__(self, config: AotConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(LsttLayer(config) for _ in range(config.layers))
        self.decoder_norms = nn.ModuleList(
            nn.LayerNorm(config.embedding_channels) for _ in range(config.layers)
        )

    def reference(self, features: Tensor, id_embedding: Tensor) -> tuple[LsttOutput, list[Memory]]:
        """Take in frames whose masks are known: they read their own memory and no other.

        Args:
            features: [b, c, h, w] floating.
            id_embedding: [b, t, c] floating.

        Returns:
            The output, and the frames' memory [b, t, c], one a layer.
        """
        memories: list[Memory] = []

        def own(index: int, candidate: Memory) -> tuple[list[Memory], Memory]:
            memories.append(self._layer(index).remember(candidate, id_embedding))
            return unstack(memories[index]), memories[index]

        return self._run(features, own), memories

    def propagate(
        self, features: Tensor, long_term: Sequence[Sequence[Memory]], short_term: Sequence[Memory]
    ) -> LsttOutput:
        """Follow what the memories hold into new frames.

        Args:
            features: [b, c, h, w] floating.
            long_term: for each layer one a sample, [m, c].
            short_term: one a layer, [b, t, c].
        """
        return self._run(features, lambda index, _: (long_term[index], short_term[index]))

    def remember(self, candidates: Sequence[Memory], id_embedding: Tensor) -> list[Memory]:
        """Return the frames' memory with what is where, [b, t, c], one a layer.

        Args:
            candidates: [b, t, c], one a layer.
            id_embedding: [b, t, c] floating.
        """
        return [
            self._layer(index).remember(candidate, id_embedding)
            for index, candidate in enumerate(candidates)
        ]

    def _run(
        self,
        features: Tensor,
        memories_of: Callable[[int, Memory], tuple[Sequence[Memory], Memory]],
    ) -> LsttOutput:
        """Run all layers; `memories_of` gives a layer its long-term and short-term memory."""
        grid = (features.shape[2], features.shape[3])
        tokens = to_tokens(features)
        position = position_embedding(grid, tokens.shape[2]).to(tokens)
        output = LsttOutput([], [])
        for index, norm in enumerate(self.decoder_norms):
            tokens, candidate = self._layer(index).look(tokens, position)
            memories = memories_of(index, candidate)
            tokens = self._layer(index).recall(tokens, candidate.keys, *memories, grid)
            output.layers.append(norm(tokens))
            output.candidates.append(candidate)
        return output

    def _layer(self, index: int) -> LsttLayer:
        return cast("LsttLayer", self.layers[index])


def position_embedding(grid: tuple[int, int], channels: int) -> Tensor:
    """Return sines and cosines of every cell's place, the rows' in the first half of the channels.

    Args:
        grid: (height, width) in cells.
        channels: a multiple of 4.

    Returns:
        [t, channels] float32, in [-1, 1].

    Source: aot-benchmark: networks/layers/position.py, PositionEmbeddingSine; differs: none.
    """
    half = channels // 2
    exponents = torch.arange(half).div(2, rounding_mode="floor") * 2 / half
    axes = []
    for length in grid:
        angles = torch.arange(length) / (length - 1 + _ANGLE_EPS) * (2 * pi)
        phases = angles[:, None] / _TEMPERATURE**exponents
        axes.append(torch.where(torch.arange(half) % 2 == 0, phases.sin(), phases.cos()))
    rows, columns = axes
    cells = torch.cat(
        [rows[:, None].expand(-1, grid[1], -1), columns[None].expand(grid[0], -1, -1)], dim=2
    )
    return cells.flatten(0, 1)
