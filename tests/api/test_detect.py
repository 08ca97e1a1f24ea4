"""`POST /detect`: boxes as COCO members, every option, the picture with boxes drawn on it."""

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools.coco import COCO
from safetensors.torch import save_file

from models import zoo
from models.outputs import Detections
from service.api.schemas import DetectReply
from service.app import create_app
from service.settings import Settings
from tests.api.serving import Client, png, running, serving
from tests.fakes import FakeModel

DEFAULTS = {"score_threshold": 0.5, "max_detections": 100, "labels": None}


def two_boxes(image: np.ndarray, **_: Any) -> Detections:
    """A circle inside the picture, and a square that reaches beyond every side of it."""
    height, width = image.shape[:2]
    return Detections(
        boxes_xyxy=torch.tensor([[8.0, 4.5, 24.0, 20.0], [-5.0, -6.0, width + 7.0, height + 8.0]]),
        labels=torch.tensor([1, 2]),
        scores=torch.tensor([0.875, 0.5]),
    )


@asynccontextmanager
async def detecting(answer: Any = two_boxes) -> AsyncIterator[Client]:
    async with serving(FakeModel(answer), task="detect") as client:
        yield client


async def ask(client: Client, accept: str = "application/json", **options: Any) -> httpx.Response:
    headers = {"content-type": "image/png", "accept": accept}
    return await client.post("/detect", content=png(), headers=headers, params=options)


async def test_a_picture_comes_back_as_coco_members() -> None:
    async with detecting() as client:
        reply = await ask(client)
    assert reply.status_code == 200
    body = reply.json()
    DetectReply.model_validate_json(reply.content, strict=True)
    assert body["model"] == "fake"
    assert body["image"] == {"width": 64, "height": 48}
    assert body["request_id"] == reply.headers["x-request-id"]
    assert body["detections"][0] == {
        "label": "circle",
        "category_id": 1,
        "score": 0.875,
        "bbox": [8, 4.5, 16, 15.5],
    }


async def test_boxes_are_cut_to_the_picture() -> None:
    async with detecting() as client:
        _, found = (await ask(client)).json()["detections"]
    assert found["bbox"] == [0, 0, 64, 48]


async def test_pycocotools_reads_the_reply_as_it_is() -> None:
    async with detecting() as client:
        found = (await ask(client)).json()["detections"]
    truth = COCO()
    truth.dataset = {
        "info": {},
        "images": [{"id": 1, "width": 64, "height": 48}],
        "categories": [{"id": 1, "name": "circle"}, {"id": 2, "name": "square"}],
        "annotations": [],
    }
    truth.createIndex()
    results = truth.loadRes([{"image_id": 1} | one for one in found])
    assert [one["area"] for one in results.dataset["annotations"]] == [16 * 15.5, 64 * 48]


async def test_options_reach_the_network_and_have_the_documented_defaults() -> None:
    async with detecting() as client:
        await ask(client)
        assert client.model.calls[-1][1] == DEFAULTS
        await ask(client, score_threshold=0.25, max_detections=7, labels="square,1")
        assert client.model.calls[-1][1] == {
            "score_threshold": 0.25,
            "max_detections": 7,
            "labels": (1, 2),
        }
        document = (await client.get("/openapi.json")).json()
    parameters = document["paths"]["/detect"]["post"]["parameters"]
    shown = {item["name"]: item["schema"].get("default") for item in parameters}
    assert {name: shown[name] for name in DEFAULTS} == DEFAULTS


async def test_the_picture_can_come_back_with_the_boxes_drawn_on_it() -> None:
    async with detecting() as client:
        reply = await ask(client, accept="image/png")
    assert reply.headers["content-type"] == "image/png"
    drawn = np.asarray(Image.open(io.BytesIO(reply.content)))
    plain = (drawn == [90, 120, 150]).all(axis=2)
    assert drawn.shape == (48, 64, 3)
    assert not plain[[0, -1]].any()  # the box that was cut ends on the picture's border
    assert not plain[:, [0, -1]].any()
    assert plain[26:32, 5:60].all()  # and is not filled


async def test_nothing_found_is_an_empty_list() -> None:
    def nothing(_: np.ndarray, **__: Any) -> Detections:
        return Detections(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), torch.zeros(0))

    async with detecting(nothing) as client:
        assert (await ask(client)).json()["detections"] == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"mask_format": "rle"}, "no option mask_format"),
        ({"labels": "cat"}, "cat"),
        ({"score_threshold": "2"}, "score_threshold"),
        ({"max_detections": "0"}, "max_detections"),
    ],
)
async def test_a_wrong_option_is_named(options: dict[str, Any], said: str) -> None:
    async with detecting() as client:
        reply = await ask(client, **options)
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid-options")
    assert said in reply.json()["detail"]


async def test_a_model_of_another_task_does_not_answer() -> None:
    async with serving() as client:
        assert (await ask(client)).status_code == 404
        assert (await ask(client, model="fake")).status_code == 404


def drawn_weights() -> dict[str, torch.Tensor]:
    """Fresh weights, those that start from zero drawn too, so that answers differ."""
    weights = zoo.build("deformable_detr_demo").state_dict()
    for tensor in weights.values():
        if tensor.ndim > 1 and not tensor.any():
            tensor.normal_(std=0.1)
    return {name: tensor.clone() for name, tensor in weights.items()}


async def test_a_checkpoint_of_the_weights_folder_answers(tmp_path: Path) -> None:
    weights = drawn_weights()
    save_file(weights, tmp_path / "deformable_detr_demo.safetensors")
    settings = Settings(
        models=("deformable_detr_demo",), devices=("cpu",), weights_dir=str(tmp_path)
    )
    async with running(create_app(settings)) as client:
        reply = await ask(client, score_threshold=0, max_detections=5)
    image = np.asarray(Image.open(io.BytesIO(png())))
    predictor = zoo.load("deformable_detr_demo", weights)
    (expected,) = predictor.predict([image], max_detections=5)
    found = reply.json()["detections"]
    assert [one["category_id"] for one in found] == expected.labels.tolist()
    assert [one["score"] for one in found] == pytest.approx(expected.scores.tolist(), abs=1e-4)
    assert all(min(one["bbox"]) >= 0 for one in found)
