import base64
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as arrays
from PIL import Image

from models import polygons, rle
from service.api.mask_formats import segmentation

shapes = arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40)


def disc(height=40, width=61):
    rows, columns = np.mgrid[:height, :width]
    return np.hypot(rows - 18, columns - 30) < 14


def from_png(text):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text, validate=True))))


def test_rle_is_the_mask_itself():
    mask = rle.encode(disc())
    assert segmentation(mask, "rle") == mask


def test_rle_counts_are_the_runs_as_numbers():
    mask = rle.encode(np.array([[False, True, True], [False, False, True]]))
    assert segmentation(mask, "rle_counts") == {"size": [2, 3], "counts": [2, 1, 1, 2]}


def test_polygon_is_a_list_of_outlines():
    mask = rle.encode(disc())
    assert segmentation(mask, "polygon") == polygons.from_rle(mask) != []


def test_none_is_none():
    assert segmentation(rle.encode(disc()), "none") is None


@given(arrays.arrays(bool, shapes))
@settings(deadline=None)
def test_png_holds_every_pixel(bitmap):
    pixels = from_png(segmentation(rle.encode(bitmap), "png"))
    assert pixels.dtype == bool
    np.testing.assert_array_equal(pixels, bitmap)


def test_png_of_a_large_picture_is_small():
    bitmap = np.zeros((3000, 4000), dtype=bool)
    bitmap[700:1900, 1003:2800] = True
    text = segmentation(rle.encode(bitmap), "png")
    np.testing.assert_array_equal(from_png(text), bitmap)
    assert len(text) < 10_000


@pytest.mark.parametrize("mask_format", ["rle_counts", "polygon", "png"])
def test_a_malformed_mask_is_refused(mask_format):
    with pytest.raises(ValueError, match="cover 5"):
        segmentation({"size": [2, 3], "counts": "5"}, mask_format)
