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
    rows, row_weights = _row_taps(image.shape[0], size[0])
    columns, column_weights = _column_taps(image.shape[1], size[1])
    left, right = _near(image, rows, columns).unbind(2)
    return _blend(left, right, row_weights, column_weights)


def crop_opencv(
    image: Tensor, origin: tuple[int, int], side: int, size: int, border: Tensor
) -> Tensor:
    """Cut a square out and resize it as `resize_opencv` would.

    Only the pixels that count are looked at, so picture and square may be of any size.

    Args:
        image: [h, w, c] uint8.
        origin: (x, y) of the square's first pixel, which may lie outside the picture.
        side: of the square, pixels.
        size: wanted side, pixels.
        border: [c] uint8, the colour outside the picture.

    Returns:
        [size, size, c] uint8.
    """
    height, width, _ = image.shape
    rows, row_weights = _row_taps(side, size)
    columns, column_weights = _column_taps(side, size)
    rows, columns = rows + origin[1], columns + origin[0]
    near = _near(image, rows.clamp(0, height - 1), columns.clamp(0, width - 1))
    near[(rows < 0) | (rows >= height)] = border
    near[:, :, (columns < 0) | (columns >= width)] = border
    left, right = near.unbind(2)
    return _blend(left, right, row_weights, column_weights)


def _near(image: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """The pixels where rows [2, h] and columns [2, w] meet: [2, h, 2, w, c] uint8."""
    width, channels = image.shape[1:]
    cells = rows[:, :, None, None] * width + columns
    pixels = image.reshape(-1, channels).index_select(0, cells.flatten())
    return pixels.view(*cells.shape, channels)


def _blend(left: Tensor, right: Tensor, row_weights: Tensor, column_weights: Tensor) -> Tensor:
    """Mix the pixels left and right of each output pixel, in the rows above and below it.

    [2, h, w, c] uint8 each; [h, w, c] uint8 comes back.
    """
    mixed = left.int().mul_(column_weights[0, :, None])
    mixed += right.int().mul_(column_weights[1, :, None])
    mixed >>= 4
    mixed *= row_weights[:, :, None, None]
    mixed >>= 16
    return ((mixed[0] + mixed[1] + 2) >> 2).byte()


def _row_taps(old: int, new: int) -> tuple[Tensor, Tensor]:
    """Source rows [2, new] int64 of each output row, and weights [2, new] int32."""
    before, share = _source_positions(old, new)
    return torch.stack((before, before + 1)).clamp(0, old - 1), _integer_weights(share)


def _column_taps(old: int, new: int) -> tuple[Tensor, Tensor]:
    """The same for columns, of which the first and last are not mixed with themselves."""
    before, share = _source_positions(old, new)
    share[(before < 0) | (before >= old - 1)] = 0
    return torch.stack((before, before + 1)).clamp(0, old - 1), _integer_weights(share)


def _source_positions(old: int, new: int) -> tuple[Tensor, Tensor]:
    """The pixel at or before each output centre [new] int64, and the share of the next [new]."""
    position = ((torch.arange(new, dtype=torch.float64) + 0.5) * old / new - 0.5).float()
    before = position.floor()
    return before.long(), position - before


def _integer_weights(share: Tensor) -> Tensor:
    """Weights [2, new] int32 of the pixel before and the pixel after, units of 1/2048."""
    return (torch.stack((1 - share, share)) * _OPENCV_ONE).round().int()
