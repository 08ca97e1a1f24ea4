"""A tracker on several devices: each session stays with one, others take over when it dies."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from service.engine.engine import Engine
from service.engine.replica import Replica
from service.engine.tracker import forward_of
from service.errors import InferenceFailed, NotReady, SessionGone
from tests.engine.following import advance, engine_with, open_session
from tests.engine.test_session_snapshots import written
from tests.fake_tracker import FakeVideoPredictor, seen
from tests.fakes import FakeDevice, ManualClock


class Stand:
    """An engine whose tracker runs on two devices, which die when told."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.predictors = [FakeVideoPredictor(fail=self._live) for _ in range(2)]
        self.is_deadly = False
        self.threads = [ThreadPoolExecutor(1) for _ in range(2)]
        replicas: list[Replica[Any, Any]] = [
            Replica(
                forward_of(predictor),
                device=FakeDevice(f"fake:{index}"),
                thread=thread,
                clock=engine._clock,
            )
            for index, (predictor, thread) in enumerate(
                zip(self.predictors, self.threads, strict=True)
            )
        ]
        engine._pool.fill(
            [
                engine._assembly._assemble(
                    "tracker", "aot_demo", "track", self.predictors[0], replicas
                )
            ]
        )

    def steps(self) -> list[int]:
        return [len([one for one in fake.calls if one[0] == "step"]) for fake in self.predictors]

    def _live(self, _: Any) -> None:
        if self.is_deadly:
            raise SystemExit


@pytest.fixture(params=["disk", "memory"])
async def stand(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stand]:
    folder = str(tmp_path) if request.param == "disk" else ""
    changes = {"session_dir": folder, "session_gather_ms": 0.0, "session_snapshot_frames": 1}
    made = Stand(await engine_with(clock=ManualClock(), **changes))
    yield made
    await made.engine.aclose()
    for thread in made.threads:
        thread.shutdown()


async def test_sessions_are_spread_and_each_stays_where_it_is(stand: Stand) -> None:
    engine = stand.engine
    ids = [(await open_session(engine)).status.id for _ in range(4)]
    for index, session_id in enumerate([ids[0], ids[0], ids[1], ids[2], ids[2]]):
        await advance(engine, session_id, index)
    assert stand.steps() == [4, 1]
    assert engine.models()[0].devices == ("fake:0", "fake:1")


async def test_when_a_device_dies_the_others_go_on(stand: Stand) -> None:
    engine = stand.engine
    ids = [(await open_session(engine, value)).status.id for value in (10, 20)]
    for session_id in ids:
        await advance(engine, session_id, 1)
    stand.is_deadly = True
    with pytest.raises(InferenceFailed):
        await advance(engine, ids[0], 2)
    stand.is_deadly = False
    assert not engine.failed.is_set()
    assert engine.models()[0].devices == ("fake:1",)
    assert seen((await advance(engine, ids[1], 2)).objects) == (20, 1, 2)
    opened = await open_session(engine, 30)
    assert seen((await advance(engine, opened.status.id, 1)).objects) == (30, 1)
    if engine.sessions._disk._keeper is None:
        with pytest.raises(SessionGone) as gone:
            await advance(engine, ids[0], 2)
        assert gone.value.reason == "lost"
    else:
        await written(engine)
        assert seen((await advance(engine, ids[0], 2, index=2)).objects) == (10, 1, 2)


async def test_when_the_last_device_dies_the_process_must_end(stand: Stand) -> None:
    engine = stand.engine
    ids = [(await open_session(engine)).status.id for _ in range(2)]
    stand.is_deadly = True
    for session_id in ids:
        assert not engine.failed.is_set()
        with pytest.raises(InferenceFailed):
            await advance(engine, session_id, 1)
    assert engine.failed.is_set()
    assert engine.models()[0].state == "failed"
    with pytest.raises(NotReady):
        await open_session(engine)
