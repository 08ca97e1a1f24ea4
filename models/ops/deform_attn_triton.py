"""Multi-scale deformable attention in one pass over a GPU's memory; needs Triton.

A program sums one query's samples for one head: every value is read where it lies, and nothing
between locations and sums is written.
"""

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor


def fused(
    values: Tensor,
    spatial_shapes: Sequence[tuple[int, int]],
    sampling_locations: Tensor,
    attention_weights: Tensor,
) -> Tensor:
    """Return the weighted sums of samples; without a gradient.

    Args:
        values: [b, s, m, d] floating, the cells of all levels row by row, level after level.
        spatial_shapes: (height, width) of every level, cells.
        sampling_locations: [b, q, m, l, p, 2] float32, (x, y) in units of the level's width and
            height, of any size.
        attention_weights: [b, q, m, l, p] float32.

    Returns:
        [b, q, m * d] of the values' dtype, head after head.

    Source: Zhu et al. 2021, equation 3; differs: none.
    """
    batch, cells, heads, width = values.shape
    queries, levels, points = (attention_weights.shape[axis] for axis in (1, 3, 4))
    ends = torch.tensor([height * width for height, width in spatial_shapes]).cumsum(0)
    sizes = torch.tensor(spatial_shapes)
    starts = ends - sizes.prod(1)
    layout = torch.cat([sizes, starts[:, None]], dim=1).int().to(values.device)
    sums = values.new_empty(batch, queries, heads * width)
    _sum_samples[(batch * queries * heads,)](
        values.contiguous(),
        layout,
        sampling_locations.contiguous(),
        attention_weights.contiguous(),
        sums,
        queries * heads,
        cells,
        heads,
        width,
        levels,
        points,
        WIDTH=triton.next_power_of_2(width),
        num_warps=1,
    )
    return sums


@triton.jit
def _sum_samples(
    values,
    layout,
    locations,
    weights,
    sums,
    rows_a_picture,
    cells,
    heads,
    width,
    levels,
    points,
    WIDTH: tl.constexpr,
):
    """Sum the samples of one query and head: row (b * q + query) * m + head of the answer."""
    row = tl.program_id(0).to(tl.int64)
    channels = tl.arange(0, WIDTH)
    picture = values + (row // rows_a_picture * cells * heads + row % heads) * width
    total = tl.zeros([WIDTH], tl.float32)
    for level in range(levels):
        rows = tl.load(layout + 3 * level)
        columns = tl.load(layout + 3 * level + 1)
        start = tl.load(layout + 3 * level + 2)
        for point in range(points):
            sample = (row * levels + level) * points + point
            # Farther out all is zero, and whole numbers end somewhere.
            x = tl.load(locations + 2 * sample) * columns - 0.5
            y = tl.load(locations + 2 * sample + 1) * rows - 0.5
            x = tl.clamp(x, -2.0, columns + 1.0, tl.PropagateNan.ALL)
            y = tl.clamp(y, -2.0, rows + 1.0, tl.PropagateNan.ALL)
            left, top = tl.floor(x), tl.floor(y)
            across, down = x - left, y - top
            weight = tl.load(weights + sample)
            for corner in tl.static_range(4):
                column = left.to(tl.int32) + corner % 2
                line = top.to(tl.int32) + corner // 2
                share = weight * (across if corner % 2 else 1 - across)
                share = share * (down if corner // 2 else 1 - down)
                is_inside = (column >= 0) & (column < columns) & (line >= 0) & (line < rows)
                cell = (start + line * columns + column).to(tl.int64)
                is_read = channels < tl.where(is_inside, width, 0)
                found = tl.load(picture + cell * heads * width + channels, mask=is_read, other=0)
                total += share * found.to(tl.float32)
    tl.store(sums + row * width + channels, total.to(sums.dtype.element_ty), mask=channels < width)
