"""How many sessions there may be, how long they live, and who makes room."""

import asyncio
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from service.engine.sessions.lifetime import Bounds, end_of, overflow
from service.engine.sessions.store import Store
from service.errors import SessionGone, TooManySessions
from tests.engine.following import advance, engine_with, open_session
from tests.fake_tracker import FakeVideoPredictor
from tests.fakes import Gate, ManualClock, loop_turns

FRAME_BYTES = 12 * 16 * 3


async def gone(engine: Any, session_id: str) -> str:
    with pytest.raises(SessionGone) as caught:
        await engine.sessions.inspect(session_id)
    return caught.value.reason


async def test_a_session_that_nobody_uses_ends_by_itself() -> None:
    clock = ManualClock()
    engine = await engine_with(clock=clock, session_idle_s=10.0, session_age_s=100.0)
    session_id = (await open_session(engine)).status.id
    clock.advance(9.0)
    await advance(engine, session_id, 1)
    clock.advance(9.0)
    assert (await engine.sessions.inspect(session_id)).idle_s == 9.0
    clock.advance(1.0)
    assert engine.sessions.list() == ()  # its memory is free before anybody asks
    assert await gone(engine, session_id) == "idle"
    await engine.aclose()


async def test_a_session_in_use_ends_by_its_age() -> None:
    clock = ManualClock()
    engine = await engine_with(clock=clock, session_idle_s=10.0, session_age_s=25.0)
    session_id = (await open_session(engine)).status.id
    for value in (1, 2, 3):
        clock.advance(8.0)
        await advance(engine, session_id, value)
    clock.advance(1.0)
    assert await gone(engine, session_id) == "age"
    await engine.aclose()


async def test_a_session_that_is_being_answered_does_not_end_by_time() -> None:
    clock, gate = ManualClock(), Gate()
    engine = await engine_with(FakeVideoPredictor(gate), clock, session_idle_s=10.0)
    session_id = (await open_session(engine)).status.id
    gate.wait_arrival()
    gate.close()
    frame = asyncio.ensure_future(advance(engine, session_id, 1))
    await asyncio.to_thread(gate.wait_arrival)
    clock.advance(11.0)
    gate.open()
    assert (await frame).frame_index == 1
    clock.advance(9.0)
    assert len(engine.sessions.list()) == 1
    clock.advance(1.0)
    assert await gone(engine, session_id) == "idle"
    await engine.aclose()


async def test_no_more_sessions_than_the_limit_even_while_they_are_opened() -> None:
    clock = ManualClock()
    engine = await engine_with(clock=clock, max_sessions=2, session_idle_s=10.0)
    first, second, third = (asyncio.ensure_future(open_session(engine)) for _ in range(3))
    await asyncio.wait([first, second, third])
    with pytest.raises(TooManySessions) as refused:
        await third
    assert (refused.value.limit, refused.value.actual) == (2, 3)
    clock.advance(4.0)
    with pytest.raises(TooManySessions) as refused:
        engine.sessions.check_room()
    assert refused.value.retry_after_s == 6.0
    await engine.sessions.close(first.result().status.id)
    await open_session(engine)
    await engine.aclose()


async def test_an_opening_that_fails_gives_its_place_back() -> None:
    engine = await engine_with(max_sessions=1)
    with pytest.raises(Exception, match="there is none"):
        await open_session(engine, objects=[])
    await open_session(engine)
    await engine.aclose()


async def test_full_memory_refuses_new_sessions() -> None:
    engine = await engine_with(max_session_megabytes=2 * FRAME_BYTES / 1e6)
    await open_session(engine)
    first = await open_session(engine)
    with pytest.raises(TooManySessions) as refused:
        await open_session(engine)
    assert refused.value.limit == refused.value.actual == 2 * FRAME_BYTES
    await engine.sessions.close(first.status.id)
    await open_session(engine)
    await engine.aclose()


async def test_a_session_that_grows_takes_the_place_of_the_longest_unused() -> None:
    clock, tracker = ManualClock(), FakeVideoPredictor()
    engine = await engine_with(tracker, clock, max_session_megabytes=4 * FRAME_BYTES / 1e6)
    ids = []
    for _ in range(3):
        ids.append((await open_session(engine)).status.id)
        clock.advance(1.0)
    await advance(engine, ids[0], 1)
    clock.advance(1.0)
    tracker.state_bytes = 2 * FRAME_BYTES
    await advance(engine, ids[2], 1)
    assert [one.id for one in engine.sessions.list()] == [ids[0], ids[2]]
    assert await gone(engine, ids[1]) == "memory"
    await engine.aclose()


async def test_a_session_alone_too_large_ends_too() -> None:
    tracker = FakeVideoPredictor()
    engine = await engine_with(tracker, max_session_megabytes=2 * FRAME_BYTES / 1e6)
    session_id = (await open_session(engine)).status.id
    tracker.state_bytes = 2 * FRAME_BYTES
    await advance(engine, session_id, 1)
    assert await gone(engine, session_id) == "memory"
    await engine.aclose()


def test_only_the_last_ends_are_remembered() -> None:
    store = Store(BOUNDS, ManualClock(), remembered=2)
    for name in "abc":
        store.add(session := session_of(name, 0.0))
        store.end(session, "closed")
    assert store.find("a") is None
    for name in "bc":
        with pytest.raises(SessionGone):
            store.find(name)


async def test_no_timer_is_left_when_the_engine_is_closed() -> None:
    clock = ManualClock()
    engine = await engine_with(clock=clock)
    await open_session(engine)
    assert clock.next_call is not None
    await engine.aclose()
    await loop_turns()
    assert clock.next_call is None


@dataclass(eq=False)
class Living:
    opened_at: float = 0.0
    touched_at: float = 0.0
    nbytes: int = 1
    is_busy: bool = False


BOUNDS = Bounds(max_sessions=3, max_bytes=10.0, idle_s=5.0, age_s=20.0)

livings = st.builds(
    Living, touched_at=st.floats(0, 50), nbytes=st.integers(0, 9), is_busy=st.booleans()
)


def test_the_earlier_end_counts() -> None:
    assert end_of(Living(0.0, 3.0), BOUNDS) == (8.0, "idle")
    assert end_of(Living(0.0, 17.0), BOUNDS) == (20.0, "age")


@given(st.lists(livings), st.floats(0, 40))
def test_only_as_many_go_as_must_longest_unused_first(
    sessions: list[Living], max_bytes: float
) -> None:
    leaving = overflow(sessions, max_bytes)
    staying = [one for one in sessions if one not in leaving]
    assert not any(one.is_busy for one in leaving)
    assert sum(one.nbytes for one in staying) <= max_bytes or all(one.is_busy for one in staying)
    if leaving:
        assert sum(one.nbytes for one in (*staying, leaving[-1])) > max_bytes
    idle = [one.touched_at for one in staying if not one.is_busy]
    assert all(one.touched_at <= min(idle, default=50) for one in leaving)


def session_of(name: str, now: float, nbytes: int = 1) -> Any:
    return SimpleNamespace(
        id=name,
        opened_at=now,
        touched_at=now,
        nbytes=nbytes,
        is_busy=False,
        end=None,
        lane=SimpleNamespace(forget=lambda _: None),
    )


class StoreMachine(RuleBasedStateMachine):
    """Sessions come, are used, grow, are closed, and time passes; the limits hold throughout."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.store = Store(BOUNDS, self.clock)
        self.known: dict[str, Any] = {}

    @rule(nbytes=st.integers(1, 9))
    def open(self, nbytes: int) -> None:
        try:
            with self.store.reserve():
                session = session_of(str(len(self.known)), self.clock.now(), nbytes)
                self.known[session.id] = session
                self.store.add(session)
        except TooManySessions:
            assert len(self.store) == 3 or self.store.nbytes >= 10

    @rule(index=st.integers(0), nbytes=st.integers(1, 12), seconds=st.floats(0, 8))
    def use(self, index: int, nbytes: int, seconds: float) -> None:
        for session in [*self.store][index % 3 : index % 3 + 1]:
            session.is_busy = True
            self.clock.advance(seconds)
            session.nbytes = nbytes
            session.is_busy = False
            self.store.settle(session)

    @rule(index=st.integers(0))
    def close(self, index: int) -> None:
        for session in [*self.store][index % 3 : index % 3 + 1]:
            self.store.end(session, "closed")
            self.store.end(session, "idle")
            assert session.end == "closed"

    @rule(seconds=st.floats(0, 8))
    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def limits_hold(self) -> None:
        now = self.clock.now()
        assert len(self.store) <= 3
        assert self.store.nbytes <= 10
        for session in self.store:
            assert session.end is None
            assert end_of(session, BOUNDS)[0] > now
        assert (self.clock.next_call is None) == (len(self.store) == 0)

    @invariant()
    def every_end_is_told(self) -> None:
        open_now = {session.id for session in self.store}
        for name, session in self.known.items():
            if name in open_now:
                assert self.store.find(name) is session
                continue
            with pytest.raises(SessionGone) as gone:
                self.store.find(name)
            assert gone.value.reason == session.end


TestStore = StoreMachine.TestCase
