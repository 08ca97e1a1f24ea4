"""Whole videos: steps as they come, the summary, and every way in which they end."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from service.client import (
    AsyncClient,
    Client,
    Detect,
    NewObject,
    RequestFailed,
    Unreachable,
    UnreadableReply,
)
from tests.client.talking import FAST, FakeSessions, Script, problem

BOX = [NewObject(box=(1, 2, 3, 4), label="ball")]


def step(index: int) -> dict[str, Any]:
    sessions = FakeSessions()
    sessions.frames = [b""] * (index + 1)
    return {**sessions._reply(), "time_s": index / 10}


END = {
    "session_id": "s1",
    "model": "fake",
    "summary": {
        "frames": 2,
        "duration_s": 0.2,
        "objects": [{"id": 1, "label": "ball", "frames_visible": 2}],
    },
    "problem": None,
    "request_id": "r1",
}


class Lines(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A reply of lines that may break; `is_closed` once the client has let it go."""

    def __init__(self, *lines: Any, breaks: Exception | None = None) -> None:
        self._lines = lines
        self._breaks = breaks
        self.is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        for line in self._lines:
            yield (line if isinstance(line, str) else json.dumps(line)).encode() + b"\n"
        if self._breaks is not None:
            raise self._breaks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for line in self:
            yield line

    def close(self) -> None:
        self.is_closed = True

    async def aclose(self) -> None:
        self.is_closed = True


def talking(*said: httpx.Response) -> tuple[Client, Script]:
    script = Script(said)
    return Client("http://service", transport=script, retry=FAST), script


def test_steps_come_one_after_the_other_and_then_the_summary(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"a video")
    client, script = talking(httpx.Response(200, stream=Lines(step(0), step(1), END)))
    with client, client.track_video(path, BOX, mask_format="rle_counts") as steps:
        assert steps.summary is None
        got = list(steps)
    assert [(one.frame_index, one.time_s) for one in got] == [(0, 0.0), (1, 0.1)]
    assert np.array_equal(got[0].objects[0].mask(), [[1, 1], [0, 0]])
    assert steps.summary is not None
    assert (steps.summary.frames, steps.summary.objects[0].frames_visible) == (2, 2)
    (asked,) = script.asked
    assert (asked.url.path, asked.url.params["mask_format"]) == ("/track", "rle_counts")
    assert b"a video" in asked.content
    assert b'[{"box": [1, 2, 3, 4], "label": "ball"}]' in asked.content


async def test_a_loop_can_wait_for_them_as_well() -> None:
    lines = Lines(step(0), step(1), END)
    script = Script([problem(429, "overloaded", retryable=True), httpx.Response(200, stream=lines)])
    async with (
        AsyncClient("http://service", transport=script, retry=FAST) as client,
        await client.track_video(b"a video", Detect()) as steps,
    ):
        got = [one async for one in steps]
    assert [one.frame_index for one in got] == [0, 1]
    assert steps.summary is not None
    assert lines.is_closed
    assert b'name="detect"' in script.asked[1].content


def test_a_refusal_that_may_pass_is_waited_out() -> None:
    client, script = talking(
        problem(429, "overloaded", retryable=True),
        httpx.Response(200, stream=Lines(step(0), END)),
    )
    with client, client.track_video(b"a video", BOX) as steps:
        assert len(list(steps)) == 1
    assert len(script.asked) == 2


def test_another_refusal_is_raised_at_once() -> None:
    client, script = talking(problem(400, "unreadable-video"))
    with client, pytest.raises(RequestFailed) as caught:
        client.track_video(b"no video", BOX)
    assert caught.value.code == "unreadable-video"
    assert len(script.asked) == 1


def test_what_ended_a_video_early_is_raised_behind_its_steps() -> None:
    told = json.loads(problem(400, "unreadable-video").content)
    client, _ = talking(httpx.Response(200, stream=Lines(step(0), {**END, "problem": told})))
    with client, client.track_video(b"a video", BOX) as steps:
        got = iter(steps)
        assert next(got).frame_index == 0
        with pytest.raises(RequestFailed) as caught:
            next(got)
    assert caught.value.status == 400
    assert steps.summary is not None


@pytest.mark.parametrize("breaks", [None, httpx.ReadError("gone")])
def test_a_reply_that_breaks_off_is_no_whole_one(breaks: Exception | None) -> None:
    lines = Lines(step(0), step(1), breaks=breaks)
    client, _ = talking(httpx.Response(200, stream=lines))
    with client, client.track_video(b"a video", BOX) as steps, pytest.raises(Unreachable) as caught:
        list(steps)
    assert "broke off" in str(caught.value)
    assert caught.value.was_sent


def test_a_line_of_somebody_else_is_refused() -> None:
    client, _ = talking(httpx.Response(200, stream=Lines("<html>")))
    with client, client.track_video(b"a video", BOX) as steps, pytest.raises(UnreadableReply):
        list(steps)


def test_leaving_the_block_lets_the_reply_go() -> None:
    lines = Lines(*map(step, range(9)), END)
    client, _ = talking(httpx.Response(200, stream=lines))
    with client, client.track_video(b"a video", BOX) as steps:
        next(iter(steps))
        assert not lines.is_closed
    assert lines.is_closed
