"""The anchors of a grid of cells, and how much of a jump each cell is."""

import math

import torch
from torch import Tensor

from models.siammask.config import SiamMaskConfig
from models.siammask.trunk import STRIDE, embedding_size


def kernel_size(config: SiamMaskConfig) -> int:
    """Return the side of a template's kernels, cells: a convolution takes one from each border."""
    return embedding_size(config.template_size) - 2


def grid_size(search_size: int, config: SiamMaskConfig) -> int:
    """Return the rows and columns of cells that a search window of this side has."""
    return embedding_size(search_size) - 2 - (kernel_size(config) - 1)


def anchor_sizes(config: SiamMaskConfig) -> list[tuple[int, int]]:
    """Return the (width, height) of the anchors of one cell, in the order of the ratios, pixels.

    Source: SiamMask: utils/anchors.py, Anchors.generate_anchors; differs: none. Sides are cut down
        to whole pixels before they are scaled.
    """
    sizes = []
    for ratio in config.anchor_ratios:
        width = int(math.sqrt(STRIDE**2 / ratio))
        height = int(width * ratio)
        sizes.append((width * config.anchor_scale, height * config.anchor_scale))
    return sizes


def grid_anchors(centres: Tensor, config: SiamMaskConfig) -> Tensor:
    """Return the anchors of a square grid.

    Args:
        centres: [g] float32, x of a column's and y of a row's cells, pixels of the search.
        config: shapes.

    Returns:
        [4, a, g, g] float32: x and y of the centre, width, height, pixels of the search.
    """
    sizes = torch.tensor(anchor_sizes(config), dtype=torch.float32)
    grid = len(centres)
    y, x = torch.meshgrid(centres, centres, indexing="ij")
    shape = (len(sizes), grid, grid)
    width, height = sizes[:, :, None, None].unbind(1)
    return torch.stack([part.expand(shape) for part in (x, y, width, height)])


def search_anchors(config: SiamMaskConfig) -> Tensor:
    """Return the anchors of a search window, [4, a, g, g] float32, from the window's middle.

    Source: SiamMask: tools/test.py, generate_anchor; differs: none.
    """
    grid = grid_size(config.search_size, config)
    return grid_anchors((torch.arange(grid) - grid // 2) * float(STRIDE), config)


def window(config: SiamMaskConfig) -> Tensor:
    """Return how likely a target stays near: [g, g] float64, 1 in the middle, 0 at the border."""
    grid = grid_size(config.search_size, config)
    line = torch.hann_window(grid, periodic=False, dtype=torch.float64)
    return line[:, None] * line
