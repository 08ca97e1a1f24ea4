"""Tracking sessions over HTTP: opened, followed, edited, ended, and everything that is refused."""

import base64
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models import rle
from service.api.sessions.schemas import FrameReply, OpenedReply, SessionReply, SessionsReply
from tests.api.serving import Client, serving
from tests.fake_tracker import FakeVideoPredictor

SIZE = (12, 16)


def picture(value: int = 0, size: tuple[int, int] = SIZE) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size[::-1], (value, value, value)).save(file, "PNG")
    return file.getvalue()


def bitmap() -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[2:6, 3:9] = True
    return mask


def png_mask() -> str:
    file = io.BytesIO()
    Image.fromarray(bitmap()).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


RLE = rle.encode(bitmap())
MASK = {"mask": RLE}


@asynccontextmanager
async def tracking(tracker: Any = None, **settings: Any) -> AsyncIterator[Client]:
    async with serving(tracker or FakeVideoPredictor(), task="track", **settings) as client:
        yield client


async def open_session(client: Client, *objects: Any, **options: Any):
    body = {"image": base64.b64encode(picture()).decode(), "objects": list(objects) or [MASK]}
    return await client.post("/sessions", json={**body, **options})


async def advance(client: Client, where: str, value: int = 1, size=SIZE, **options: Any):
    headers = {"content-type": "image/png", **options.pop("headers", {})}
    url = f"{where}/frames"
    return await client.post(url, content=picture(value, size), headers=headers, params=options)


async def test_a_session_is_opened_followed_and_ended() -> None:
    async with tracking() as client:
        opened = await open_session(client, {**MASK, "id": 7, "label": "ball"})
        assert opened.status_code == 201
        reply = OpenedReply.model_validate(opened.json())
        where = opened.headers["location"]
        assert where == f"/sessions/{reply.session_id}"
        assert (reply.frame_index, reply.image.width, reply.image.height) == (0, 16, 12)
        assert [(one.id, one.label, one.area) for one in reply.objects] == [(7, "ball", 24)]
        followed = await advance(client, where)
        assert followed.status_code == 200
        reply = FrameReply.model_validate(followed.json())
        assert reply.frame_index == 1
        assert reply.objects[0].segmentation.model_dump() == RLE
        assert set(followed.headers) >= {"x-request-id", "server-timing"}
        state = SessionReply.model_validate((await client.get(where)).json())
        assert (state.frame_index, state.objects[0].label) == (1, "ball")
        listed = SessionsReply.model_validate((await client.get("/sessions")).json())
        assert [one.session_id for one in listed.sessions] == [reply.session_id]
        assert (await client.delete(where)).status_code == 204
        gone = await advance(client, where)
        assert (gone.status_code, gone.json()["code"]) == (410, "session-gone")
        assert gone.json()["reason"] == "closed"


@pytest.mark.parametrize(
    "mask", [RLE, {"size": list(SIZE), "counts": rle.to_counts(RLE)}, png_mask()]
)
async def test_a_mask_comes_in_three_forms(mask: Any) -> None:
    async with tracking() as client:
        opened = await open_session(client, {"mask": mask})
        assert opened.json()["objects"][0]["segmentation"] == RLE


async def test_objects_come_in_forms_and_queries_too() -> None:
    async with tracking() as client:
        text = json.dumps([MASK])
        form = await client.post("/sessions", files={"image": picture()}, data={"objects": text})
        headers = {"content-type": "image/png"}
        raw = await client.post(
            "/sessions", content=picture(), headers=headers, params={"objects": text}
        )
        assert form.status_code == raw.status_code == 201


async def test_boxes_and_points_reach_a_tracker_that_takes_boxes() -> None:
    async with tracking(FakeVideoPredictor(prompts=("box", "mask"))) as client:
        opened = await open_session(client, {"box": [3, 2, 6, 4]})
        assert opened.json()["objects"][0]["segmentation"] == RLE
        cut = await open_session(client, {"box": [-5, -5, 10, 10]})
        assert cut.json()["objects"][0]["area"] == 25


async def test_the_frame_just_answered_gets_the_same_answer_again() -> None:
    async with tracking() as client:
        where = (await open_session(client)).headers["location"]
        first = (await advance(client, where, 1, frame_index=1)).json()
        again = (await advance(client, where, 9, frame_index=1)).json()
        assert again["objects"] == first["objects"]
        assert again["frame_index"] == 1
        other = await advance(client, where, 9, frame_index=5)
        assert (other.status_code, other.json()["code"]) == (409, "frame-out-of-order")
        assert other.json()["expected_frame_index"] == 2


async def test_a_frame_of_another_size_is_refused_with_both() -> None:
    async with tracking() as client:
        where = (await open_session(client)).headers["location"]
        other = await advance(client, where, size=(20, 30))
        assert other.status_code in (409, 422)
        assert "30" in other.json()["detail"]
        assert "16" in other.json()["detail"]
        assert (await client.get(where)).json()["frame_index"] == 0


async def test_objects_are_added_and_dropped_on_the_way() -> None:
    async with tracking() as client:
        where = (await open_session(client)).headers["location"]
        added = await client.post(f"{where}/objects", json={"objects": [{**MASK, "label": "b"}]})
        names = [(one["id"], one["label"]) for one in added.json()["objects"]]
        assert names == [(1, None), (2, "b")]
        dropped = await client.delete(f"{where}/objects/1")
        assert [one["id"] for one in dropped.json()["objects"]] == [2]
        followed = await advance(client, where)
        assert [one["id"] for one in followed.json()["objects"]] == [2]
        assert (await client.delete(f"{where}/objects/1")).status_code == 404


async def test_masks_come_back_as_they_are_wanted_or_drawn() -> None:
    async with tracking() as client:
        where = (await open_session(client)).headers["location"]
        bare = (await advance(client, where, mask_format="none")).json()
        assert bare["objects"][0]["segmentation"] is None
        drawn = await advance(client, where, headers={"accept": "image/png"})
        assert drawn.headers["content-type"] == "image/png"
        assert Image.open(io.BytesIO(drawn.content)).size == SIZE[::-1]


@pytest.mark.parametrize(
    ("objects", "says"),
    [
        ([], "objects"),
        ([{}], "one of mask, box and point"),
        ([{**MASK, "box": [0, 0, 1, 1]}], "one of mask, box and point"),
        ([{"box": [0, 0, 0, 5]}], "objects.0.box covers nothing of the frame of 16x12"),
        ([MASK, {"box": [90, 0, 5, 5]}], "objects.1.box"),
        ([{"box": [0, 0, 1]}], "objects.0.box"),
        ([{"point": [16, 3]}], "objects.0.point"),
        ([{"mask": {"size": [10, 10], "counts": "x"}}], "10x10 pixels, the frame 16x12"),
        ([{"mask": {"size": list(SIZE), "counts": "!!"}}], "objects.0.mask"),
        ([{"mask": {"size": list(SIZE), "counts": [1]}}], "objects.0.mask is no COCO RLE"),
        ([{"mask": "no base64"}], "objects.0.mask"),
        ([{"mask": base64.b64encode(picture(9, (3, 4))).decode()}], "4x3 pixels"),
        ([{"mask": base64.b64encode(picture(9, (300, 400))).decode()}], "objects.0.mask"),
        ([{**MASK, "id": 0}], "objects.0.id"),
        ([{**MASK, "id": 3}, {**MASK, "id": 3}], "an id is given twice"),
        ([{**MASK, "colour": "red"}], "objects.0.colour"),
    ],
)
async def test_objects_that_cannot_be_are_refused_by_name(objects: Any, says: str) -> None:
    async with tracking() as client:
        body = {"image": base64.b64encode(picture()).decode(), "objects": objects}
        refused = await client.post("/sessions", json=body)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid-options")
        assert says in refused.json()["detail"]
        assert (await client.get("/sessions")).json() == {"sessions": []}


@pytest.mark.parametrize("text", ["", "[", "7", '{"a": 1}', "[1]", "null"])
async def test_objects_that_are_no_list_of_objects_are_refused(text: str) -> None:
    async with tracking() as client:
        refused = await client.post("/sessions", files={"image": picture()}, data={"objects": text})
        assert refused.status_code == 422


async def test_objects_or_detect_and_not_both() -> None:
    async with tracking() as client:
        both = await open_session(client, detect={"score_threshold": 0.5})
        neither = await client.post("/sessions", files={"image": picture()})
        assert both.status_code == neither.status_code == 422
        assert "detect" in both.json()["detail"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"objects": []}', b'{"more": 1}'])
async def test_edits_that_cannot_be_read_are_refused(body: bytes) -> None:
    async with tracking() as client:
        where = (await open_session(client)).headers["location"]
        headers = {"content-type": "application/json"}
        refused = await client.post(f"{where}/objects", content=body, headers=headers)
        assert refused.status_code in (400, 422)
        other = await client.post(f"{where}/objects", content=body)
        assert other.status_code == 415


@pytest.mark.parametrize("name", ["0" * 32, "no-such", "..%2F..%2Fetc", "a" * 300])
@pytest.mark.parametrize(("method", "rest"), [("GET", ""), ("DELETE", ""), ("POST", "/frames")])
async def test_a_session_that_never_was_is_not_found(name: str, method: str, rest: str) -> None:
    async with tracking() as client:
        reply = await client.request(method, f"/sessions/{name}{rest}")
        assert reply.status_code in (404, 422)
        assert reply.headers["content-type"] == "application/problem+json"


async def test_more_sessions_than_may_be_are_refused_with_when_to_come_back() -> None:
    async with tracking(max_sessions=1) as client:
        where = (await open_session(client)).headers["location"]
        refused = await open_session(client)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        await client.delete(where)
        assert (await open_session(client)).status_code == 201


async def test_a_broken_frame_leaves_the_session_where_it_was() -> None:
    async with tracking() as client:
        where = (await open_session(client)).headers["location"]
        broken = await client.post(
            f"{where}/frames", content=picture()[:40], headers={"content-type": "image/png"}
        )
        assert broken.status_code == 400
        assert (await advance(client, where, frame_index=1)).status_code == 200


async def test_without_a_tracker_no_session_is_opened() -> None:
    async with serving() as client:
        refused = await open_session(client)
        assert refused.status_code == 404
        assert "track" in refused.json()["detail"]
