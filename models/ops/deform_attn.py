"""Multi-scale deformable attention: a weighted sum of bilinear samples of several maps.

Every sample is four cells with a weight each, so that a query's answer is one weighted sum of table
rows: one gather over all levels and points, without a copy of what it sums. On a GPU, where no
gradient is wanted, `models.ops.deform_attn_triton` does it all in one pass if Triton works there.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec

import torch
import torch.nn.functional as F
from torch import Tensor

_log = logging.getLogger(__name__)

# Queries whose indices and weights exist at a time; more of them no longer fit a CPU's cache.
_QUERIES_AT_A_TIME = 2048
# Cells of zeros around a map: one before; two after, as a sample takes its cell and the next.
_BEFORE, _AFTER = 1, 2


def deform_attn(
    values: Tensor,
    spatial_shapes: Sequence[tuple[int, int]],
    sampling_locations: Tensor,
    attention_weights: Tensor,
) -> Tensor:
    """Return the weighted sums of samples, each head from its own channels.

    Samples lie between cell centres; cells beyond the map count as zeros.

    Args:
        values: [b, s, m, d] floating, the cells of all levels row by row, level after level.
        spatial_shapes: (height, width) of every level, cells.
        sampling_locations: [b, q, m, l, p, 2] float32 or float64, (x, y) in units of the level's
            width and height, of any size.
        attention_weights: [b, q, m, l, p] of the locations' dtype.

    Returns:
        [b, q, m * d] of the values' dtype, head after head.

    Source: Zhu et al. 2021, equation 3; Deformable-DETR ms_deform_attn_core_pytorch; differs: none.
    """
    is_single = sampling_locations.dtype == torch.float32
    wants_fused = values.is_cuda and is_single and not torch.is_grad_enabled()
    if wants_fused and fuses_on(values.device):
        from models.ops.deform_attn_triton import fused  # noqa: PLC0415 (Triton may be absent)

        return fused(values, spatial_shapes, sampling_locations, attention_weights)
    batch, _, heads, _ = values.shape
    points = attention_weights.shape[-1]
    framed = _frame(values, spatial_shapes)
    lattice = _Lattice.build(spatial_shapes, heads, points, sampling_locations)
    picture_rows = torch.arange(batch, device=values.device, dtype=torch.int32)
    picture_rows = picture_rows[:, None] * (framed.shape[1] * heads)
    table = framed.reshape(-1, framed.shape[-1])
    parts = zip(
        torch.split(sampling_locations, _QUERIES_AT_A_TIME, dim=1),
        torch.split(attention_weights, _QUERIES_AT_A_TIME, dim=1),
        strict=True,
    )
    sums = [_gather(table, lattice, picture_rows, *part) for part in parts]
    return torch.cat([part.view(batch, -1, heads * values.shape[-1]) for part in sums], dim=1)


@cache
def fuses_on(device: torch.device) -> bool:
    """Return whether the fused kernel runs there; tried once a device, a failure is logged.

    Triton, which comes with torch's builds for CUDA, compiles it with a C compiler of the host's
    into a folder that it must be able to write and to load from; not every host has these.
    """
    if find_spec("triton") is None:
        return False
    weights = torch.zeros(1, 1, 1, 1, 1, device=device)
    locations = torch.stack([weights, weights], dim=-1)
    try:
        from models.ops.deform_attn_triton import fused  # noqa: PLC0415 (Triton may be absent)

        fused(weights[0], [(1, 1)], locations, weights)
    except Exception as error:  # noqa: BLE001 (whatever it is, the sums can be had without)
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        _log.warning("deformable attention is slower on %s than it could be: %s", device, reason)
        return False
    return True


@dataclass(frozen=True)
class _Lattice:
    """Where cells lie in the table, for the m * l * p samples of a query in a row.

    Attributes:
        widths, heights: [m * l * p] floating, cells of the sample's level.
        row_cells: [m * l * p] floating, cells of one of its rows, frame included.
        first_rows: [m * l * p] int32: the table row of the level's first cell and the head.
        corners: [4, l * p] int32: table rows from a cell to itself, its right neighbour, the cell
            below and that one's right neighbour.
        heads: m.
    """

    widths: Tensor
    heights: Tensor
    row_cells: Tensor
    first_rows: Tensor
    corners: Tensor
    heads: int

    @staticmethod
    def build(
        spatial_shapes: Sequence[tuple[int, int]], heads: int, points: int, like: Tensor
    ) -> "_Lattice":
        """Return the lattice on the device of `like` ([...] floating) and in its dtype."""
        levels, first_cell = [], 0
        for height, width in spatial_shapes:
            row_cells = width + _BEFORE + _AFTER
            levels.append((width, height, row_cells, first_cell))
            first_cell += row_cells * (height + _BEFORE + _AFTER)
        samples = torch.tensor(levels, device=like.device).repeat_interleave(points, dim=0).T
        widths, heights, row_cells, first_cells = samples.repeat(1, heads)
        head = torch.arange(heads, device=like.device).repeat_interleave(samples.shape[1])
        below = samples[2]
        corners = torch.stack([torch.zeros_like(below), torch.ones_like(below), below, below + 1])
        return _Lattice(
            widths.to(like.dtype),
            heights.to(like.dtype),
            row_cells.to(like.dtype),
            (first_cells * heads + head).int(),
            (corners * heads).int(),
            heads,
        )


def _frame(values: Tensor, spatial_shapes: Sequence[tuple[int, int]]) -> Tensor:
    """[b, s, m, d] -> [b, cells, m, d]: every level with zeros around it."""
    levels = torch.split(values, [height * width for height, width in spatial_shapes], dim=1)
    frame = (0, 0, 0, 0, _BEFORE, _AFTER, _BEFORE, _AFTER)
    framed = [
        F.pad(level.view(len(level), *shape, *level.shape[2:]), frame).flatten(1, 2)
        for level, shape in zip(levels, spatial_shapes, strict=True)
    ]
    return torch.cat(framed, dim=1)


def _gather(
    table: Tensor, lattice: _Lattice, picture_rows: Tensor, locations: Tensor, weights: Tensor
) -> Tensor:
    """Sum table rows: [b, n, m, l, p, 2] and [b, n, m, l, p] -> [b * n * m, d]."""
    columns, across = _cells(locations[..., 0], lattice.widths)
    rows, down = _cells(locations[..., 1], lattice.heights)
    # Whole numbers as floats: exact, as a level has fewer than 2**24 cells. The clamp is for NaN.
    cells = torch.addcmul(columns, rows, lattice.row_cells).int().clamp_(min=0)
    first = torch.add(lattice.first_rows, cells, alpha=lattice.heads)
    first = first.view(len(picture_rows), -1) + picture_rows
    samples = lattice.corners.shape[1]
    index = first.view(-1, 1, samples) + lattice.corners
    below = weights.reshape(-1, lattice.widths.numel()) * down
    above = weights.reshape(-1, lattice.widths.numel()) - below
    above_right, below_right = above * across, below * across
    shares = (above - above_right, above_right, below - below_right, below_right)
    shares_by_corner = torch.stack([share.view(-1, samples) for share in shares], dim=1)
    return F.embedding_bag(
        index.flatten(1),
        table,
        per_sample_weights=shares_by_corner.flatten(1).to(table.dtype),
        mode="sum",
    )


def _cells(locations: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Locations in units of the level -> framed cell before each, and how far the sample is on."""
    positions = torch.addcmul(
        lengths.new_tensor(_BEFORE - 0.5), locations.reshape(-1, len(lengths)), lengths
    )
    positions = torch.minimum(positions.clamp_(min=0), lengths + 1)
    cells = positions.floor()
    return cells, positions - cells
