"""`POST /segment` with boxes: an instance a box, in order, however they are sent."""

import asyncio
import base64
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from models import rle
from service.api.schemas import SegmentReply
from service.app import create_app
from service.settings import Settings
from tests.api.serving import Client, png, running, serving
from tests.fakes import FakeBoxSegmenter
from tests.families import mask_rcnn_recorded as recorded

PNG = png()
ENCODED = base64.b64encode(PNG).decode()
BOXES = [[8, 4, 16, 10], [40.5, 20, 10, 20], [-8, -8, 30, 30]]
TEXT = json.dumps(BOXES)


@asynccontextmanager
async def prompting(**settings: Any) -> AsyncIterator[Client]:
    async with serving(FakeBoxSegmenter(), **settings) as client:
        yield client


async def ask(client: Client, **options: Any) -> httpx.Response:
    return await client.segment(PNG, boxes=TEXT, **options)


async def test_every_box_gets_its_instance_in_order() -> None:
    async with prompting() as client:
        reply = await ask(client)
    assert reply.status_code == 200, reply.text
    SegmentReply.model_validate_json(reply.content, strict=True)
    found = reply.json()["instances"]
    assert [one["bbox"] for one in found] == [[8, 4, 16, 10], [40.5, 20, 10, 20], [0, 0, 22, 22]]
    assert [one["score"] for one in found] == [0.8] * 3
    assert rle.decode(found[0]["segmentation"])[4:14, 8:24].all()
    assert found[0]["area"] == 160


@pytest.mark.parametrize(
    "sent",
    [
        {"params": {"boxes": TEXT, "box_labels": "circle,2,CIRCLE"}, "content": PNG},
        {
            "files": {"image": ("a.png", PNG)},
            "data": {"boxes": TEXT, "box_labels": "1, square, circle"},
        },
        {"json": {"image": ENCODED, "boxes": BOXES, "box_labels": ["circle", 2, 1]}},
        {"json": {"image": ENCODED, "boxes": TEXT, "box_labels": "circle,square,circle"}},
    ],
)
async def test_boxes_and_labels_reach_the_network_however_they_are_sent(
    sent: dict[str, Any],
) -> None:
    async with prompting() as client:
        reply = await client.post("/segment", **sent)
        assert reply.status_code == 200, reply.text
        ((prompts,), options) = client.model.prompted[-1]
        assert len(client.model.calls) == client.warm_up_calls
    assert prompts.boxes_xyxy.tolist() == [[8, 4, 24, 14], [40.5, 20, 50.5, 40], [0, 0, 22, 22]]
    assert prompts.labels == (1, 2, 1)
    assert options == {"labels": None}
    assert [one["label"] for one in reply.json()["instances"]] == ["circle", "square", "circle"]


async def test_labels_to_choose_from_reach_the_network() -> None:
    async with prompting() as client:
        await ask(client, labels="square,1")
        ((prompts,), options) = client.model.prompted[-1]
    assert prompts.labels == ()
    assert options == {"labels": (1, 2)}


async def test_calls_with_other_boxes_run_together() -> None:
    async with prompting() as client:
        boxes = [json.dumps([[0, 0, side, side]]) for side in range(5, 25)]
        replies = await asyncio.gather(*(client.segment(PNG, boxes=text) for text in boxes))
    widths = [reply.json()["instances"][0]["bbox"][2] for reply in replies]
    assert widths == list(range(5, 25))
    assert len(client.model.prompted) < 20


async def test_the_overlay_shows_the_boxes() -> None:
    async with prompting() as client:
        reply = await client.post(
            "/segment",
            content=png(320, 240),
            params={"boxes": "[[100, 80, 60, 40], [200, 150, 80, 60]]"},
            headers={"accept": "image/png"},
        )
    is_drawn = (np.asarray(Image.open(io.BytesIO(reply.content))) != [90, 120, 150]).any(axis=2)
    assert is_drawn[80:120, 100:160].all()
    assert is_drawn[150:210, 200:280].all()
    assert not is_drawn[:60].any()
    assert not is_drawn[80:120, 165:].any()


async def test_without_masks_nothing_but_boxes_comes_back() -> None:
    async with prompting() as client:
        found = (await ask(client, mask_format="none")).json()["instances"]
    assert [one["segmentation"] for one in found] == [None] * 3
    assert found[0]["area"] == 160


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"boxes": "[[8,4,16,10]"}, "boxes: JSON like [[x, y, width, height], …] is expected."),
        ({"boxes": "[[8,4,16,10],[8,4,16]]"}, "boxes: boxes.1 is not four numbers"),
        ({"boxes": "[[8,4,NaN,10]]"}, "boxes: boxes.0 has a number that is not finite."),
        ({"boxes": "[[8,4,0,10]]"}, "boxes: boxes.0 has the width 0 and the height 10"),
        ({"boxes": "[[0,0,9,9],[64,4,9,9]]"}, "boxes.1 covers nothing of the picture of 64x48."),
        ({"boxes": str([[1, 1, 2, 2]] * 101)}, "boxes: 101 are too many; 100 may be given."),
        ({"boxes": TEXT, "box_labels": "1,2"}, "box_labels: there are 2 for 3 boxes."),
        ({"boxes": TEXT, "box_labels": "1,2,cat"}, "box_labels: fake knows no category 'cat'."),
        ({"boxes": TEXT, "labels": "cat"}, "labels: fake knows no category 'cat'."),
        ({"boxes": TEXT, "score_threshold": "0.1"}, "score_threshold: has no meaning with boxes"),
        ({"box_labels": "1"}, "box_labels: there are no boxes."),
    ],
)
async def test_what_cannot_be_done_is_told(options: dict[str, Any], said: str) -> None:
    async with prompting() as client:
        body = (await client.segment(PNG, **options)).json()
        assert client.model.prompted == []
    assert (body["status"], body["code"]) == (422, "invalid-options")
    assert body["detail"].startswith(said)


@pytest.mark.parametrize("boxes", [[1, 2, 3, 4], [[1, 2, 3]], [], {}, 5, [["1", 2, 3, 4]], [[{}]]])
async def test_json_that_is_no_boxes_is_told(boxes: Any) -> None:
    async with prompting() as client:
        reply = await client.post("/segment", json={"image": ENCODED, "boxes": boxes})
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid-options")
    assert "boxes" in reply.json()["detail"]


async def test_a_model_that_takes_no_boxes_says_so_before_decoding() -> None:
    async with serving() as client:
        broken = await client.segment(PNG[:60], boxes=TEXT)
        cards = (await client.get("/models")).json()["models"]
    assert (broken.status_code, broken.json()["detail"]) == (422, "boxes: fake takes none.")
    assert [card["prompts"] for card in cards] == [[]]


async def test_models_tells_who_takes_boxes() -> None:
    async with prompting() as client:
        card = (await client.get("/models/fake")).json()
    assert card["prompts"] == ["box"]


async def test_other_routes_have_no_boxes() -> None:
    async with serving(FakeBoxSegmenter(), task="detect") as client:
        reply = await client.post("/detect", content=PNG, params={"boxes": TEXT})
    assert reply.status_code == 422
    assert "no option boxes" in reply.json()["detail"]


async def test_the_demo_model_makes_masks_of_the_boxes_of_its_own_instances() -> None:
    file = io.BytesIO()
    Image.fromarray(recorded.picture()).save(file, "PNG")
    settings = Settings(models=("mask_rcnn_demo",), devices=("cpu",))
    async with running(create_app(settings)) as client:
        found = (await client.segment(file.getvalue())).json()["instances"]
        boxes = json.dumps([one["bbox"] for one in found[::-1]])
        ids = ",".join(str(one["category_id"]) for one in found[::-1])
        reply = await client.segment(file.getvalue(), boxes=boxes, box_labels=ids)
    again = reply.json()["instances"][::-1]
    assert len(again) == len(found) == 3
    for one, other in zip(found, again, strict=True):
        assert one["label"] == other["label"]
        masks = rle.decode(one["segmentation"]), rle.decode(other["segmentation"])
        assert (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum() > 0.98
