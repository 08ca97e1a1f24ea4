"""A model that is let go: its memory is free, and whoever was on the way to it is told."""

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from service.engine.engine import Engine
from service.engine.sessions.records import Opened, SessionStatus
from service.errors import ModelInUse, NotReady, SessionGone
from service.settings import Settings
from tests.engine.asking import ask
from tests.engine.following import advance, open_session
from tests.fake_tracker import FakeVideoPredictor
from tests.fakes import FakeLoader, FakeModel, Gate, loop_turns


class Maker(FakeLoader):
    """Makes a new predictor for each load, and holds none.

    `made` are those of the model that comes and goes, as long as anybody holds them.
    """

    def __init__(self, make: Callable[[], Any], task: str) -> None:
        super().__init__({"stays": FakeModel(), "tracker": None}, {"tracker": task})
        self._make = make
        self.made: weakref.WeakSet[Any] = weakref.WeakSet()

    def load(self, name: str, device: str) -> Any:
        if name != "tracker":
            return super().load(name, device)
        predictor = self._make()
        self.made.add(predictor)
        return predictor


async def engine_of(loader: Maker, **changes: Any) -> Engine:
    settings = Settings(models=("stays", "tracker"), devices=("cpu",), **changes)
    engine = Engine(settings, loader=loader)
    await engine.start()
    return engine


@pytest.mark.parametrize("task", ["segment", "track"])
async def test_nothing_holds_a_model_that_was_let_go(task: str) -> None:
    loader = Maker(FakeVideoPredictor if task == "track" else FakeModel, task)
    engine = await engine_of(loader)
    if task == "track":
        await advance(engine, (await open_session(engine)).status.id, 1)
    else:
        await ask(engine, "tracker")
    gc.disable()  # what is free is free at once, not some day
    try:
        assert len(loader.made) == 1
        await engine.unload("tracker", ends_sessions=True)
        assert len(loader.made) == 0
    finally:
        gc.enable()
    await engine.aclose()


async def test_a_model_that_runs_when_it_is_let_go_is_waited_for() -> None:
    gate = Gate()
    loader = Maker(lambda: FakeModel(gate=gate), "segment")
    engine = await engine_of(loader)
    gate.wait_arrival()  # the warm-up
    gate.close()
    asked = asyncio.ensure_future(ask(engine, "tracker"))
    await asyncio.to_thread(gate.wait_arrival)
    unload = asyncio.ensure_future(engine.unload("tracker"))
    with pytest.raises(NotReady, match="was unloaded"):
        await asked
    del asked  # its failure remembers the way to the model
    assert not unload.done()
    gate.open()
    await unload
    assert len(loader.made) == 0
    await engine.aclose()


async def test_a_pass_without_an_end_does_not_hold_up_the_one_who_lets_its_model_go() -> None:
    gate = Gate()
    engine = await engine_of(Maker(lambda: FakeModel(gate=gate), "segment"), drain_s=0.01)
    gate.wait_arrival()  # the warm-up
    gate.close()
    asked = asyncio.ensure_future(ask(engine, "tracker"))
    await asyncio.to_thread(gate.wait_arrival)
    async with asyncio.timeout(5):
        await engine.unload("tracker")
    with pytest.raises(NotReady, match="was unloaded"):
        await asked
    gate.open()
    await engine.aclose()


async def test_the_frames_of_a_session_whose_tracker_goes_all_end() -> None:
    gate = Gate()
    engine = await engine_of(Maker(lambda: FakeVideoPredictor(gate), "track"))
    session_id = (await open_session(engine)).status.id
    gate.wait_arrival()  # the warm-up
    gate.close()
    frames = [asyncio.ensure_future(advance(engine, session_id, value)) for value in (1, 2, 3)]
    await asyncio.to_thread(gate.wait_arrival)
    with pytest.raises(ModelInUse) as refused:
        await engine.unload("tracker")
    assert refused.value.facts == {"open_sessions": 1}
    unload = asyncio.ensure_future(engine.unload("tracker", ends_sessions=True))
    ends = await asyncio.gather(*frames, return_exceptions=True)
    assert [type(end) for end in ends] == [NotReady, SessionGone, SessionGone]
    gate.open()
    await unload
    await engine.aclose()


async def test_the_metrics_forget_how_a_model_was_that_is_gone() -> None:
    engine = await engine_of(Maker(FakeModel, "segment"))
    await ask(engine, "tracker")

    def shown(kind: str) -> set[str]:
        return {
            family.name
            for family in engine.registry.collect()
            for sample in family.samples
            if family.type == kind and sample.labels.get("model") == "tracker"
        }

    counted = shown("counter")
    assert {"maskd_replica_up", "maskd_model_memory_bytes"} < shown("gauge")
    await engine.unload("tracker")
    assert shown("gauge") == set()
    assert shown("counter") == counted != set()
    await engine.load("tracker")
    assert engine.registry.get_sample_value(
        "maskd_replica_up", {"model": "tracker", "device": "cpu"}
    )
    await engine.aclose()


class Leaving(FakeVideoPredictor):
    """A tracker whose `call`, once that is named, makes something happen some turns later."""

    call = ""

    def __init__(self, happen: Callable[[], object], turns: int) -> None:
        super().__init__()
        self._loop, self._happen, self._turns = asyncio.get_running_loop(), happen, turns

    def start(self, *given: Any) -> Any:
        self._begin("start")
        return super().start(*given)

    def restore(self, *given: Any) -> Any:
        self._begin("restore")
        return super().restore(*given)

    def _begin(self, call: str) -> None:
        if call == self.call:
            self._loop.call_soon_threadsafe(self._wait, self._turns)

    def _wait(self, turns: int) -> None:
        if turns:
            self._loop.call_soon(self._wait, turns - 1)
        else:
            self._happen()


@pytest.mark.parametrize("call", ["start", "restore"])
@pytest.mark.parametrize("turns", range(8))
async def test_at_whatever_moment_a_tracker_goes_no_session_of_it_is_left(
    tmp_path: Path, call: str, turns: int
) -> None:
    def leave() -> None:
        engine._pool.remove("tracker", "The model was unloaded.")
        engine.sessions.leave("tracker")

    tracker = Leaving(leave, turns)
    engine = await engine_of(Maker(lambda: tracker, "track"), session_dir=str(tmp_path))
    way: Awaitable[Any] = open_session(engine)
    if call == "restore":
        session_id = (await way).status.id
        await engine.unload("tracker", ends_sessions=True)
        await engine.load("tracker")
        way = engine.sessions.inspect(session_id)
    tracker.call = call
    (end,) = await asyncio.gather(way, return_exceptions=True)
    await loop_turns()
    assert engine.sessions.list() == ()
    assert isinstance(end, NotReady | Opened | SessionStatus), end
    await engine.aclose()
