"""A mask as the member `segmentation` of a reply, in the form that the caller asked for."""

import base64
import struct
import zlib
from typing import Literal

import numpy as np

from models import polygons
from models import rle as rles
from models.rle import Rle

MaskFormat = Literal["rle", "rle_counts", "polygon", "png", "none"]
Segmentation = Rle | dict[str, list[int]] | list[list[int]] | str | None

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_ONE_BIT_GRAY = (1, 0, 0, 0, 0)  # bits, colour type, compression, filter method, interlace


def segmentation(mask: Rle, mask_format: MaskFormat) -> Segmentation:
    """Return a mask in one of the forms of replies.

    `rle` is COCO's compressed form, `rle_counts` the same with the runs as numbers; both exact.
    `polygon` has one outline a part, holes filled. `png` is the base64 of a PNG of the picture's
    size, one bit a pixel, white on the object: exact, and of use without anything else. `none` is
    None.

    Raises:
        ValueError: the RLE is malformed.
    """
    match mask_format:
        case "rle":
            return mask
        case "rle_counts":
            return {"size": mask["size"], "counts": rles.to_counts(mask)}
        case "polygon":
            return polygons.from_rle(mask)
        case "png":
            return base64.b64encode(to_png(mask)).decode("ascii")
        case "none":
            return None


def to_png(mask: Rle) -> bytes:
    """Return a mask as a PNG of the picture's size, one bit a pixel, white on the object.

    Written here because pixels never need a byte each on the way: a hundred masks of a picture of
    twelve megapixels would otherwise move more than a gigabyte.

    Raises:
        ValueError: the RLE is malformed.

    Source: ISO/IEC 15948 (PNG), clauses 5 and 7 to 11.
    """
    height, width = mask["size"]
    header = struct.pack(">II5B", width, height, *_ONE_BIT_GRAY)
    # Runs of equal bytes are all that there is to compress.
    compressor = zlib.compressobj(strategy=zlib.Z_RLE)
    lines = compressor.compress(_packed_lines(mask)) + compressor.flush()
    chunks = ((b"IHDR", header), (b"IDAT", lines), (b"IEND", b""))
    return _PNG_SIGNATURE + b"".join(_chunk(kind, data) for kind, data in chunks)


def _packed_lines(mask: Rle) -> bytes:
    """Pack a mask to PNG's scanlines, each a filter type (none) and eight pixels a byte."""
    columns, tops, bottoms = rles.column_runs(mask)
    height, width = mask["size"]
    lines = np.zeros((height + 1, 1 + -(-width // 8)), dtype=np.uint8)
    bits = np.uint8(128) >> (columns % 8).astype(np.uint8)
    for rows in (tops, bottoms):
        np.bitwise_xor.at(lines, (rows, 1 + columns // 8), bits)
    # Bits now say where a run begins and where it has ended; in between they shall be set.
    touched = lines[tops.min(initial=height) : bottoms.max(initial=0) + 1]
    np.bitwise_xor.accumulate(touched, axis=0, out=touched)
    return lines[:-1].tobytes()


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(data, zlib.crc32(kind))
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)
