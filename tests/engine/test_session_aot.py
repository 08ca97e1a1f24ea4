"""A real network behind sessions: together as alone, and after a kill as if nothing had been."""

import asyncio
import math
from pathlib import Path
from typing import Any

import numpy as np

from models import rle
from models.outputs import TrackStep
from service.engine.engine import Engine
from service.engine.sessions.records import FrameAnswer, MaskPrompt, NewObject
from service.settings import Settings
from tests.engine.asking import FOREVER
from tests.engine.test_session_snapshots import kill
from tests.fakes import FakeLoader
from tests.families import aot_tiny

COUNTS = (1, 2, 5)  # objects of the sessions; the last are more than one group of the network
CLIPS = [aot_tiny.clip(7, seed=seed) for seed in range(len(COUNTS))]


async def engine_of(predictor: Any, **changes: Any) -> Engine:
    settings = Settings(models=("tracker",), devices=("cpu",), **changes)
    engine = Engine(settings, loader=FakeLoader({"tracker": predictor}, {"tracker": "track"}))
    await engine.start()
    return engine


async def open_sessions(engine: Engine) -> list[str]:
    ids = []
    for count, clip in zip(COUNTS, CLIPS, strict=True):
        told = [NewObject(MaskPrompt(one), key) for key, one in aot_tiny.masks(count).items()]
        with engine.admit("tracker", 10, FOREVER) as ticket:
            ids.append((await engine.sessions.open(ticket, clip[0], told)).status.id)
    return ids


async def advance(engine: Engine, session_id: str, frame: np.ndarray, index: int) -> FrameAnswer:
    with engine.admit("tracker", 10, FOREVER) as ticket:
        return await engine.sessions.advance(ticket, session_id, frame, index)


async def advance_all(engine: Engine, ids: list[str], index: int) -> list[FrameAnswer]:
    calls = (
        advance(engine, session_id, clip[index], index)
        for session_id, clip in zip(ids, CLIPS, strict=True)
    )
    return await asyncio.gather(*calls)


def alone(predictor: Any) -> list[list[TrackStep]]:
    """The steps of every session, each followed by itself."""
    all_steps = []
    for count, clip in zip(COUNTS, CLIPS, strict=True):
        state, first = predictor.start(clip[0], aot_tiny.masks(count))
        steps = [first]
        for frame in clip[1:]:
            (step,) = predictor.step([state], [frame])
            state = step.state
            steps.append(step)
        all_steps.append(steps)
    return all_steps


def state_of(engine: Engine, session_id: str) -> Any:
    (session,) = [one for one in engine.sessions._store if one.id == session_id]
    return session.position.state


def assert_near(answer: FrameAnswer, step: TrackStep) -> None:
    """The same masks; what is summed in another order may differ in the last digits."""
    assert [one.id for one in answer.objects] == [one.id for one in step.objects]
    for one, other in zip(answer.objects, step.objects, strict=True):
        assert (rle.decode(one.mask) == rle.decode(other.mask)).all()
        assert one.box_xyxy == other.box_xyxy
        assert math.isclose(one.score, other.score, abs_tol=1e-5)


async def test_sessions_together_are_what_each_is_alone() -> None:
    predictor = aot_tiny.predictor()
    expected = alone(predictor)
    engine = await engine_of(predictor, session_gather_ms=1000.0)
    ids = await open_sessions(engine)
    sizes = []
    for index in range(1, 7):
        answers = await advance_all(engine, ids, index)
        sizes += [answer.timing.batch_size for answer in answers]
        for answer, steps in zip(answers, expected, strict=True):
            assert_near(answer, steps[index])
    assert sizes[3:] == [3] * 15  # from the second frame on all are awaited
    await engine.aclose()


async def test_after_a_kill_every_bit_is_as_if_nothing_had_been(tmp_path: Path) -> None:
    settings = {
        "session_dir": str(tmp_path),
        "session_snapshot_frames": 2,
        "session_gather_ms": 1000.0,
    }
    first = await engine_of(aot_tiny.predictor(), **settings)
    ids = await open_sessions(first)
    for index in range(1, 5):
        await advance_all(first, ids, index)
    states = [state_of(first, session_id) for session_id in ids]
    await advance_all(first, ids, 5)
    await kill(first)

    second = await engine_of(aot_tiny.predictor(), **settings)
    for session_id, state in zip(ids, states, strict=True):
        assert (await second.sessions.inspect(session_id)).frame_index == 4
        aot_tiny.assert_same(state_of(second, session_id), state)
    await advance(second, ids[0], CLIPS[0][5], 5)
    (step,) = aot_tiny.predictor().step(states[:1], [CLIPS[0][5]])
    aot_tiny.assert_same(state_of(second, ids[0]), step.state)
    await second.aclose()
    await first.aclose()
