"""Whatever a caller has of a picture as the bytes to send."""

import os
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Picture = bytes | bytearray | memoryview | str | os.PathLike[str] | npt.NDArray[Any] | Image.Image
"""An encoded picture, its path, its pixels ([h, w, 3] uint8 RGB or [h, w] uint8), or Pillow's."""

_FASTEST = 1  # of zlib's levels: a third larger than the best, many times faster


def encode(picture: Picture) -> bytes:
    """Return a picture as a file's bytes.

    Bytes and files go as they are. Pixels are sent as PNG, so nothing of them is lost. Of Pillow's
    pictures the pixels count as they stand, so that masks fit `numpy.asarray(picture)`.

    Raises:
        OSError: the file cannot be read.
        ValueError: the pixels are no picture.
        TypeError: it is none of `Picture`.
    """
    match picture:
        case bytes() | bytearray() | memoryview():
            return bytes(picture)
        case str() | os.PathLike():
            return Path(picture).read_bytes()
        case Image.Image():
            return _to_png(np.asarray(picture.convert("RGB")))
        case np.ndarray():
            return _to_png(picture)
    raise TypeError(f"a picture is bytes, a path, an array or Pillow's, not {type(picture)}")


def _to_png(pixels: npt.NDArray[Any]) -> bytes:
    is_picture = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)  # noqa: PLR2004
    if pixels.dtype != np.uint8 or not is_picture or not pixels.size:
        shape = list(pixels.shape)
        raise ValueError(f"a picture is [h, w, 3] or [h, w] uint8, not {shape} {pixels.dtype}")
    file = BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG", compress_level=_FASTEST)
    return file.getvalue()
