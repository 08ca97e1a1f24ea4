"""Who reads the lines of a video: slowly, never, not to the end; and what is told meanwhile."""

import asyncio
import json
import time
import tracemalloc

import numpy as np

from models import rle
from tests.api.exchange import Message
from tests.api.test_sessions import picture, tracking
from tests.api.test_stream import Gated
from tests.api.test_track import MASK, Reader, lines_of, open_sessions, track
from tests.clips import clip, grey
from tests.fake_tracker import FakeVideoPredictor
from tests.fakes import loop_turns


def steps(tracker: FakeVideoPredictor) -> int:
    return sum(call == "step" for call, _ in tracker.calls)


async def took(tracker: FakeVideoPredictor, count: int) -> None:
    """Wait until a tracker has taken so many frames."""
    async with asyncio.timeout(30):
        while steps(tracker) < count:
            await asyncio.to_thread(lambda: None)


async def settled() -> None:
    """Let threads and the loop do whatever they can do without a reader."""
    for _ in range(40):
        await asyncio.to_thread(lambda: None)
        await loop_turns(20)


async def test_a_reader_that_stops_stops_the_work_and_nobody_elses() -> None:
    tracker = FakeVideoPredictor()
    async with tracking(tracker) as client:
        reader, before = Reader(clip(grey(value) for value in range(0, 200, 2))), steps(tracker)
        async with reader.with_app(client.app):
            await reader.read(4)  # the head, and three lines
            await took(tracker, before + 3)
            await settled()
            assert steps(tracker) == before + 3  # the third step's line waits to be read
            assert [line["frame_index"] for line in reader.lines()] == [0, 1, 2]
            assert len(lines_of((await track(client)).text)) == 7
            before = steps(tracker)
            await reader.read(98)
            assert steps(tracker) == before + 96
        assert reader.lines()[-1]["problem"] is None


async def test_a_reader_that_never_goes_on_is_given_up() -> None:
    tracker = FakeVideoPredictor()
    async with tracking(tracker, session_idle_s=0.2) as client:
        reader, before = Reader(clip(grey(value) for value in range(0, 200, 2))), steps(tracker)
        async with reader.with_app(client.app) as task:
            await reader.read(3)
            await asyncio.wait_for(task, 10)
        assert await open_sessions(client) == []
        assert steps(tracker) == before + 2
        assert reader.sent[-1]["more_body"]


async def test_a_video_may_take_longer_than_any_of_its_frames() -> None:
    def take_long(_: object) -> None:
        time.sleep(0.1)

    async with tracking(FakeVideoPredictor(fail=take_long), deadline_s=0.5) as client:
        *frames, end = lines_of((await track(client, clip(map(grey, range(0, 80, 10))))).text)
        assert (len(frames), end["problem"]) == (8, None)


async def test_a_client_that_leaves_takes_its_session_along() -> None:
    tracker = Gated()
    async with tracking(tracker) as client:
        reader = Reader()
        async with reader.with_app(client.app) as task:
            tracker.close()
            await reader.read(2)
            await tracker.arrival()
            (session,) = await open_sessions(client)
            reader.disconnect()
            await asyncio.wait_for(task, 10)
            assert await open_sessions(client) == []
            gone = await client.get(f"/sessions/{session['session_id']}")
            assert gone.json()["reason"] == "closed"
            tracker.gate.open()


async def test_a_session_that_ends_meanwhile_is_told_in_the_last_line() -> None:
    async with tracking() as client:
        reader = Reader()
        async with reader.with_app(client.app) as task:
            await reader.read(2)
            where = f"/sessions/{reader.lines()[0]['session_id']}"
            assert (await client.delete(where)).status_code == 204
            for _ in range(3):
                reader._allowed.release()
            await asyncio.wait_for(task, 10)
        *_, end = reader.lines()
        assert (end["problem"]["code"], end["problem"]["reason"]) == ("session-gone", "closed")


async def test_objects_can_be_edited_on_the_way() -> None:
    tracker = FakeVideoPredictor()
    async with tracking(tracker) as client:
        reader, before = Reader(), steps(tracker)
        async with reader.with_app(client.app):
            await reader.read(2)
            await took(tracker, before + 1)
            await settled()
            where = f"/sessions/{reader.lines()[0]['session_id']}"
            told = {"objects": [{"mask": rle.encode(MASK), "label": "late"}]}
            assert (await client.post(f"{where}/objects", json=told)).status_code == 200
            await reader.read(6)
        *frames, end = reader.lines()
        assert [len(frame["objects"]) for frame in frames] == [1, 1, 2, 2, 2, 2]
        objects = {one["label"]: one["frames_visible"] for one in end["summary"]["objects"]}
        assert objects == {"ball": 6, "late": 4}


async def test_frames_of_somebody_else_end_the_video() -> None:
    tracker = FakeVideoPredictor()
    async with tracking(tracker) as client:
        reader, before = Reader(), steps(tracker)
        async with reader.with_app(client.app):
            await reader.read(2)
            await took(tracker, before + 1)
            await settled()
            where = f"/sessions/{reader.lines()[0]['session_id']}"
            frame = {"image": picture(1, MASK.shape)}
            for _ in range(2):  # the index just answered would get the same answer again
                assert (await client.post(f"{where}/frames", files=frame)).status_code == 200
            await reader.read(2)
        assert reader.lines()[-1]["problem"]["code"] == "frame-out-of-order"


async def test_memory_stays_flat_over_a_long_video() -> None:
    size, count = (240, 320), 200
    one_frame = size[0] * size[1] * 3
    video = clip((grey(value % 200, size) for value in range(count)), codec="mpeg4")
    mask = json.dumps([{"mask": rle.encode(np.ones(size, bool))}])

    class Forgetful(Reader):
        async def _send(self, message: Message) -> None:
            self.sent = [message]

    async with tracking() as client:
        reader = Forgetful(video, objects=mask, mask_format="none")
        tracemalloc.start()
        try:
            async with reader.with_app(client.app) as task:
                await asyncio.wait_for(task, 60)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert json.loads(reader.sent[0]["body"])["summary"]["frames"] == count
        assert peak < 12 * one_frame
