"""RoIAlign (He et al. 2017): regions of feature maps, averaged from bilinear samples.

Not "aligned": no half-pixel shift, and a region is at least one cell wide and high.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

# Masks cut at a time by `crop_masks`: bounds the copies of whole masks.
_MASKS_AT_A_TIME = 32


def roi_align(
    features: Tensor,
    boxes_xyxy: Tensor,
    batch_index: Tensor,
    scale: float,
    output_size: int,
    sampling_ratio: int = 2,
) -> Tensor:
    """Return the features under boxes on a square grid of bins.

    A bin is the mean of sampling_ratio squared bilinear samples. Samples beyond the map by more
    than one cell count as zeros, in the mean too.

    Args:
        features: [b, c, h, w] floating; quickest when channels are last in memory.
        boxes_xyxy: [n, 4] float32, pixels of the picture.
        batch_index: [n] int64, in [0, b): the box's picture.
        scale: cells per pixel.
        output_size: bins a side.
        sampling_ratio: samples a bin and side.

    Returns:
        [n, c, output_size, output_size] of the features' dtype, channels last in memory.

    Source: torchvision roi_align, aligned=False; differs: none.
    """
    batch, channels, height, width = features.shape
    rows, row_weights = _samples(boxes_xyxy[:, 1::2] * scale, output_size, sampling_ratio, height)
    columns, column_weights = _samples(
        boxes_xyxy[:, 0::2] * scale, output_size, sampling_ratio, width
    )
    cells = rows[:, :, None, :, None] * width + columns[:, None, :, None, :]
    cells = cells + (batch_index * (height * width)).view(-1, 1, 1, 1, 1)
    weights = row_weights[:, :, None, :, None] * column_weights[:, None, :, None, :]
    # A bin is a weighted sum of cells, and this is one without a copy of what it sums.
    pooled = F.embedding_bag(
        cells.reshape(-1, (2 * sampling_ratio) ** 2),
        features.permute(0, 2, 3, 1).reshape(batch * height * width, channels),
        per_sample_weights=weights.reshape(-1, (2 * sampling_ratio) ** 2).to(features.dtype),
        mode="sum",
    )
    return pooled.view(-1, output_size, output_size, channels).permute(0, 3, 1, 2)


def crop_masks(masks: Tensor, boxes_xyxy: Tensor, mask_index: Tensor, output_size: int) -> Tensor:
    """Return masks under boxes on a square grid of bins, soft at the borders.

    As many samples a bin as the box has pixels in it, rounded up, by rows and columns apart.

    Args:
        masks: [m, h, w] any dtype, 0 or 1.
        boxes_xyxy: [n, 4] float32, pixels of the masks.
        mask_index: [n] int64, in [0, m): the mask under each box.
        output_size: bins a side.

    Returns:
        [n, output_size, output_size] float32, in [0, 1].

    Source: torchvision roi_align with sampling_ratio -1, aligned=False; differs: none.
    """
    height, width = masks.shape[1:]
    row_weights = _bin_weights(boxes_xyxy[:, 1::2], output_size, height)
    column_weights = _bin_weights(boxes_xyxy[:, 0::2], output_size, width)
    parts = zip(
        torch.split(row_weights, _MASKS_AT_A_TIME),
        torch.split(column_weights, _MASKS_AT_A_TIME),
        torch.split(mask_index, _MASKS_AT_A_TIME),
        strict=True,
    )
    crops = [rows @ masks[index].float() @ columns.mT for rows, columns, index in parts]
    return torch.cat(crops)


def _samples(spans: Tensor, bins: int, per_bin: int, length: int) -> tuple[Tensor, Tensor]:
    """Cells and weights of one axis: [n, 2] (start, end) in cells -> two [n, bins, 2 * per_bin].

    The weights of a bin's samples add up to 1, less those outside.
    """
    start = spans[:, :1]
    bin_length = (spans[:, 1:] - start).clamp(min=1) / bins
    steps = torch.arange(bins * per_bin, dtype=spans.dtype, device=spans.device)
    where_in_bin = (steps % per_bin + 0.5) / per_bin
    positions = start + (steps // per_bin) * bin_length + where_in_bin * bin_length
    low, high, weight_low, weight_high = _neighbours(positions, length)
    cells = torch.stack([low, high], dim=-1)
    weights = torch.stack([weight_low, weight_high], dim=-1) / per_bin
    return cells.view(-1, bins, 2 * per_bin), weights.view(-1, bins, 2 * per_bin)


def _neighbours(positions: Tensor, length: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Positions in cells -> the two cells around each and their bilinear weights."""
    is_inside = (positions >= -1) & (positions <= length)
    clamped = positions.clamp(min=0, max=length - 1)
    low = clamped.floor()
    fraction = clamped - low
    high = (low + 1).clamp(max=length - 1)
    return low.long(), high.long(), (1 - fraction) * is_inside, fraction * is_inside


def _bin_weights(spans: Tensor, bins: int, length: int) -> Tensor:
    """Share of every cell in every bin of one axis, sampled adaptively: -> [n, bins, length]."""
    start = spans[:, :1]
    bin_length = (spans[:, 1:] - start).clamp(min=1) / bins
    per_bin = bin_length.ceil()
    steps = torch.arange(int(per_bin.max()) if len(spans) else 1, device=spans.device)
    is_used = steps < per_bin
    offsets = (steps + 0.5) / per_bin * bin_length
    bin_starts = start + torch.arange(bins, device=spans.device) * bin_length
    positions = bin_starts[:, :, None] + offsets[:, None]
    low, high, weight_low, weight_high = _neighbours(positions, length)
    shares = (is_used / per_bin)[:, None]
    weights = spans.new_zeros(len(spans), bins, length)
    weights.scatter_add_(2, low, weight_low * shares)
    return weights.scatter_add_(2, high, weight_high * shares)
