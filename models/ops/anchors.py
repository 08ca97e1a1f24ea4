"""Anchor boxes of a feature pyramid (Ren et al. 2015; Lin et al. 2017)."""

from collections.abc import Sequence

import torch
from torch import Tensor


def cell_anchors(size: float, ratios: Sequence[float]) -> Tensor:
    """Return the anchors of one size around the origin.

    Args:
        size: square root of the area, pixels.
        ratios: heights over widths.

    Returns:
        [a, 4] float32, pixels, xyxy, in the order of `ratios`; rounded to integers, halves to even.

    Source: torchvision AnchorGenerator.generate_anchors; differs: none.
    """
    height_factors = torch.tensor(ratios, dtype=torch.float32).sqrt()
    heights = height_factors * size
    widths = (1 / height_factors) * size
    return (torch.stack([-widths, -heights, widths, heights], dim=1) / 2).round()


def grid_anchors(
    base_anchors_xyxy: Tensor, grid_size: tuple[int, int], stride: tuple[int, int]
) -> Tensor:
    """Return the anchors of one pyramid level, centred on the top-left corners of its cells.

    Args:
        base_anchors_xyxy: [a, 4] float32, pixels, around the origin.
        grid_size: rows and columns of the level.
        stride: pixels from row to row and from column to column.

    Returns:
        [h * w * a, 4] float32, pixels, xyxy: row by row, then column, then anchor.
    """
    rows = torch.arange(grid_size[0], device=base_anchors_xyxy.device) * stride[0]
    columns = torch.arange(grid_size[1], device=base_anchors_xyxy.device) * stride[1]
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    shifts = torch.stack([x, y, x, y], dim=-1).reshape(-1, 1, 4).to(base_anchors_xyxy.dtype)
    return (shifts + base_anchors_xyxy).reshape(-1, 4)


def pyramid_anchors(
    sizes: Sequence[float],
    ratios: Sequence[float],
    padded_size: tuple[int, int],
    grid_sizes: Sequence[tuple[int, int]],
    device: torch.device | None = None,
) -> list[Tensor]:
    """Return the anchors of every level of a pyramid.

    A level's stride is the integer quotient of the padded size and the grid's, for rows and columns
    by themselves; on the last level this often is not a power of two.

    Args:
        sizes: one anchor size a level, pixels.
        ratios: heights over widths, the same on every level.
        padded_size: (height, width) of the network's input, pixels.
        grid_sizes: rows and columns of each level.
        device: where they are wanted; None: the CPU.

    Returns:
        A [h * w * a, 4] float32 tensor a level, pixels, xyxy.

    Source: torchvision AnchorGenerator.forward; differs: none.
    """
    return [
        grid_anchors(
            cell_anchors(size, ratios).to(device),
            grid_size,
            (padded_size[0] // grid_size[0], padded_size[1] // grid_size[1]),
        )
        for size, grid_size in zip(sizes, grid_sizes, strict=True)
    ]
