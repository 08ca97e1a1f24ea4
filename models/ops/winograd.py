"""3x3 convolution with a quarter of the products, after Winograd (Lavin & Gray 2016).

Each tile of 4x4 results comes from 36 products a channel pair instead of 144. The interpolation
points 0, 1, -1, 1/2, -2 keep the rounding errors near those of the direct sum (Barabasz et al.
2020). Transforms are matrix products too, and run in strips small enough for the cache.
"""

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

_TILE = 4  # results of a tile, by rows and columns
_SPAN = 6  # cells that a tile looks at
_TILES_AT_A_TIME = 160

_RESULTS = (
    (1, 1, 1, 1, 1, 0),
    (0, 1, -1, 1 / 2, -2, 0),
    (0, 1, 1, 1 / 4, 4, 0),
    (0, 1, -1, 1 / 8, -8, 1),
)
_KERNEL = (
    (1, 0, 0),
    (1 / 3, 1 / 3, 1 / 3),
    (-1 / 3, 1 / 3, -1 / 3),
    (-16 / 15, -8 / 15, -4 / 15),
    (1 / 15, -2 / 15, 4 / 15),
    (0, 0, 1),
)
_CELLS = (
    (1, -3 / 2, -2, 3 / 2, 1, 0),
    (0, -1, 1 / 2, 5 / 2, 1, 0),
    (0, 1, -5 / 2, 1 / 2, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 1 / 2, -1, -1 / 2, 1, 0),
    (0, 1, -3 / 2, -2, 3 / 2, 1),
)
# Row and column of the point 1: whatever is added there comes out in all results alike.
_CONSTANT = 1 * _SPAN + 1


def conv3x3(features: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Convolve with stride 1 and one ring of zeros.

    Args:
        features: [b, c, h, w] float32; quickest with channels last in memory.
        weight: [k, c, 3, 3] float32.
        bias: [k] float32, or None.

    Returns:
        [b, k, h, w] float32, channels last in memory.
    """
    kernels = _transform_kernels(weight)
    cells = features.permute(0, 2, 3, 1)
    batch, height, width, _ = cells.shape
    rows, columns = -(-height // _TILE), -(-width // _TILE)
    out = features.new_empty(batch, rows * _TILE, columns * _TILE, len(weight))
    images_at_a_time = max(1, _TILES_AT_A_TIME // (rows * columns))
    rows_at_a_time = max(1, _TILES_AT_A_TIME // columns)
    for image in range(0, batch, images_at_a_time):
        images = slice(image, image + images_at_a_time)
        for row in range(0, rows, rows_at_a_time):
            strip = slice(row * _TILE, min(row + rows_at_a_time, rows) * _TILE)
            padded = _pad(cells[images], strip, columns * _TILE)
            results = _convolve_strip(padded, kernels, bias)
            out[images, strip].view(results.shape).copy_(results)
    return out[:, :height, :width].contiguous().permute(0, 3, 1, 2)


def _pad(cells: Tensor, strip: slice, width: int) -> Tensor:
    """The cells that a strip of rows looks at, zeros beyond the map: [b, h + 2, width + 2, c]."""
    first, last = max(strip.start - 1, 0), min(strip.stop + 1, cells.shape[1])
    above, below = first - (strip.start - 1), strip.stop + 1 - last
    right = width + 1 - cells.shape[2]
    return F.pad(cells[:, first:last], (0, 0, 1, right, above, below))


def _convolve_strip(padded: Tensor, kernels: Tensor, bias: Tensor | None) -> Tensor:
    """Padded cells -> results tile by tile, [b, tile row, 4, tile column, 4, k]."""
    tiles = padded.unfold(1, _SPAN, _TILE).unfold(2, _SPAN, _TILE)  # [b, row, column, c, 6, 6]
    batch, rows, columns, channels = tiles.shape[:4]
    points = tiles.permute(4, 5, 0, 1, 2, 3).reshape(_SPAN * _SPAN, -1)
    points = _matrix(_CELLS) @ points
    products = points.view(_SPAN * _SPAN, -1, channels) @ kernels
    if bias is not None:
        products[_CONSTANT] += bias
    results = _matrix(_RESULTS) @ products.flatten(1)
    results = results.view(_TILE, _TILE, batch, rows, columns, -1)
    return results.permute(2, 3, 0, 4, 1, 5)


def _transform_kernels(weight: Tensor) -> Tensor:
    """[k, c, 3, 3] -> [36, c, k]."""
    out_channels, in_channels = weight.shape[:2]
    taps = weight.permute(2, 3, 1, 0).reshape(9, -1)
    return (_matrix(_KERNEL) @ taps).view(-1, in_channels, out_channels)


@cache
def _matrix(factors: tuple[tuple[float, ...], ...]) -> Tensor:
    """The transform of both axes at once from that of one."""
    one_axis = torch.tensor(factors, dtype=torch.float64)
    return torch.kron(one_axis, one_axis).float()
