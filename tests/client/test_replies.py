"""Replies are those that the service documents, and their masks are exact."""

import base64
from dataclasses import fields

import numpy as np
import pytest
from pydantic import BaseModel

from models import polygons, rle
from service.api import mask_formats, schemas
from service.api.pictures import options as asked
from service.client import errors, masks, options, replies

MASK = np.zeros((5, 7), dtype=bool)
MASK[1:4, 2:6] = True
MASK[2, 3] = False
RLE = rle.encode(MASK)

SAME = [
    (replies.SegmentReply, schemas.SegmentReply),
    (replies.SemanticReply, schemas.SemanticReply),
    (replies.DetectReply, schemas.DetectReply),
    (replies.Instance, schemas.Instance),
    (replies.Segment, schemas.Segment),
    (replies.Detection, schemas.Detection),
    (replies.ImageSize, schemas.ImageSize),
    (replies.Category, schemas.CategoryReply),
]


@pytest.mark.parametrize(("ours", "documented"), SAME)
def test_a_reply_has_the_documented_members(ours: type, documented: type[BaseModel]) -> None:
    assert {field.name for field in fields(ours)} == set(documented.model_fields)


@pytest.mark.parametrize(
    ("ours", "documented"),
    [(replies.Model, schemas.ModelReply), (errors.Problem, schemas.ProblemReply)],
)
def test_a_shorter_one_has_only_documented_members(ours: type, documented: type[BaseModel]) -> None:
    assert {field.name for field in fields(ours)} <= set(documented.model_fields)


@pytest.mark.parametrize(
    ("ours", "documented"),
    [
        (options.SegmentOptions, asked.SegmentOptions),
        (options.SemanticOptions, asked.SemanticOptions),
        (options.DetectOptions, asked.DetectOptions),
    ],
)
def test_every_documented_option_can_be_given(ours: type, documented: type[BaseModel]) -> None:
    assert set(ours.__annotations__) == set(documented.model_fields)
    assert options.MaskFormat == asked.MaskFormat


@pytest.mark.parametrize("mask_format", ["rle", "rle_counts", "png"])
def test_a_mask_comes_out_as_it_went_in(mask_format: asked.MaskFormat) -> None:
    sent = mask_formats.segmentation(RLE, mask_format)
    mask = masks.decode_mask(sent)  # type: ignore[arg-type]
    assert mask.dtype == bool
    assert np.array_equal(mask, MASK)


@pytest.mark.parametrize("segmentation", [None, polygons.from_rle(RLE)])
def test_where_no_exact_mask_is_there_is_none(segmentation: masks.Segmentation) -> None:
    with pytest.raises(ValueError, match="mask_format rle"):
        masks.decode_mask(segmentation)


@pytest.mark.parametrize("segmentation", ["%", base64.b64encode(b"no picture").decode()])
def test_a_damaged_mask_is_told(segmentation: str) -> None:
    with pytest.raises(ValueError, match="no PNG"):
        masks.decode_mask(segmentation)


@pytest.mark.parametrize(
    ("given", "query"),
    [
        ({"labels": ["a", 3], "model": None}, {"labels": "a,3"}),
        ({"refine": False, "min_area": 7}, {"refine": "false", "min_area": "7"}),
        ({"labels": "a", "timeout_s": 0.5}, {"labels": "a", "timeout_s": "0.5"}),
    ],
)
def test_options_are_sent_as_the_service_reads_them(given: dict, query: dict) -> None:
    assert options.to_query(given) == query
