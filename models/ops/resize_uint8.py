"""The picture libraries' own bilinear resizing of bytes, number for number.

The published networks saw pictures that Pillow or OpenCV had resized before anything else, in
integer arithmetic with roundings of their own. Resizing of floats lives in `models.ops.resize`.
"""

import torch
from torch import Tensor

_PILLOW_BITS = 22  # of a weight's fraction
_PILLOW_BLOCK = 16  # output lines a matrix product
_OPENCV_ONE = 2048  # a weight of 1


def resize_pillow(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize as Pillow's BILINEAR: a triangle as wide as the scale, so shrinking is antialiased.

    One axis after the other, bytes in between; the columns first, unless only the rows shrink.

    Args:
        image: [h, w, c] uint8.
        size: wanted (height, width), pixels.

    Returns:
        [size, c] uint8.

    Source: Pillow 13: src/libImaging/Resample.c; differs: none.
    """
    height, width, _ = image.shape
    is_rows_first = size[0] < height and size[1] > width
    for axis in (0, 1) if is_rows_first else (1, 0):
        lines = image.transpose(0, axis)
        rest = lines.shape[1:]
        resized = _resize_lines(lines.reshape(len(lines), -1), size[axis])
        image = resized.reshape(size[axis], *rest).transpose(0, axis)
    return image.contiguous()


def _resize_lines(lines: Tensor, count: int) -> Tensor:
    """Resample [n, m] uint8 to [count, m]; doubles hold sums of bytes times weights exactly."""
    first, weights = _triangle_weights(len(lines), count)
    resized = lines.new_empty((count, lines.shape[1]))
    columns = torch.arange(weights.shape[1])
    for start in range(0, count, _PILLOW_BLOCK):
        block = slice(start, start + _PILLOW_BLOCK)
        offsets = first[block] - first[start]
        matrix = torch.zeros(len(offsets), int(offsets[-1]) + len(columns), dtype=torch.float64)
        matrix.scatter_(1, offsets[:, None] + columns, weights[block])
        source = lines[int(first[start]) :][: matrix.shape[1]].double()
        sums = matrix[:, : len(source)] @ source
        sums += 1 << (_PILLOW_BITS - 1)
        resized[block] = (sums / (1 << _PILLOW_BITS)).clamp_(0, 255)
    return resized


def _triangle_weights(old: int, new: int) -> tuple[Tensor, Tensor]:
    """First source line [new] int64 and weights [new, taps] float64, whole numbers of 2**-22."""
    scale = old / new
    reach = max(scale, 1.0)
    centre = (torch.arange(new, dtype=torch.float64) + 0.5) * scale
    first = (centre - reach + 0.5).trunc().clamp(min=0)
    end = (centre + reach + 0.5).trunc().clamp(max=old)
    taps = first[:, None] + torch.arange(int((end - first).max()))
    weights = (1 - ((taps - centre[:, None] + 0.5) / reach).abs()).clamp(min=0)
    weights *= taps < end[:, None]
    weights /= weights.sum(dim=1, keepdim=True)
    return first.long(), (weights * (1 << _PILLOW_BITS) + 0.5).trunc()


def resize_opencv(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize as OpenCV's INTER_LINEAR: two source pixels an axis, never antialiased.

    Args:
        image: [h, w, c] uint8.
        size: wanted (height, width), pixels.

    Returns:
        [size, c] uint8.

    Source: OpenCV 5: modules/imgproc/src/resize.cpp, HResizeLinear and VResizeLinear for bytes;
    differs: none.
    """
    height, width, _ = image.shape
    column, column_share = _source_positions(width, size[1])
    column_share[(column < 0) | (column >= width - 1)] = 0
    row, row_share = _source_positions(height, size[0])
    left, right = _integer_weights(column_share)
    above, below = _integer_weights(row_share)
    rows = torch.stack((row, row + 1)).clamp(0, height - 1)
    near = image[rows].int()  # [2, new h, w, c]
    columns = column.clamp(0, width - 1)
    mixed = near[:, :, columns] * left[:, None]
    mixed += near[:, :, (columns + 1).clamp(max=width - 1)] * right[:, None]
    mixed >>= 4
    upper = (mixed[0] * above[:, None, None]) >> 16
    lower = (mixed[1] * below[:, None, None]) >> 16
    return ((upper + lower + 2) >> 2).byte()


def _source_positions(old: int, new: int) -> tuple[Tensor, Tensor]:
    """The pixel at or before each output centre [new] int64, and the share of the next [new]."""
    position = ((torch.arange(new, dtype=torch.float64) + 0.5) * old / new - 0.5).float()
    before = position.floor()
    return before.long(), position - before


def _integer_weights(share: Tensor) -> tuple[Tensor, Tensor]:
    """Weights [new] int32 of the pixel before and the pixel after, units of 1/2048."""
    return ((1 - share) * _OPENCV_ONE).round().int(), (share * _OPENCV_ONE).round().int()
