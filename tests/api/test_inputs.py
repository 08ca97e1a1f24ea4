"""A picture and its options, out of every way of sending them."""

import base64
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.inputs import merge_options, parse_json
from service.api.pictures.options import SegmentOptions
from service.errors import BadInput, InvalidOptions, MalformedBody, ServiceError, UnreadableImage

PICTURE = b"the bytes of a picture"
IMAGE = base64.b64encode(PICTURE).decode()


def body(**members: Any) -> bytes:
    return json.dumps({"image": IMAGE, **members}).encode()


def test_json_gives_the_picture_and_every_other_member_as_an_option() -> None:
    upload = parse_json(body(model="m", score_threshold=0.25, max_detections=3))
    assert upload.content == PICTURE
    assert upload.options == (("model", "m"), ("score_threshold", "0.25"), ("max_detections", "3"))


def test_json_values_read_as_they_would_in_a_query() -> None:
    upload = parse_json(body(a=True, b=False, c=["x", 3], d=None, e=[[1, 2.5], [3]]))
    assert upload.options == (("a", "true"), ("b", "false"), ("c", "x,3"), ("e", "[[1, 2.5], [3]]"))


@pytest.mark.parametrize(
    "image", [f"data:image/png;base64,{IMAGE}", f"{IMAGE[:8]}\n{IMAGE[8:]}\n", f"  {IMAGE}"]
)
def test_base64_may_be_a_data_uri_or_broken_into_lines(image: str) -> None:
    assert parse_json(body(image=image)).content == PICTURE


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"", MalformedBody),
        (b"{", MalformedBody),
        (b"\xff\xfe\x00", MalformedBody),
        (b"[" * 100_000, MalformedBody),
        (b'{"image": [' + b"{}," * 10_001 + b"0]}", MalformedBody),
        (b'{"a": ' + b"9" * 10_000 + b"}", MalformedBody),
        (b'{"image": "", "image": ""}', MalformedBody),
        (b"[]", MalformedBody),
        (b"null", MalformedBody),
        (b"{}", InvalidOptions),
        (b'{"image": 3}', InvalidOptions),
        (b'{"image": "a", "labels": [null]}', InvalidOptions),
        (b'{"image": "a", "labels": [[], 1]}', InvalidOptions),
        (b'{"image": ""}', UnreadableImage),
        (b'{"image": "*"}', UnreadableImage),
        (b'{"image": "\\ud800"}', UnreadableImage),
        (b'{"image": "abc"}', UnreadableImage),
    ],
)
def test_broken_json_is_refused_by_its_kind(raw: bytes, kind: type[ServiceError]) -> None:
    with pytest.raises(kind):
        parse_json(raw)


@given(st.binary() | st.text().map(str.encode))
def test_no_json_body_fails_in_another_way_than_named(raw: bytes) -> None:
    with suppress(BadInput):
        parse_json(raw)


def merged(*sources: list[tuple[str, str]]) -> SegmentOptions:
    return merge_options(SegmentOptions, *sources)


def test_options_come_together_from_all_places() -> None:
    options = merged([("model", "m")], [("labels", "cat, 3 ,"), ("score_threshold", "1")])
    assert options == SegmentOptions(model="m", labels=("cat", "3"), score_threshold=1)


def test_the_same_value_given_twice_is_no_conflict() -> None:
    assert merged([("model", "m")], [("model", "m")]).model == "m"


def test_two_values_for_one_option_are_refused_with_both_named() -> None:
    with pytest.raises(InvalidOptions, match="model is given twice: a and b"):
        merged([("model", "a")], [("model", "b")])
    with pytest.raises(InvalidOptions, match="model is given twice"):
        merged([("model", "a"), ("model", "b")])


def test_an_unknown_option_is_refused_with_the_known_ones_named() -> None:
    with pytest.raises(InvalidOptions) as caught:
        merged([("treshold", "1")])
    assert "no option treshold" in caught.value.detail
    assert all(name in caught.value.detail for name in SegmentOptions.model_fields)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("score_threshold", "-0.1"),
        ("score_threshold", "1.1"),
        ("score_threshold", "nan"),
        ("score_threshold", "high"),
        ("score_threshold", ""),
        ("max_detections", "0"),
        ("max_detections", "1001"),
        ("max_detections", "1.5"),
        ("mask_format", "svg"),
        ("model", ""),
        ("labels", ""),
        ("labels", " , "),
        ("boxes", ""),
        ("boxes", "[]"),
        ("boxes", "[[1, 2, 3]]"),
        ("box_labels", " , "),
        ("timeout_s", "0"),
        ("timeout_s", "inf"),
        ("timeout_s", "nan"),
    ],
)
def test_an_option_out_of_range_is_named(name: str, value: str) -> None:
    with pytest.raises(InvalidOptions, match=rf"^{name}: "):
        merged([(name, value)])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([("box_labels", "cat")], "box_labels: there are no boxes."),
        (
            [("boxes", "[[1, 2, 3, 4]]"), ("box_labels", "a,b")],
            "box_labels: there are 2 for 1 boxe",
        ),
        (
            [("boxes", "[[1, 2, 3, 4]]"), ("box_labels", "a"), ("labels", "a")],
            "labels: has no mean",
        ),
        ([("boxes", "[[1, 2, 3, 4]]"), ("score_threshold", "0.5")], "score_threshold: has no mean"),
        ([("boxes", "[[1, 2, 3, 4]]"), ("max_detections", "100")], "max_detections: has no meanin"),
    ],
)
def test_options_that_do_not_go_together_are_named(
    options: list[tuple[str, str]], said: str
) -> None:
    with pytest.raises(InvalidOptions) as caught:
        merged(options)
    assert caught.value.detail.startswith(said)


def test_boxes_may_come_with_a_label_each_or_with_labels_to_choose_from() -> None:
    boxes = [("boxes", "[[1, 2, 3, 4], [5, 6, 7.5, 8]]")]
    assert merged(boxes, [("box_labels", "cat,3")]).box_labels == ("cat", "3")
    chosen = merged(boxes, [("labels", "cat")], [("mask_format", "none")])
    assert chosen.boxes == ((1, 2, 3, 4), (5, 6, 7.5, 8))


def test_an_error_repeats_only_the_beginning_of_long_words() -> None:
    with pytest.raises(InvalidOptions) as caught:
        merged([("x" * 50_000, "1"), ("model", "a" * 50_000)], [("model", "b")])
    assert len(caught.value.detail) < 500
