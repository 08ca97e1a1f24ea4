"""Boxes out of an option's text, and onto a picture."""

import json
import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.codec import ImageHeader
from service.api.pictures.boxes import MAX_BOXES, Box, parse, to_prompts
from service.errors import InvalidOptions

HEADER = ImageHeader(width=64, height=48, format="PNG")
FORM = r"JSON like \[\[x, y, width, height\], …\] is expected"

SIDES = st.floats(1e-6, 1e12)
BOXES = st.tuples(st.floats(-1e12, 1e12), st.floats(-1e12, 1e12), SIDES, SIDES)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=20,
)


@given(st.lists(BOXES, min_size=1, max_size=9))
def test_what_was_written_is_read(boxes: list[Box]) -> None:
    assert parse(json.dumps(boxes)) == tuple(boxes)


@given(st.text() | VALUES.map(json.dumps) | st.lists(st.lists(VALUES)).map(json.dumps))
def test_any_text_is_boxes_of_some_area_or_refused(text: str) -> None:
    with suppress(ValueError):
        boxes = parse(text)
        assert 1 <= len(boxes) <= MAX_BOXES
        assert all(math.isfinite(number) for box in boxes for number in box)
        assert all(min(box[2:]) > 0 for box in boxes)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", FORM),
        ("1,2,3,4", FORM),
        ("[[1, 2, 3, 4]", FORM),
        ("[" * 100_000, FORM),
        ("[]", FORM),
        ("{}", FORM),
        ("null", FORM),
        ('{"0": [1, 2, 3, 4]}', FORM),
        ("[1, 2, 3, 4]", r"boxes\.0 is not four numbers: x, y, width, height"),
        ("[[1, 2, 3]]", r"boxes\.0 is not four numbers"),
        ("[[1, 2, 3, 4], [1, 2, 3, 4, 5]]", r"boxes\.1 is not four numbers"),
        ('[[1, 2, 3, "4"]]', r"boxes\.0 is not four numbers"),
        ("[[1, 2, 3, true]]", r"boxes\.0 is not four numbers"),
        ("[[1, 2, 3, null]]", r"boxes\.0 is not four numbers"),
        ("[[1, 2, 3, [4]]]", r"boxes\.0 is not four numbers"),
        ("[[NaN, 2, 3, 4]]", r"boxes\.0 has a number that is not finite"),
        ("[[1, 2, 3, Infinity]]", r"boxes\.0 has a number that is not finite"),
        ("[[1, 2, 3, 1e999]]", r"boxes\.0 has a number that is not finite"),
        (f"[[1, 2, 3, {10**500}]]", r"boxes\.0 has a number that is not finite"),
        ("[[1, 2, 3, 4], [1, 2, 0, 4]]", r"boxes\.1 has the width 0 and the height 4"),
        ("[[1, 2, 3, -4]]", r"boxes\.0 has the width 3 and the height -4"),
        (str([[1, 2, 3, 4]] * 101), "101 are too many; 100 may be given"),
    ],
)
def test_what_is_no_box_is_told_which_and_why(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse(text)


def test_boxes_are_cut_to_the_picture_in_order() -> None:
    prompts = to_prompts(HEADER, [(8, 4, 16, 10.5), (-5, 40, 1e300, 9)], (2, 1))
    assert prompts.boxes_xyxy.tolist() == [[8, 4, 24, 14.5], [0, 40, 64, 48]]
    assert prompts.labels == (2, 1)


@pytest.mark.parametrize(
    "box",
    [
        (64, 0, 5, 5),
        (0, 48, 5, 5),
        (-5, 0, 5, 5),
        (0, -9, 5, 5),
        (1e308, 0, 1e308, 5),
        (9, 9, 1e-9, 1e-20),
    ],
)
def test_a_box_without_a_part_of_the_picture_is_named(box: Box) -> None:
    with pytest.raises(InvalidOptions) as caught:
        to_prompts(HEADER, [(0, 0, 5, 5), box], ())
    assert caught.value.detail == "boxes.1 covers nothing of the picture of 64x48."


@given(st.lists(BOXES, min_size=1, max_size=5))
def test_what_is_kept_lies_inside_the_picture(boxes: list[Box]) -> None:
    with suppress(InvalidOptions):
        for left, top, right, bottom in to_prompts(HEADER, boxes, ()).boxes_xyxy.tolist():
            assert 0 <= left < right <= 64
            assert 0 <= top < bottom <= 48
