import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageDraw
from pycocotools import mask as coco

from models import polygons, rle

# Of pycocotools itself, with numpy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

small = arrays.arrays(bool, arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12))


def bitmap_of(*rows):
    return np.array([[character == "#" for character in row] for row in rows])


def trace(bitmap):
    return polygons.from_rle(rle.encode(bitmap))


def neighbours(bitmap, offsets):
    """Every pixel that a True pixel reaches in one step."""
    height, width = bitmap.shape
    padded = np.pad(bitmap, 1)
    reached = bitmap.copy()
    for down, right in offsets:
        reached |= padded[1 + down : 1 + down + height, 1 + right : 1 + right + width]
    return reached


STRAIGHT = [(0, 1), (1, 0), (0, -1), (-1, 0)]
ALL = [*STRAIGHT, (1, 1), (1, -1), (-1, 1), (-1, -1)]


def flooded(region, seed, offsets):
    while True:
        grown = neighbours(seed, offsets) & region
        if (grown == seed).all():
            return seed
        seed = grown


def without_holes(bitmap):
    outside = np.pad(~bitmap, 1, constant_values=True)
    seed = np.zeros_like(outside)
    seed[0, 0] = True
    return ~flooded(outside, seed, ALL)[1:-1, 1:-1]


def count_parts(bitmap):
    left, count = bitmap.copy(), 0
    while left.any():
        seed = np.zeros_like(left)
        seed.flat[np.flatnonzero(left)[0]] = True
        left &= ~flooded(left, seed, STRAIGHT)
        count += 1
    return count


@given(small)
def test_rasterised_outlines_give_the_mask_with_its_holes_filled(bitmap):
    outlines = trace(bitmap)
    if not bitmap.any():
        assert outlines == []
        return
    joined = coco.merge(coco.frPyObjects(outlines, *bitmap.shape))
    np.testing.assert_array_equal(coco.decode(joined).astype(bool), without_holes(bitmap))


@given(small)
def test_each_part_has_one_outline(bitmap):
    assert len(trace(bitmap)) == count_parts(bitmap)


@given(small)
def test_outlines_have_only_corners(bitmap):
    for outline in trace(bitmap):
        points = np.array(outline).reshape(-1, 2)
        steps = np.roll(points, -1, axis=0) - points
        assert ((steps == 0).sum(axis=1) == 1).all()
        assert (steps[:-1, 0] == 0).tolist() == [bool(i % 2) for i in range(len(steps) - 1)]


def test_outlines_run_clockwise_from_the_leftmost_corner():
    assert trace(bitmap_of("....", ".##.", ".##.", "....")) == [[1, 1, 3, 1, 3, 3, 1, 3]]


def test_parts_that_touch_at_a_corner_are_apart():
    falling, rising = bitmap_of("#.", ".#"), bitmap_of(".#", "#.")
    assert trace(falling) == [[0, 0, 1, 0, 1, 1, 0, 1], [1, 1, 2, 1, 2, 2, 1, 2]]
    assert trace(rising) == [[0, 1, 1, 1, 1, 2, 0, 2], [1, 0, 2, 0, 2, 1, 1, 1]]


def test_a_hole_is_left_out():
    assert trace(bitmap_of("###", "#.#", "###")) == [[0, 0, 3, 0, 3, 3, 0, 3]]


def test_a_large_smooth_mask_survives_exactly():
    rows, columns = np.mgrid[:600, :800]
    angle = np.arctan2(rows - 300, columns - 400)
    bitmap = np.hypot(rows - 300, columns - 400) < 220 + 40 * np.sin(7 * angle)
    (outline,) = trace(bitmap)
    joined = coco.merge(coco.frPyObjects([outline], 600, 800))
    assert joined["counts"] == rle.encode(bitmap)["counts"].encode()
    # Pillow's own rasteriser also paints the pixels right of and below the outline.
    image = Image.new("1", (800, 600))
    ImageDraw.Draw(image).polygon(outline, fill=1)
    painted = np.asarray(image)
    assert not (bitmap & ~painted).any()
    assert not (painted & ~neighbours(bitmap, ALL)).any()


def test_a_malformed_mask_is_refused():
    with pytest.raises(ValueError, match="cover 5"):
        polygons.from_rle({"size": [2, 3], "counts": "5"})
