"""What a service found, drawn on the picture as the service itself would."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models.rle import Rle
from service.api import codec, overlay
from service.api.overlay import Mark
from service.cli import CommandFailed
from service.client import Detection
from service.client.masks import Segmentation
from service.client.replies import Box
from service.errors import ServiceError

_ANY_SIZE = 2**31  # the service has answered it, so it was not too large


def pixels(picture: bytes) -> npt.NDArray[np.uint8]:
    """Return [h, w, 3] uint8, RGB, upright, as the service reads a picture.

    Raises:
        CommandFailed: it is no picture.
    """
    try:
        return codec.decode(picture, codec.probe(picture, _ANY_SIZE))
    except ServiceError as error:
        raise CommandFailed(error.detail) from error


def draw(picture: bytes, found: Sequence[tuple[Detection, Rle | None]]) -> bytes:
    """Return a PNG of the picture with objects drawn on it, the first on top."""
    marks = [
        Mark(
            box_xyxy=corners(one.bbox),
            caption=f"{one.label} {one.score:.2f}",
            colour=overlay.category_colour(one.category_id),
            mask=mask,
        )
        for one, mask in found
    ]
    return overlay.draw(pixels(picture), marks)


def corners(bbox: Box) -> tuple[float, float, float, float]:
    """Return x, y, width, height as left, top, right, bottom."""
    x, y, width, height = bbox
    return x, y, x + width, y + height


def rle_of(segmentation: Segmentation) -> Rle:
    """Return a mask as it came: as RLE, since commands ask for nothing else."""
    match segmentation:
        case {"size": list(size), "counts": str(counts)}:
            return Rle(size=size, counts=counts)
    raise CommandFailed("the service sent a mask that is no compressed RLE")
