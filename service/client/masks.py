"""Masks as they are sent, to numpy."""

import base64
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from models import rle
from models.rle import Bitmap

Segmentation = dict[str, Any] | list[list[float]] | str | None


def decode_mask(segmentation: Segmentation) -> Bitmap:
    """Return the bitmap of a mask that was sent as RLE, compressed or not, or as a PNG.

    Returns:
        [h, w] bool, True on the object.

    Raises:
        ValueError: it is a polygon, which no longer tells the mask exactly, or none was asked for;
            or it is damaged.
    """
    match segmentation:
        case {"size": list(size), "counts": str(counts)}:
            return rle.decode(rle.Rle(size=size, counts=counts))
        case {"size": list(size), "counts": list(counts)}:
            return rle.decode(rle.from_counts(size, counts))
        case str():
            return np.asarray(read_png(segmentation)) > 0
    raise ValueError("there is no exact mask here; ask for one with mask_format rle")


def read_png(text: str) -> Image.Image:
    """Return the picture that is a PNG in base64.

    Raises:
        ValueError: it is none.
    """
    try:
        with Image.open(BytesIO(base64.b64decode(text, validate=True)), formats=["PNG"]) as image:
            image.load()
            return image
    except (OSError, ValueError) as error:
        raise ValueError("the mask is no PNG in base64") from error
