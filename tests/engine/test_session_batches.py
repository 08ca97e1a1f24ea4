"""Frames of different sessions run together, each session's own one after the other."""

import asyncio
from typing import Any

import pytest

from service.errors import DeadlineExceeded, FrameOutOfOrder, SessionBusy, SessionGone
from tests.engine.following import advance, drawn, engine_with, open_session
from tests.fake_tracker import FakeVideoPredictor, seen
from tests.fakes import FakeModel, Gate, ManualClock, loop_turns


class Stand:
    """An engine whose steps wait at a gate, and sessions of it."""

    def __init__(self, **settings: Any) -> None:
        self.clock, self.gate = ManualClock(), Gate()
        self.tracker = FakeVideoPredictor(self.gate)
        self._settings = {"session_gather_ms": 0.0, **settings}
        self.ids: list[str] = []

    async def start(self, sessions: int) -> None:
        self.engine = await engine_with(self.tracker, self.clock, **self._settings)
        self.gate.wait_arrival()  # the warm-up's
        for index in range(sessions):
            self.ids.append((await open_session(self.engine, 10 * index)).status.id)

    def send(self, session: int, value: int, **options: Any) -> "asyncio.Task[Any]":
        return asyncio.ensure_future(advance(self.engine, self.ids[session], value, **options))

    async def arrive(self) -> None:
        """Return once a step waits at the gate."""
        await asyncio.to_thread(self.gate.wait_arrival)

    @property
    def steps(self) -> list[int]:
        return [size for name, size in self.tracker.calls if name == "step"][1:]

    async def end(self) -> None:
        self.gate.open()
        await self.engine.aclose()


async def test_frames_of_several_sessions_share_a_pass_and_keep_their_answers() -> None:
    stand = Stand()
    await stand.start(4)
    stand.gate.close()
    first = stand.send(0, 1)
    await stand.arrive()
    others = [stand.send(session, session + 1) for session in (1, 2, 3)]
    await loop_turns()
    stand.gate.open()
    answers = [await task for task in (first, *others)]
    assert stand.steps == [1, 3]
    assert [seen(one.objects) for one in answers] == [(0, 1), (10, 2), (20, 3), (30, 4)]
    assert [one.timing.batch_size for one in answers] == [1, 3, 3, 3]
    await stand.end()


async def test_prompt_sessions_wait_for_each_other_and_then_go_together() -> None:
    stand = Stand(session_gather_ms=1000.0)
    await stand.start(3)
    await asyncio.gather(*(stand.send(session, 1) for session in range(3)))
    count = len(stand.steps)
    early = [stand.send(session, 2) for session in (0, 1)]
    await loop_turns()
    assert len(stand.steps) == count
    last = stand.send(2, 2)
    await asyncio.gather(*early, last)
    assert stand.steps[count:] == [3]
    await stand.end()


async def test_a_session_that_does_not_come_is_waited_for_no_longer_than_the_window() -> None:
    stand = Stand(session_gather_ms=1000.0)
    await stand.start(2)
    await asyncio.gather(stand.send(0, 1), stand.send(1, 1))
    frame = stand.send(0, 2)
    await loop_turns()
    stand.clock.advance(0.9)
    await loop_turns()
    assert not frame.done()
    stand.clock.advance(0.1)
    assert (await frame).timing.batch_size == 1
    assert (await stand.send(0, 3)).timing.batch_size == 1
    await stand.end()


async def test_a_session_that_ends_is_waited_for_no_longer() -> None:
    stand = Stand(session_gather_ms=1000.0)
    await stand.start(2)
    await asyncio.gather(stand.send(0, 1), stand.send(1, 1))
    frame = stand.send(0, 2)
    await loop_turns()
    assert not frame.done()
    await stand.engine.sessions.close(stand.ids[1])
    assert (await frame).timing.batch_size == 1
    await stand.end()


async def test_a_lone_session_never_waits() -> None:
    stand = Stand(session_gather_ms=1000.0)
    await stand.start(1)
    for value in range(5):
        assert (await stand.send(0, value)).timing.queue_wait_s == 0
    await stand.end()


async def test_requests_of_one_session_have_their_turns_in_order() -> None:
    stand = Stand()
    await stand.start(1)
    stand.gate.close()
    frames = [stand.send(0, value, index=value) for value in (1, 2, 3)]
    frames.append(stand.send(0, 4))
    await stand.arrive()
    assert stand.engine.sessions.list()[0].is_busy
    assert stand.steps == [1]
    stand.gate.open()
    assert [seen((await frame).objects)[-1] for frame in frames] == [1, 2, 3, 4]
    assert stand.steps == [1, 1, 1, 1]
    await stand.end()


async def test_more_requests_of_one_session_than_may_wait_are_refused() -> None:
    stand = Stand(max_session_requests=2)
    await stand.start(1)
    stand.gate.close()
    frames = [stand.send(0, value) for value in (1, 2, 3)]
    await stand.arrive()
    with pytest.raises(SessionBusy) as refused:
        await stand.send(0, 4)
    assert (refused.value.limit, refused.value.actual) == (2, 3)
    stand.gate.open()
    assert [(await frame).frame_index for frame in frames] == [1, 2, 3]
    await stand.end()


async def test_a_turn_that_does_not_come_by_the_deadline_is_given_up() -> None:
    stand = Stand()
    await stand.start(1)
    stand.gate.close()
    first, late, third = stand.send(0, 1), stand.send(0, 2, deadline=5.0), stand.send(0, 3)
    await stand.arrive()
    stand.clock.advance(5.0)
    with pytest.raises(DeadlineExceeded):
        await late
    stand.gate.open()
    assert (await first).frame_index == 1
    assert seen((await third).objects) == (0, 1, 3)
    await stand.end()


async def test_a_frame_whose_deadline_passes_while_it_runs_does_not_count() -> None:
    stand = Stand()
    await stand.start(1)
    stand.gate.close()
    late = stand.send(0, 1, deadline=5.0)
    await stand.arrive()
    stand.clock.advance(5.0)
    with pytest.raises(DeadlineExceeded):
        await late
    stand.gate.open()
    assert seen((await stand.send(0, 2, index=1)).objects) == (0, 2)
    await stand.end()


async def test_a_client_that_leaves_in_its_turn_has_made_its_frame_count() -> None:
    stand = Stand()
    await stand.start(1)
    stand.gate.close()
    gone = stand.send(0, 1, index=1)
    await stand.arrive()
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    stand.gate.open()
    again = await stand.send(0, 1, index=1)
    assert (seen(again.objects), again.timing.batch_size) == ((0, 1), 0)
    assert seen((await stand.send(0, 2, index=2)).objects) == (0, 1, 2)
    await stand.end()


async def test_a_client_that_leaves_before_its_turn_takes_its_frame_along() -> None:
    stand = Stand()
    await stand.start(1)
    stand.gate.close()
    first, gone, third = (stand.send(0, value) for value in (1, 2, 3))
    await stand.arrive()
    gone.cancel()
    await loop_turns()
    stand.gate.open()
    await first
    assert seen((await third).objects) == (0, 1, 3)
    await stand.end()


async def test_whoever_leaves_in_the_moment_of_getting_the_turn_passes_it_on() -> None:
    stand = Stand()
    await stand.start(1)
    (session,) = stand.engine.sessions._store
    await session.turns.take(float("inf"))
    gone = asyncio.ensure_future(session.turns.take(float("inf")))
    await loop_turns()
    session.turns.pass_on()
    gone.cancel()
    await loop_turns()
    assert not session.turns.is_taken
    await stand.end()


async def test_a_frame_on_which_the_network_fails_leaves_the_session_where_it_was() -> None:
    def fail(frames: Any) -> None:
        if any(frame[0, 0, 0] == 13 for frame in frames):
            raise RuntimeError("bad luck")

    stand = Stand()
    stand.tracker._fail = fail
    await stand.start(3)
    await stand.send(0, 1)
    stand.gate.close()
    first = stand.send(2, 1)
    await stand.arrive()
    bad, good = stand.send(0, 13), stand.send(1, 2)
    await loop_turns()
    stand.gate.open()
    await first
    assert seen((await good).objects) == (10, 2)
    assert stand.steps[-3:] == [2, 1, 1]
    with pytest.raises(Exception, match="failed on this picture"):
        await bad
    with pytest.raises(FrameOutOfOrder):
        await stand.send(0, 3, index=3)
    assert seen((await stand.send(0, 3, index=2)).objects) == (0, 1, 3)
    await stand.end()


async def test_a_session_that_is_closed_fails_what_runs_and_waits() -> None:
    stand = Stand()
    await stand.start(1)
    stand.gate.close()
    running, waiting = stand.send(0, 1), stand.send(0, 2)
    await stand.arrive()
    await stand.engine.sessions.close(stand.ids[0])
    stand.gate.open()
    for frame in (running, waiting):
        with pytest.raises(SessionGone):
            await frame
    assert stand.steps == [1]
    await stand.end()


async def test_closing_the_engine_ends_every_request() -> None:
    stand = Stand()
    await stand.start(1)
    stand.gate.close()
    frames = [stand.send(0, value) for value in (1, 2, 3)]
    await stand.arrive()
    async with asyncio.timeout(10):
        await stand.engine.aclose()
        ends = await asyncio.gather(*frames, return_exceptions=True)
    assert all("shutting down" in str(end) for end in ends)
    stand.gate.open()


async def test_pictures_of_other_models_take_turns_with_frames() -> None:
    engine = await engine_with(others={"fake": FakeModel()})
    opened = await open_session(engine, objects=[drawn()])
    assert (await advance(engine, opened.status.id, 1)).frame_index == 1
    await engine.aclose()
