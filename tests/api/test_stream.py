"""A session over one WebSocket: answers in order, dropped frames, edits, every way to end."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from service.api.sessions.schemas import FrameReply, SessionReply
from tests.api.conversation import Conversation
from tests.api.serving import Client
from tests.api.test_sessions import MASK, RLE, open_session, picture, tracking
from tests.fake_tracker import FakeVideoPredictor
from tests.fakes import Gate, loop_turns


@asynccontextmanager
async def streaming(
    tracker: Any = None, query: str = "", **settings: Any
) -> AsyncIterator[tuple[Client, str, Conversation]]:
    """A client, its session and a stream of it."""
    async with tracking(tracker, **settings) as client:
        where = (await open_session(client)).headers["location"]
        async with Conversation(f"{where}/stream", query).with_app(client.app) as stream:
            yield client, where, stream


def seen(reply: Any) -> list[int]:
    """The first values of all frames that the session has seen."""
    return [int(x) for x, _ in reply["objects"][0]["rotated_box"]]


class Gated(FakeVideoPredictor):
    """A tracker whose steps wait at its gate once that is closed."""

    def __init__(self) -> None:
        self.gate = Gate()
        super().__init__(self.gate)

    def close(self) -> None:
        for call, _ in self.calls:
            if call == "step":
                self.gate.wait_arrival()
        self.gate.close()

    async def arrival(self) -> None:
        await asyncio.to_thread(self.gate.wait_arrival)


async def test_each_frame_is_answered_in_order() -> None:
    async with streaming() as (client, where, stream):
        for value in range(1, 8):
            stream.say(picture(value))
        replies = [await stream.hear() for _ in range(7)]
        assert [reply["frame_index"] for reply in replies] == list(range(1, 8))
        assert seen(replies[-1]) == list(range(8))
        reply = FrameReply.model_validate(replies[0])
        assert f"/sessions/{reply.session_id}" == where
        assert reply.request_id == dict(stream.accepted["headers"])[b"x-request-id"].decode()
        assert reply.objects[0].segmentation.model_dump() == RLE
        assert (await client.get(where)).json()["frame_index"] == 7


async def test_a_large_frame_is_not_overtaken_by_the_small_ones_behind_it() -> None:
    async with tracking() as client:
        size = (1500, 2000)
        body = {"image": picture(0, size)}
        box = {"mask": {"size": list(size), "counts": [0, size[0] * size[1]]}}
        opened = await client.post("/sessions", files=body, data={"objects": json.dumps([box])})
        path = f"{opened.headers['location']}/stream"
        async with Conversation(path, "mask_format=none").with_app(client.app) as stream:
            stream.say(picture(1, size))
            stream.say(b"no picture")
            stream.say(picture(3))
            stream.say(picture(4, size))
            first, broken, small, last = [await stream.hear() for _ in range(4)]
        assert seen(first) == [0, 1]
        assert (broken["status"], broken["code"]) == (400, "unreadable-image")
        assert (small["status"], small["code"]) == (422, "frame-size-changed")
        assert (last["frame_index"], seen(last)) == (2, [0, 1, 4])


async def test_options_are_in_the_query() -> None:
    async with streaming(query="mask_format=none") as (_, _, stream):
        stream.say(picture(1))
        assert (await stream.hear())["objects"][0]["segmentation"] is None


async def test_few_messages_are_taken_while_one_is_followed() -> None:
    tracker = Gated()
    async with streaming(tracker) as (_, _, stream):
        tracker.close()
        for value in range(1, 21):
            stream.say(picture(value))
        await tracker.arrival()
        await loop_turns(200)
        assert stream.unread >= 20 - 5
        tracker.gate.open()
        replies = [await stream.hear() for _ in range(20)]
        assert [reply["frame_index"] for reply in replies] == list(range(1, 21))


async def test_counted_frames_move_the_session_only_to_their_own_index() -> None:
    async with streaming(query="frame_index=1") as (client, where, stream):
        for frame in (picture(1), b"no picture", picture(3)):
            stream.say(frame)
        first, broken, behind = [await stream.hear() for _ in range(3)]
        assert (first["frame_index"], broken["code"]) == (1, "unreadable-image")
        assert (behind["code"], behind["expected_frame_index"]) == ("frame-out-of-order", 2)
        async with Conversation(f"{where}/stream", "frame_index=1").with_app(client.app) as again:
            again.say(picture(1))
            again.say({"objects": [MASK]})
            again.say(picture(2))
            same, _, second = [await again.hear() for _ in range(3)]
        assert seen(same) == [0, 1]
        assert seen(second) == [0, 1, 2]


async def test_of_waiting_frames_the_latest_is_kept_and_the_dropped_are_told() -> None:
    tracker = Gated()
    async with streaming(tracker, "policy=latest") as (_, _, stream):
        tracker.close()
        stream.say(picture(1))
        await tracker.arrival()
        for value in range(2, 11):
            stream.say(picture(value))
            await loop_turns()
        stream.say({"objects": [MASK]})
        stream.say(picture(11))
        while stream.unread:
            await loop_turns()
        tracker.gate.open()
        replies = [await stream.hear() for _ in range(4)]
        first, second, edit, last = replies
        assert [reply["dropped"] for reply in replies] == [0, 0, 9 - 1, 0]
        assert seen(first) == [0, 1]
        assert seen(second) == [0, 1, 2]
        assert [one["id"] for one in edit["objects"]] == [1, 2]
        assert seen(last) == [0, 1, 2, 11]


async def test_a_problem_tells_the_dropped_frames_too() -> None:
    async with streaming(query="policy=latest") as (_, _, stream):
        stream.say(b"no picture")
        assert (await stream.hear())["dropped"] == 0


async def test_text_edits_the_objects_at_its_place_among_the_frames() -> None:
    async with streaming() as (_, _, stream):
        stream.say(picture(1))
        stream.say({"objects": [{**MASK, "label": "second"}]})
        stream.say(picture(2))
        before, edit, after = [await stream.hear() for _ in range(3)]
        assert len(before["objects"]) == 1
        reply = SessionReply.model_validate(edit)
        assert (reply.frame_index, reply.objects[1].label) == (1, "second")
        assert [one["label"] for one in after["objects"]] == [None, "second"]


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("", 400),
        ("[1]", 400),
        ("{}", 422),
        ('{"objects": []}', 422),
        ('{"objects": [{"box": [90, 90, 1, 1]}]}', 422),
        ('{"frames": 1}', 422),
        ("[" * 100_000, 400),
    ],
)
async def test_text_that_is_no_edit_is_answered_with_a_problem(text: str, status: int) -> None:
    async with streaming() as (_, _, stream):
        stream.say(text)
        stream.say(picture(1))
        problem = await stream.hear()
        assert problem["status"] == status
        assert problem["request_id"] == dict(stream.accepted["headers"])[b"x-request-id"].decode()
        assert (await stream.hear())["frame_index"] == 1


async def test_a_network_that_fails_on_a_frame_leaves_the_stream_open() -> None:
    def fail(frames: Any) -> None:
        if frames[0][0, 0, 0] == 1:
            raise ZeroDivisionError

    async with streaming(FakeVideoPredictor(fail=fail)) as (_, _, stream):
        stream.say(picture(1))
        stream.say(picture(2))
        assert (await stream.hear())["code"] == "inference-failed"
        assert seen(await stream.hear()) == [0, 2]


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        ("/sessions/none/stream", "", 4404),
        ("/sessions/none/stream", "policy=some", 4422),
        ("/sessions/none/stream", "colour=red", 4422),
        ("/sessions/none/stream", "frame_index=-1", 4422),
        ("/sessions/none/stream", "frame_index=1&policy=latest", 4422),
    ],
)
async def test_what_cannot_be_streamed_is_told_and_closed(path: str, query: str, code: int) -> None:
    async with (
        tracking() as client,
        Conversation(path, query).with_app(client.app) as stream,
    ):
        assert (await stream.hear())["status"] == code - 4000
        assert await stream.hear_end() == code


async def test_a_session_that_is_closed_elsewhere_ends_its_stream() -> None:
    async with streaming() as (client, where, stream):
        await client.delete(where)
        stream.say(picture(1))
        stream.say(picture(2))
        gone = await stream.hear()
        assert (gone["code"], gone["reason"]) == ("session-gone", "closed")
        assert await stream.hear_end() == 4410


async def test_a_session_that_nothing_comes_for_ends_its_stream() -> None:
    async with streaming(session_idle_s=0.05) as (_, _, stream):
        gone = await stream.hear()
        assert (gone["code"], gone["reason"]) == ("session-gone", "idle")
        assert await stream.hear_end() == 4410


async def test_a_client_that_leaves_in_mid_frame_leaves_a_whole_session() -> None:
    tracker = Gated()
    async with tracking(tracker) as client:
        where = (await open_session(client)).headers["location"]
        tracker.close()
        async with Conversation(f"{where}/stream").with_app(client.app) as stream:
            for value in range(1, 4):
                stream.say(picture(value))
            await tracker.arrival()
        tracker.gate.open()
        async with Conversation(f"{where}/stream").with_app(client.app) as stream:
            stream.say(picture(100))
            reply = await stream.hear()
        # The frame that had its turn counts; whatever waited behind it does not.
        assert (reply["frame_index"], seen(reply)) == (2, [0, 1, 100])
        assert client.app.state.services.engine.sessions.list()[0].is_busy is False


async def test_a_client_that_left_behind_full_boxes_is_noticed_when_it_is_answered() -> None:
    tracker = Gated()
    async with streaming(tracker) as (client, where, stream):
        tracker.close()
        for value in range(1, 20):
            stream.say(picture(value))
        await tracker.arrival()
        await loop_turns(200)
        stream.leave()
        tracker.gate.open()
        await client.app.state.services.activity.wait_idle()
        assert (await client.get(where)).json()["frame_index"] <= 4


async def test_a_client_that_leaves_before_it_is_let_in_is_no_failure() -> None:
    async with tracking() as client:
        stream = Conversation("/sessions/none/stream")
        stream.leave()
        await asyncio.wait_for(client.app(stream.scope, stream._receive, stream._send), 10)


async def test_draining_answers_what_is_in_flight_and_closes() -> None:
    tracker = Gated()
    async with streaming(tracker) as (client, _, stream):
        tracker.close()
        stream.say(picture(1))
        await tracker.arrival()
        client.app.state.services.engine.drain()
        await loop_turns()
        tracker.gate.open()
        assert (await stream.hear())["frame_index"] == 1
        assert await stream.hear_end() == 1012
        await client.app.state.services.activity.wait_idle()


async def test_bytes_beyond_what_all_may_hold_are_refused() -> None:
    async with streaming(max_body_bytes=2000, max_buffered_bytes=2000) as (_, _, stream):
        stream.say(bytes(2001))
        stream.say(picture(1))
        refused = await stream.hear()
        assert (refused["status"], refused["code"]) == (429, "overloaded")
        assert refused["retry_after_s"] >= 1
        assert (await stream.hear())["frame_index"] == 1


async def test_a_frame_that_would_be_too_late_is_told_so() -> None:
    async with streaming(query="timeout_s=0.000001") as (_, _, stream):
        stream.say(picture(1))
        assert (await stream.hear())["code"] == "deadline-exceeded"
