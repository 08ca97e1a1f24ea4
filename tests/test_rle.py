import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask as coco

from models import rle


def bitmaps(max_side=24):
    """Noise and, more often met, blocks."""
    noise = arrays.arrays(
        bool, arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=max_side)
    )
    blocks = st.tuples(noise, st.integers(1, 9), st.integers(1, 9)).map(
        lambda drawn: np.kron(drawn[0], np.ones(drawn[1:], dtype=bool)).astype(bool)
    )
    return st.one_of(noise, blocks)


def official(bitmap):
    return coco.encode(np.asfortranarray(bitmap.astype(np.uint8)))


@given(bitmaps())
@example(np.ones((3, 4), dtype=bool))
@example(np.zeros((1, 1), dtype=bool))
def test_encoding_gives_the_official_string(bitmap):
    ours, theirs = rle.encode(bitmap), official(bitmap)
    assert ours["size"] == theirs["size"]
    assert ours["counts"].encode() == theirs["counts"]


@given(bitmaps(), st.tuples(*[st.integers(0, 3)] * 4))
def test_a_crop_is_encoded_where_it_lies(bitmap, margins):
    above, below, left, right = margins
    whole = np.pad(bitmap, ((above, below), (left, right)))
    assert rle.encode_crop(bitmap, left, above, whole.shape) == rle.encode(whole)


@pytest.mark.parametrize(("left", "top"), [(-1, 0), (0, -1), (3, 0), (0, 2)])
def test_a_crop_that_leaves_its_picture_is_refused(left, top):
    with pytest.raises(ValueError, match="not within"):
        rle.encode_crop(np.ones((4, 3), dtype=bool), left, top, (5, 5))


def test_long_runs_give_the_official_string():
    bitmap = np.zeros((3000, 4000), dtype=bool)
    bitmap[17:2900, 5:3999] = True
    bitmap[100:200, 1000:3000] = False
    assert rle.encode(bitmap)["counts"].encode() == official(bitmap)["counts"]


@given(bitmaps())
def test_decoding_gives_the_bitmap_back(bitmap):
    np.testing.assert_array_equal(rle.decode(rle.encode(bitmap)), bitmap)


@given(bitmaps())
def test_area_and_box_are_the_official_ones(bitmap):
    ours, theirs = rle.encode(bitmap), official(bitmap)
    assert rle.area(ours) == coco.area(theirs)
    assert rle.bbox_xywh(ours) == coco.toBbox(theirs).tolist()


@given(bitmaps())
def test_the_crop_holds_the_whole_object_and_nothing_else(bitmap):
    crop, x, y = rle.crop(rle.encode(bitmap))
    height, width = crop.shape
    pasted = np.zeros_like(bitmap)
    pasted[y : y + height, x : x + width] = crop
    np.testing.assert_array_equal(pasted, bitmap)
    assert [x, y, width, height] == rle.bbox_xywh(rle.encode(bitmap))


@given(bitmaps())
def test_uncompressed_counts_are_the_official_ones(bitmap):
    mask = rle.encode(bitmap)
    counts = rle.to_counts(mask)
    compressed = coco.frPyObjects({"size": mask["size"], "counts": counts}, *mask["size"])
    assert compressed["counts"] == mask["counts"].encode()
    assert rle.from_counts(mask["size"], counts) == mask


@given(bitmaps())
def test_column_runs_paint_the_object(bitmap):
    painted = np.zeros_like(bitmap)
    for column, top, bottom in zip(*rle.column_runs(rle.encode(bitmap)), strict=True):
        assert top < bottom
        assert not painted[max(top - 1, 0) : bottom + 1, column].any()
        painted[top:bottom, column] = True
    np.testing.assert_array_equal(painted, bitmap)


def test_runs_without_length_change_nothing():
    plain = rle.from_counts([2, 4], [1, 4, 3])
    broken_up = rle.from_counts([2, 4], [1, 2, 0, 1, 0, 0, 0, 1, 2, 0, 1])
    np.testing.assert_array_equal(rle.decode(broken_up), rle.decode(plain))
    assert rle.bbox_xywh(broken_up) == rle.bbox_xywh(plain) == [0, 0, 3, 2]
    assert [runs.tolist() for runs in rle.column_runs(broken_up)] == [
        runs.tolist() for runs in rle.column_runs(plain)
    ]


def test_runs_that_touch_become_one():
    touching = rle.from_runs(np.array([1, 3]), np.array([3, 6]), [2, 4])
    assert touching == rle.from_runs(np.array([1]), np.array([6]), [2, 4])


@pytest.mark.parametrize(
    ("starts", "ends"), [([3, 1], [4, 2]), ([1, 2], [5, 6]), ([6], [9]), ([4], [2])]
)
def test_runs_out_of_order_or_place_are_refused(starts, ends):
    with pytest.raises(ValueError, match="overlap, fall or leave"):
        rle.from_runs(np.array(starts), np.array(ends), [2, 4])


READERS = [rle.decode, rle.crop, rle.area, rle.bbox_xywh, rle.to_counts, rle.column_runs]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("size", "counts", "reason"),
    [
        ([2, 3], "", "middle of a number"),
        ([2, 3], "P", "middle of a number"),
        ([2, 3], "6é", "characters"),
        ([2, 3], "6p", "characters"),
        ([2, 3], "6 ", "characters"),
        ([2, 3], "PPPPPPP1", "too long"),
        ([2, 3], "7", "longer than the whole"),
        ([2, 3], "5", "cover 5 pixels, the size says 6"),
        ([2, 3], "N6", "negative"),
        ([2, 3], "1" * 50, "longer than any mask"),
        ([0, 3], "0", "two positive"),
        ([2, 3, 1], "6", "two positive"),
        ([2.0, 3], "6", "two positive"),
        ([2**20, 2**20], "0", "larger than"),
    ],
)
def test_malformed_masks_are_refused(read, size, counts, reason):
    with pytest.raises(ValueError, match=reason):
        read({"size": size, "counts": counts})


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        ([], "whole numbers"),
        ([6.0], "whole numbers"),
        ([True] * 6, "whole numbers"),
        (["6"], "whole numbers"),
        ([[6]], "whole numbers"),
        ([[1], [2, 3]], "whole numbers"),
        ([10**40], "whole numbers"),
        ([7, -1], "negative"),
        ([5], "cover 5"),
        ([2**62, 2**62, 2**62, 2**62, 6], "longer than the whole"),
    ],
)
def test_malformed_counts_are_refused(counts, reason):
    with pytest.raises(ValueError, match=reason):
        rle.from_counts([2, 3], counts)


@pytest.mark.parametrize(
    "mask", [np.zeros((2, 3, 1), dtype=bool), np.zeros((2, 3)), np.zeros((0, 3), dtype=bool)]
)
def test_what_is_no_bitmap_is_not_encoded(mask):
    with pytest.raises(ValueError, match="mask"):
        rle.encode(mask)


@given(st.text(max_size=30), st.integers(1, 6), st.integers(1, 6))
def test_any_text_is_decoded_or_refused(text, height, width):
    try:
        bitmap = rle.decode({"size": [height, width], "counts": text})
    except ValueError:
        return
    assert bitmap.shape == (height, width)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@given(st.lists(st.integers(0, 9), min_size=1), st.integers(1, 9))
def test_masks_with_empty_runs_are_read_as_pycocotools_reads_them(runs, height):
    width = -(-max(sum(runs), 1) // height)
    mask = rle.from_counts([height, width], [*runs, height * width - sum(runs)])
    np.testing.assert_array_equal(rle.decode(mask), coco.decode(dict(mask)))
    assert rle.area(mask) == coco.area(dict(mask))
