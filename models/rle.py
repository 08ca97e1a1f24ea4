"""COCO run-length masks: a bitmap, read column by column, as runs that start with background.

`counts` is COCO's compressed string. Everything here touches runs, never single pixels in Python,
and checks what it is given: a mask may come from a caller. numpy only. What a mask is drawn or
sent as otherwise lives elsewhere (`models.polygons`, the service's reply formats).

Source: cocodataset/cocoapi: common/maskApi.c.
"""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from models.rle_string import MAX_CHARACTERS, Ints, pack, unpack

Bitmap = npt.NDArray[np.bool_]

MAX_PIXELS = 2**28  # a claim beyond this is refused before anything is allocated for it


class Rle(TypedDict):
    """One mask as COCO results hold it.

    Attributes:
        size: [height, width], pixels.
        counts: the compressed runs.
    """

    size: list[int]
    counts: str


def encode(mask: Bitmap) -> Rle:
    """Encode a bitmap.

    Args:
        mask: [h, w] bool, True on the object; at least one pixel.

    Raises:
        ValueError: the mask is not a two-dimensional bitmap.

    Source: cocodataset/cocoapi: common/maskApi.c, rleEncode; differs: none.
    """
    return encode_crop(mask, 0, 0, mask.shape)


def encode_crop(mask: Bitmap, left: int, top: int, size: Sequence[int]) -> Rle:
    """Encode a bitmap that covers a part of a picture, which is background elsewhere.

    Args:
        mask: [ch, cw] bool, True on the object; at least one pixel.
        left: the picture's column of the bitmap's first.
        top: the picture's row of the bitmap's first.
        size: (height, width) of the picture.

    Raises:
        ValueError: the mask is not a two-dimensional bitmap, or not within the picture.
    """
    if mask.ndim != 2 or mask.dtype != np.bool_:
        raise ValueError(f"a mask is [h, w] bool, not {list(mask.shape)} {mask.dtype}")
    crop_height, crop_width = _checked_size(mask.shape)
    height, width = _checked_size(size)
    if min(left, top) < 0 or left + crop_width > width or top + crop_height > height:
        raise ValueError(f"{list(mask.shape)} at {left}, {top} is not within {list(size)}")
    # A line a column, each after one False, so that runs end with their column.
    line = crop_height + 1
    flat = np.zeros(crop_width * line + 1, dtype=bool)
    flat[:-1].reshape(crop_width, line)[:, 1:] = mask.T
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    positions = edges + edges // line * (height - line) + (left * height + top)
    return from_runs(positions[0::2], positions[1::2], size)


def from_runs(starts: Ints, ends: Ints, size: Sequence[int]) -> Rle:
    """Encode the foreground's runs; runs that touch become one.

    Args:
        starts: [n] int64, column-major pixel index, rising.
        ends: [n] int64, one past the run's last pixel; no run is empty or overlaps the next.
        size: (height, width) of the picture.

    Raises:
        ValueError: the runs overlap, fall or leave the picture.
    """
    height, width = _checked_size(size)
    counts = _lengths(*_merge(starts, ends), height * width)
    if counts.min() < 0:
        raise ValueError("the runs overlap, fall or leave the picture")
    if counts[-1] == 0:
        counts = counts[:-1]  # a mask that ends on foreground has no last background run
    return Rle(size=[height, width], counts=pack(counts))


def from_counts(size: Sequence[int], counts: Sequence[int]) -> Rle:
    """Compress the runs of an uncompressed COCO RLE.

    Args:
        size: (height, width) of the picture.
        counts: lengths of runs, background first.

    Raises:
        ValueError: the runs are no whole numbers, negative, or do not fill the picture.
    """
    height, width = _checked_size(size)
    try:
        runs = np.array(counts)
    except (OverflowError, ValueError):
        raise ValueError("the runs are no list of whole numbers") from None
    if runs.ndim != 1 or runs.dtype.kind not in "iu":
        raise ValueError("the runs are no list of whole numbers")
    runs = runs.astype(np.int64)
    _check_runs(runs, height * width)
    return Rle(size=[height, width], counts=pack(runs))


def to_counts(rle: Rle) -> list[int]:
    """Return the lengths of the runs, background first: COCO's uncompressed form.

    Raises:
        ValueError: the RLE is malformed.
    """
    return _counts(rle).tolist()


def decode(rle: Rle) -> Bitmap:
    """Return the bitmap.

    Returns:
        [h, w] bool, True on the object; columns are contiguous in memory.

    Raises:
        ValueError: the RLE is malformed.
    """
    height, width = _checked_size(rle["size"])
    return _fill(_counts(rle)).reshape(width, height).T


def area(rle: Rle) -> int:
    """Return the number of pixels on the object.

    Raises:
        ValueError: the RLE is malformed.
    """
    return int(_counts(rle)[1::2].sum())


def bbox_xywh(rle: Rle) -> list[int]:
    """Return [x, y, width, height] of the smallest box around the object, zeros if it is empty.

    Raises:
        ValueError: the RLE is malformed.

    Source: cocodataset/cocoapi: common/maskApi.c, rleToBbox; differs: runs of no length are
        ignored instead of widening the box.
    """
    return _bounds(*column_runs(rle))


def crop(rle: Rle) -> tuple[Bitmap, int, int]:
    """Return the bitmap of the object's box alone, however large the picture.

    Returns:
        [ch, cw] bool and the box's left column and top row; [0, 0] at 0, 0 for an empty mask.

    Raises:
        ValueError: the RLE is malformed.
    """
    columns, tops, bottoms = column_runs(rle)
    x, y, width, height = _bounds(columns, tops, bottoms)
    first = (columns - x) * height - y
    counts = _lengths(first + tops, first + bottoms, width * height)
    return _fill(counts).reshape(width, height).T, x, y


def column_runs(rle: Rle) -> tuple[Ints, Ints, Ints]:
    """Return the foreground as vertical strokes, each within its column and apart from the next.

    Returns:
        Three [n] int64: column, first row, one past the last row; rising by column, then row.

    Raises:
        ValueError: the RLE is malformed.
    """
    height = rle["size"][0]
    borders = np.cumsum(_counts(rle))
    ends = borders[1::2]
    starts = borders[0::2][: len(ends)]
    has_length = ends > starts
    starts, ends = _merge(starts[has_length], ends[has_length])
    # Cut where a run goes on at the top of the next column.
    cuts = (ends - 1) // height - starts // height
    number = np.arange(cuts.sum()) - np.repeat(np.cumsum(cuts) - cuts, cuts)
    tops = (np.repeat(starts // height, cuts) + 1 + number) * height
    starts, ends = np.sort(np.append(starts, tops)), np.sort(np.append(ends, tops))
    columns = starts // height
    return columns, starts - columns * height, ends - columns * height


def _checked_size(size: Sequence[int]) -> tuple[int, int]:
    if len(size) != 2 or any(type(side) is not int or side < 1 for side in size):
        raise ValueError("a mask's size is two positive whole numbers, [height, width]")
    height, width = size
    if height * width > MAX_PIXELS:
        raise ValueError(f"a mask of {width}x{height} pixels is larger than {MAX_PIXELS} pixels")
    return height, width


def _check_runs(counts: Ints, pixels: int) -> None:
    if counts.size and counts.min() < 0:
        raise ValueError("a run has a negative length")
    if counts.size and counts.max() > pixels:  # before the sum, which such runs could overflow
        raise ValueError("a run is longer than the whole mask")
    if counts.sum() != pixels:
        raise ValueError(f"the runs cover {counts.sum()} pixels, the size says {pixels}")


def _counts(rle: Rle) -> Ints:
    """Lengths of the runs, checked: [n] int64."""
    height, width = _checked_size(rle["size"])
    pixels = height * width
    if len(rle["counts"]) > MAX_CHARACTERS * (pixels + 1):
        raise ValueError("the counts are longer than any mask of this size needs")
    counts = unpack(rle["counts"])
    _check_runs(counts, pixels)
    return counts


def _merge(starts: Ints, ends: Ints) -> tuple[Ints, Ints]:
    """Join runs that touch."""
    keeps = np.ones(len(starts) + 1, dtype=bool)
    keeps[1:-1] = starts[1:] != ends[:-1]
    return starts[keeps[:-1]], ends[keeps[1:]]


def _lengths(starts: Ints, ends: Ints, pixels: int) -> Ints:
    """Return the lengths of all runs, background first and last."""
    borders = np.zeros(2 * len(starts) + 2, dtype=np.int64)
    borders[1:-1:2] = starts
    borders[2:-1:2] = ends
    borders[-1] = pixels
    return borders[1:] - borders[:-1]


def _bounds(columns: Ints, tops: Ints, bottoms: Ints) -> list[int]:
    if not len(columns):
        return [0, 0, 0, 0]
    x, y = int(columns[0]), int(tops.min())
    return [x, y, int(columns[-1]) + 1 - x, int(bottoms.max()) - y]


def _fill(counts: Ints) -> Bitmap:
    """Write the runs out, background first: [pixels] bool."""
    is_object = np.zeros(len(counts), dtype=bool)
    is_object[1::2] = True
    return np.repeat(is_object, counts)
