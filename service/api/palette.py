"""Label maps as pictures: in a palette, or as a tint over the picture they were made from."""

from collections.abc import Mapping, Sequence
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.predictor import Category
from service.api import overlay
from service.api.overlay import Colour

UNWANTED = 255  # palette index of pixels in no segment of the reply, as data sets mark them

_TINT = 0.6  # opacity of a segment; borders are opaque


def colour(category: Category) -> Colour:
    """Return the data set's own colour of a category, or one of ours."""
    return category.colour or overlay.category_colour(category.id)


def to_png(
    label_map: npt.NDArray[np.uint8], categories: Mapping[int, Category], labels: Sequence[int]
) -> bytes:
    """Return a label map as a palette PNG: each pixel's index is its category id.

    Args:
        label_map: [h, w] uint8, keys of `categories`.
        categories: label -> category, ids below 255.
        labels: those that count; other pixels get the index 255.
    """
    ids = np.full(256, UNWANTED, dtype=np.uint8)
    colours = np.zeros((256, 3), dtype=np.uint8)
    for label in labels:
        ids[label] = categories[label].id
        colours[categories[label].id] = colour(categories[label])
    picture = Image.fromarray(ids[label_map])
    picture.putpalette(colours.tobytes())
    return _written(picture)


def draw(
    image: npt.NDArray[np.uint8],
    label_map: npt.NDArray[np.uint8],
    categories: Mapping[int, Category],
    labels: Sequence[int],
) -> bytes:
    """Return a picture tinted by its label map, borders drawn, as a PNG.

    Args:
        image: [h, w, 3] uint8, RGB; stays as it is.
        label_map: [h, w] uint8, keys of `categories`.
        categories: label -> category.
        labels: those that are drawn.
    """
    colours = np.zeros((256, 3), dtype=np.uint8)
    opacities = np.zeros(256, dtype=np.uint8)
    for label in labels:
        colours[label] = colour(categories[label])
        opacities[label] = round(255 * _TINT)
    opacity = opacities[label_map]
    opacity[_is_border(label_map) & (opacity > 0)] = 255
    canvas = Image.fromarray(image)
    canvas.paste(Image.fromarray(colours[label_map]), mask=Image.fromarray(opacity))
    return _written(canvas)


def _is_border(label_map: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Pixels with another label to the right or below: [h, w] bool."""
    is_border = np.zeros(label_map.shape, dtype=bool)
    is_border[:, :-1] |= label_map[:, 1:] != label_map[:, :-1]
    is_border[:-1] |= label_map[1:] != label_map[:-1]
    return is_border


def _written(picture: Image.Image) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
