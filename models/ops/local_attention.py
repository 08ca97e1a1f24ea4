"""Attention of every cell to its neighbourhood, without a score for any cell beyond it."""

from dataclasses import dataclass
from math import isqrt
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

_TILE = 8  # cells a side: small enough to score few neighbours in vain, large enough for products
# A score; finite in every dtype, so that a padding cell, which sees nothing, is no NaN.
_OUTSIDE = torch.finfo(torch.float16).min


class RelativeEmbedding(NamedTuple):
    """What is learnt of each offset of the window, row by row from the upper left.

    Attributes:
        key_weights: [m, p, d] floating. Times the query they are added to the score.
        key_biases: [m, p] floating, added to the score.
        values: [m, p, d] floating, added to the value.
    """

    key_weights: Tensor
    key_biases: Tensor
    values: Tensor


def local_attention(
    queries: Tensor, keys: Tensor, values: Tensor, relative: RelativeEmbedding
) -> Tensor:
    """Return what every cell reads from the square window around it.

    Queries are scaled by d**-0.5 for the keys but not for the relative scores. Neighbours beyond
    the grid do not take part. Works tile by tile: a tile's keys are the window of all its cells, of
    which each cell's own window is a strided view.

    Args:
        queries: [b, h, w, m, d] floating.
        keys: [b, h, w, m, d] floating.
        values: [b, h, w, m, d] floating.
        relative: of a window of p = (2 * radius + 1)**2 offsets.

    Returns:
        [b, h, w, m, d] of the same dtype.

    Source: Yang et al. 2021, equation 8; aot-benchmark: networks/layers/attention.py,
        MultiheadLocalAttentionV2; differs: none.
    """
    b, h, w, m, d = queries.shape
    tiling = _Tiling(h, w, isqrt(relative.key_weights.shape[1]))
    query_tiles = tiling.cut_queries(queries)
    key_tiles = tiling.cut_neighbours(keys)
    value_tiles = tiling.cut_neighbours(values)
    scores = _scores(tiling, query_tiles, key_tiles, relative)
    scores.view(m * b, *tiling.window_shape).masked_fill_(tiling.outside(scores.device), _OUTSIDE)
    weights = scores.softmax(-1, dtype=torch.float32).to(queries.dtype)  # [m, n, p]
    spread = query_tiles.new_zeros(m * b * tiling.count, _TILE**2, tiling.reach**2)
    tiling.windows(spread).copy_(weights.view(-1, *tiling.cell_shape))
    attended = torch.bmm(spread, value_tiles.flatten(0, 1)).view(m, -1, d)
    return tiling.join(torch.baddbmm(attended, weights, relative.values), b)


@dataclass(frozen=True)
class _Tiling:
    """A grid of h × w cells in tiles of 8 × 8, rounded up; each cell sees window × window cells."""

    height: int
    width: int
    window: int

    @property
    def radius(self) -> int:
        return self.window // 2

    @property
    def rows(self) -> int:
        return -(-self.height // _TILE)

    @property
    def columns(self) -> int:
        return -(-self.width // _TILE)

    @property
    def count(self) -> int:
        return self.rows * self.columns

    @property
    def reach(self) -> int:
        """Side of what all cells of a tile see together."""
        return _TILE + self.window - 1

    @property
    def cell_shape(self) -> tuple[int, int, int, int]:
        return _TILE, _TILE, self.window, self.window

    @property
    def window_shape(self) -> tuple[int, int, int, int, int, int]:
        return self.rows, self.columns, *self.cell_shape

    def cut_queries(self, cells: Tensor) -> Tensor:
        """Turn [b, h, w, m, d] into [m, b * tiles * 64, d]."""
        b, _, _, m, d = cells.shape
        tiles = F.pad(cells, (0, 0, 0, 0, 0, self._spare_columns, 0, self._spare_rows))
        tiles = tiles.view(b, self.rows, _TILE, self.columns, _TILE, m, d)
        return tiles.permute(5, 0, 1, 3, 2, 4, 6).contiguous().view(m, -1, d)

    def cut_neighbours(self, cells: Tensor) -> Tensor:
        """Turn [b, h, w, m, d] into [m, b * tiles, reach * reach, d], zeros beyond the grid."""
        b, _, _, m, d = cells.shape
        left = self.radius
        right, bottom = left + self._spare_columns, left + self._spare_rows
        tiles = F.pad(cells, (0, 0, 0, 0, left, right, left, bottom))
        tiles = tiles.unfold(1, self.reach, _TILE).unfold(2, self.reach, _TILE)
        return tiles.permute(3, 0, 1, 2, 5, 6, 4).reshape(m, b * self.count, self.reach**2, d)

    def windows(self, tiles: Tensor) -> Tensor:
        """View contiguous [n, 64, reach * reach] as [n, 8, 8, window, window]."""
        line = self.reach
        # One cell on is one neighbour on: the step over cells moves the window as well.
        strides = (_TILE * line**2 + line, line**2 + 1, line, 1)
        return tiles.as_strided((len(tiles), *self.cell_shape), (tiles.stride(0), *strides))

    def outside(self, device: torch.device) -> Tensor:
        """[rows, columns, 8, 8, window, window] bool: True beyond the grid."""
        offsets = torch.arange(self.window, device=device) - self.radius
        y = torch.arange(self.rows * _TILE, device=device)[:, None] + offsets
        x = torch.arange(self.columns * _TILE, device=device)[:, None] + offsets
        is_above = ((y < 0) | (y >= self.height)).view(self.rows, 1, _TILE, 1, self.window, 1)
        is_beside = ((x < 0) | (x >= self.width)).view(1, self.columns, 1, _TILE, 1, self.window)
        return is_above | is_beside

    def join(self, tiles: Tensor, b: int) -> Tensor:
        """Turn [m, b * tiles * 64, d] into [b, h, w, m, d]."""
        m, _, d = tiles.shape
        cells = tiles.view(m, b, self.rows, self.columns, _TILE, _TILE, d)
        cells = cells.permute(1, 2, 4, 3, 5, 0, 6)
        cells = cells.reshape(b, self.rows * _TILE, self.columns * _TILE, m, d)
        return cells[:, : self.height, : self.width]

    @property
    def _spare_rows(self) -> int:
        return self.rows * _TILE - self.height

    @property
    def _spare_columns(self) -> int:
        return self.columns * _TILE - self.width


def _scores(
    tiling: _Tiling, query_tiles: Tensor, key_tiles: Tensor, relative: RelativeEmbedding
) -> Tensor:
    """Scores of every cell and offset, [m, b * tiles * 64, p]."""
    m, _, d = query_tiles.shape
    scores = torch.baddbmm(
        relative.key_biases[:, None], query_tiles, relative.key_weights.transpose(1, 2)
    )
    scaled = (query_tiles * d**-0.5).view(-1, _TILE**2, d)
    products = torch.bmm(scaled, key_tiles.flatten(0, 1).transpose(1, 2))
    scores.view(-1, *tiling.cell_shape).add_(tiling.windows(products))
    return scores.view(m, -1, tiling.window**2)
