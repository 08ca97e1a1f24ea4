"""Whole videos over HTTP: a line a frame, the last line, slow and rude readers, every refusal."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import numpy as np
import pytest

from models import rle
from service.api.routes.track import END_EXAMPLE, FIRST_EXAMPLE, FRAME_EXAMPLE
from service.api.sessions.schemas import VideoEndReply, VideoFrameReply, VideoOpenedReply
from service.api.video.index import MAX_SAMPLES
from tests.api.exchange import App, Exchange, Message
from tests.api.serving import Client, serving
from tests.api.test_sessions import tracking
from tests.api.test_stream import Gated
from tests.api.test_video import with_samples
from tests.clips import SIZE, clip, grey, sound
from tests.fake_tracker import FakeVideoPredictor

VALUES = (0, 40, 80, 120, 160, 200)
MASK = np.zeros(SIZE, bool)
MASK[4:20, 8:24] = True
OBJECTS = json.dumps([{"mask": rle.encode(MASK), "label": "ball"}])
VIDEO = clip(map(grey, VALUES))


async def track(client: Client, video: bytes = VIDEO, **options: Any) -> httpx.Response:
    headers = {"content-type": options.pop("kind", "video/mp4")}
    params = {"objects": OBJECTS, **options}
    return await client.post("/track", content=video, headers=headers, params=params)


def lines_of(text: str) -> list[Any]:
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def seen(line: Any) -> list[int]:
    """The greys of all frames that the session has seen."""
    return [round(x / 40) * 40 for x, _ in line["objects"][0]["rotated_box"]]


async def open_sessions(client: Client) -> list[Any]:
    return (await client.get("/sessions")).json()["sessions"]


class Reader(Exchange):
    """A client that takes the reply message by message, as many as `read` lets through."""

    def __init__(self, video: bytes = VIDEO, **options: str) -> None:
        super().__init__(path="/track", headers={"content-type": "video/mp4"})
        query = httpx.QueryParams({"objects": OBJECTS, **options})
        self.scope["query_string"] = str(query).encode()
        self._allowed = asyncio.Semaphore(0)
        self._taken = asyncio.Semaphore(0)
        self.body(video)

    async def read(self, count: int) -> None:
        """Return once so many further messages are sent."""
        for _ in range(count):
            self._allowed.release()
        for _ in range(count):
            await asyncio.wait_for(self._taken.acquire(), 10)

    def lines(self) -> list[Any]:
        return lines_of(self.content.decode()) if len(self.sent) > 1 else []

    @asynccontextmanager
    async def with_app(self, app: App) -> AsyncIterator[asyncio.Task[None]]:
        task = asyncio.create_task(app(self.scope, self._receive, self._send))
        try:
            yield task
        finally:
            self.disconnect()
            await asyncio.wait_for(task, 10)

    async def _send(self, message: Message) -> None:
        await self._allowed.acquire()
        self.sent.append(message)
        self._taken.release()


async def test_each_frame_has_a_line_and_the_last_line_sums_up() -> None:
    async with tracking() as client:
        reply = await track(client)
        assert (reply.status_code, reply.headers["content-type"]) == (200, "application/x-ndjson")
        assert "content-length" not in reply.headers
        assert reply.headers["x-accel-buffering"] == "no"
        first, *others, end = lines_of(reply.text)
        opened = VideoOpenedReply.model_validate(first)
        assert (opened.video.frames, opened.video.duration_s) == (6, pytest.approx(0.6))
        frames = [opened, *map(VideoFrameReply.model_validate, others)]
        assert [frame.frame_index for frame in frames] == list(range(6))
        assert [frame.time_s for frame in frames] == pytest.approx(np.arange(6) / 10)
        assert [seen(line) for line in (first, *others)] == [
            list(VALUES[: n + 1]) for n in range(6)
        ]
        assert frames[-1].objects[0].segmentation.model_dump() == rle.encode(MASK)
        last = VideoEndReply.model_validate(end)
        assert last.problem is None
        assert (last.summary.frames, last.summary.duration_s) == (6, pytest.approx(0.6))
        assert [one.model_dump() for one in last.summary.objects] == [
            {"id": 1, "label": "ball", "frames_visible": 6}
        ]
        ids = {line["session_id"] for line in (first, *others, end)}
        assert len(ids) == 1
        assert await open_sessions(client) == []
        gone = await client.get(f"/sessions/{ids.pop()}")
        assert gone.json()["reason"] == "closed"


def test_the_examples_are_as_documented() -> None:
    VideoOpenedReply.model_validate(FIRST_EXAMPLE)
    VideoFrameReply.model_validate(FRAME_EXAMPLE)
    VideoEndReply.model_validate(END_EXAMPLE)


async def test_a_form_is_read_too() -> None:
    async with tracking() as client:
        form = {"objects": OBJECTS, "mask_format": "none"}
        reply = await client.post("/track", files={"video": VIDEO}, data=form)
        lines = lines_of(reply.text)
        assert len(lines) == 7
        assert lines[3]["objects"][0]["segmentation"] is None


async def test_a_turned_video_is_followed_upright() -> None:
    upright = json.dumps([{"mask": rle.encode(MASK.T.copy())}])
    async with tracking() as client:
        video = clip(map(grey, VALUES), turn=90)
        first, *_ = lines_of((await track(client, video, objects=upright)).text)
        assert first["image"] == {"width": SIZE[0], "height": SIZE[1]}
        sideways = await track(client, video)
        assert (sideways.status_code, sideways.json()["code"]) == (422, "invalid-options")


@pytest.mark.parametrize("kind", ["video/webm", "video/x-anything", "application/octet-stream", ""])
async def test_what_a_video_is_its_bytes_say(kind: str) -> None:
    async with tracking() as client:
        assert (await track(client, kind=kind)).status_code == 200


@pytest.mark.parametrize(
    ("video", "options", "status", "code"),
    [
        (b"", {}, 400, "unreadable-video"),
        (b"no video", {}, 400, "unreadable-video"),
        (sound(), {}, 400, "unreadable-video"),
        (with_samples(VIDEO, b"stsz", MAX_SAMPLES + 1, 12), {}, 413, "too-large"),
        (VIDEO, {"kind": "application/json"}, 415, "unsupported-media-type"),
        (VIDEO, {"kind": "image/png"}, 415, "unsupported-media-type"),
        (VIDEO, {"kind": "multipart/form-data; boundary=b"}, 400, "malformed-body"),
        (VIDEO, {"objects": "[]"}, 422, "invalid-options"),
        (VIDEO, {"objects": '[{"box": [900, 900, 5, 5]}]'}, 422, "invalid-options"),
        (VIDEO, {"objects": '[{"box": [1, 1, 5, 5]}]'}, 422, "invalid-options"),
        (VIDEO, {"detect": "{}"}, 422, "invalid-options"),
        (VIDEO, {"frame_index": "0"}, 422, "invalid-options"),
        (VIDEO, {"model": "other"}, 404, "not-found"),
        (VIDEO, {"timeout_s": "0.000001"}, 504, "deadline-exceeded"),
    ],
)
async def test_what_fails_before_the_first_line_is_a_problem(
    video: bytes, options: dict[str, Any], status: int, code: str
) -> None:
    async with tracking() as client:
        reply = await track(client, video, **options)
        assert (reply.status_code, reply.json()["code"]) == (status, code)
        assert reply.headers["content-type"] == "application/problem+json"
        assert await open_sessions(client) == []


async def test_a_video_that_the_service_has_no_time_for_is_refused() -> None:
    async with tracking(deadline_s=0.000001) as client:
        assert (await track(client)).json()["code"] == "deadline-exceeded"


async def status_before_the_upload_ends(client: Client) -> int | None:
    """The status for a video of which the beginning has come, and never the rest."""
    upload = Exchange(path="/track", headers={"content-type": "video/mp4"})
    upload.body(VIDEO[:100], more=True)
    return (await upload.through(client.app)).status


async def test_without_a_tracker_no_video_is_let_in() -> None:
    async with tracking() as client:
        client.app.state.services.engine.drain()
        assert (await track(client)).json()["code"] == "not-ready"
    async with serving() as client:
        assert await status_before_the_upload_ends(client) == 404


async def test_frames_that_are_too_large_are_refused_with_numbers() -> None:
    async with tracking(max_image_megapixels=0.003) as client:
        reply = await track(client)
        assert reply.status_code == 413
        assert (reply.json()["limit"], reply.json()["actual"]) == (3000, 3072)


async def test_videos_have_a_bound_of_their_own() -> None:
    limit = len(VIDEO)
    async with tracking(max_video_bytes=limit, max_body_bytes=100) as client:
        assert (await track(client)).status_code == 200
        reply = await track(client, VIDEO + b"x")
        assert (reply.status_code, reply.json()["limit"]) == (413, limit)
        session = await client.post("/sessions", content=bytes(101))
        assert (session.status_code, session.json()["limit"]) == (413, 100)


async def test_where_no_session_has_room_no_video_is_let_in() -> None:
    async with tracking(max_sessions=1) as client:
        opened = Reader()
        async with opened.with_app(client.app):
            await opened.read(2)
            assert await status_before_the_upload_ends(client) == 429


async def test_videos_have_a_budget_of_their_own() -> None:
    tracker = Gated()
    size = len(VIDEO)
    async with tracking(
        tracker, max_video_bytes=size, max_buffered_video_bytes=size, max_buffered_bytes=10**8
    ) as client:
        reader = Reader()
        async with reader.with_app(client.app):
            await reader.read(2)
            reply = await track(client)
            assert (reply.status_code, reply.json()["code"]) == (429, "overloaded")
        assert (await track(client)).status_code == 200


@pytest.mark.parametrize(
    ("settings", "code"),
    [({"max_queue_images": 1}, "overloaded"), ({"max_sessions": 1}, "too-many-sessions")],
)
async def test_a_full_engine_refuses_before_the_first_line(
    settings: dict[str, Any], code: str
) -> None:
    async with tracking(**settings) as client:
        reader = Reader()
        async with reader.with_app(client.app):
            await reader.read(2)
            reply = await track(client)
            assert (reply.status_code, reply.json()["code"]) == (429, code)
            assert int(reply.headers["retry-after"]) >= 1
        assert (await track(client)).status_code == 200


async def test_of_a_damaged_video_the_whole_frames_are_answered() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (12, *SIZE, 3), np.uint8)
    video = clip(noise, container="avi", codec="mpeg4")
    async with tracking() as client:
        whole = lines_of((await track(client, video)).text)
        reply = await track(client, video[: len(video) * 2 // 3])
        *frames, end = lines_of(reply.text)
        assert reply.status_code == 200
        assert 3 <= len(frames) <= 9
        assert [one["objects"][0]["rotated_box"] for one in frames] == [
            one["objects"][0]["rotated_box"] for one in whole[: len(frames)]
        ]
        assert end["summary"]["frames"] == len(frames)
        assert (end["problem"]["status"], end["problem"]["code"]) == (400, "unreadable-video")
        assert await open_sessions(client) == []


async def test_a_network_that_fails_on_a_frame_is_told_in_the_last_line() -> None:
    def fail(frames: Iterable[np.ndarray]) -> None:
        if any(frame[0, 0, 0] > 100 for frame in frames):
            raise RuntimeError("secret")

    async with tracking(FakeVideoPredictor(fail=fail)) as client:
        *frames, end = lines_of((await track(client)).text)
        assert len(frames) == 3
        assert (end["problem"]["status"], end["problem"]["code"]) == (500, "inference-failed")
        assert end["summary"]["objects"][0]["frames_visible"] == 3
        assert "secret" not in json.dumps(end)
        assert await open_sessions(client) == []
