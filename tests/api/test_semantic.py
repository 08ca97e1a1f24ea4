"""`POST /semantic`: segments that partition the picture, every option, the label map as a PNG."""

import base64
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from PIL import Image

from models import rle
from models.outputs import SemanticMap
from models.predictor import Category
from service.api import palette
from service.api.schemas import SemanticReply
from tests.api.serving import Client, png, serving
from tests.fakes import FakeModel

CATEGORIES = {
    0: Category(0, "background"),
    1: Category(7, "road", colour=(128, 64, 128)),
    2: Category(23, "sky"),
}


def quarters(image: np.ndarray, *, refine: bool = True) -> SemanticMap:
    """Road on the left, sky in the lower right quarter, one pixel of sky in the upper right."""
    label_map = torch.zeros(image.shape[:2], dtype=torch.uint8)
    height, width = label_map.shape
    label_map[:, : width // 2] = 1
    label_map[height // 2 :, width // 2 :] = 2
    return SemanticMap(label_map, is_refined=refine)


@asynccontextmanager
async def mapping() -> AsyncIterator[Client]:
    model = FakeModel(quarters)
    model.categories = CATEGORIES
    async with serving(model, task="semantic") as client:
        yield client


async def ask(client: Client, accept: str = "*/*", **options: Any) -> httpx.Response:
    headers = {"content-type": "image/png", "accept": accept}
    return await client.post("/semantic", content=png(), headers=headers, params=options)


async def test_segments_partition_the_picture() -> None:
    async with mapping() as client:
        body = (await ask(client)).json()
    assert SemanticReply.model_validate(body).refined
    assert [one["label"] for one in body["segments"]] == ["background", "road", "sky"]
    assert [one["category_id"] for one in body["segments"]] == [0, 7, 23]
    masks = [rle.decode(one["segmentation"]) for one in body["segments"]]
    assert np.array_equal(np.sum(masks, axis=0), np.ones((48, 64)))
    assert [one["area"] for one in body["segments"]] == [mask.sum() for mask in masks]
    assert body["segments"][2]["bbox"] == [32, 24, 32, 24]
    assert body["label_map"] is None


async def test_labels_and_least_area_choose_segments() -> None:
    async with mapping() as client:
        named = (await ask(client, labels="Sky,7")).json()["segments"]
        large = (await ask(client, min_area=48 * 32)).json()["segments"]
    assert [one["label"] for one in named] == ["road", "sky"]
    assert [one["label"] for one in large] == ["road"]


async def test_the_coarse_answer_is_there_for_the_asking() -> None:
    async with mapping() as client:
        assert (await ask(client, refine="false")).json()["refined"] is False
        assert client.model.calls[-1][1] == {"refine": False}


async def test_the_label_map_is_a_palette_picture_of_category_ids() -> None:
    async with mapping() as client:
        body = (await ask(client, mask_format="png", labels="road,sky")).json()
    assert [one["segmentation"] for one in body["segments"]] == [None, None]
    picture = Image.open(io.BytesIO(base64.b64decode(body["label_map"])))
    ids = np.asarray(picture)
    assert picture.mode == "P"
    assert ids.shape == (48, 64)
    assert (ids[:, :32] == 7).all()
    assert (ids[24:, 32:] == 23).all()
    assert (ids[:24, 32:] == palette.UNWANTED).all()
    assert picture.convert("RGB").getpixel((0, 0)) == (128, 64, 128)


@pytest.mark.parametrize("mask_format", ["rle_counts", "polygon", "none"])
async def test_every_other_mask_format_fits_the_documented_reply(mask_format: str) -> None:
    async with mapping() as client:
        body = (await ask(client, mask_format=mask_format)).json()
    assert len(SemanticReply.model_validate(body).segments) == 3


async def test_the_picture_can_come_back_tinted_with_borders() -> None:
    async with mapping() as client:
        reply = await ask(client, accept="image/png", labels="road")
    drawn = np.asarray(Image.open(io.BytesIO(reply.content)))
    assert reply.headers["content-type"] == "image/png"
    assert tuple(drawn[0, 31]) == (128, 64, 128)  # the border of road
    assert tuple(drawn[0, 0]) not in {(128, 64, 128), (90, 120, 150)}  # tinted
    assert tuple(drawn[0, 40]) == (90, 120, 150)  # not asked for


async def test_options_of_other_routes_are_refused() -> None:
    async with mapping() as client:
        reply = await ask(client, score_threshold=0.5)
    assert reply.status_code == 422
    assert "min_area" in reply.json()["detail"]


async def test_a_model_of_another_task_does_not_answer() -> None:
    async with mapping() as client:
        reply = await client.segment(png())
    assert reply.status_code == 404
