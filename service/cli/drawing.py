"""What a service found, drawn on the picture as the service itself would."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models.rle import Rle
from service.api import codec, overlay
from service.api.overlay import Mark
from service.client import Detection

_ANY_SIZE = 2**31  # the service has answered it, so it was not too large


def pixels(picture: bytes) -> npt.NDArray[np.uint8]:
    """Return [h, w, 3] uint8, RGB, upright, of a picture that the service could read."""
    return codec.decode(picture, codec.probe(picture, _ANY_SIZE))


def draw(picture: bytes, found: Sequence[tuple[Detection, Rle | None]]) -> bytes:
    """Return a PNG of the picture with objects drawn on it, the first on top."""
    marks = [
        Mark(
            box_xyxy=(
                one.bbox[0],
                one.bbox[1],
                one.bbox[0] + one.bbox[2],
                one.bbox[1] + one.bbox[3],
            ),
            caption=f"{one.label} {one.score:.2f}",
            colour=overlay.category_colour(one.category_id),
            mask=mask,
        )
        for one, mask in found
    ]
    return overlay.draw(pixels(picture), marks)
