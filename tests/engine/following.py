"""An engine with a tracker, and sessions of it."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from service.engine.engine import Engine
from service.engine.sessions.records import (
    FrameAnswer,
    MaskPrompt,
    NewObject,
    Opened,
    SessionStatus,
)
from service.settings import Settings
from tests.engine.asking import FOREVER
from tests.fake_tracker import FakeVideoPredictor
from tests.fakes import FakeLoader, ManualClock

SIZE = (12, 16)


def frame(value: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    return np.full((*size, 3), value, np.uint8)


def mask(size: tuple[int, int] = SIZE) -> np.ndarray:
    drawn = np.zeros(size, bool)
    drawn[2:6, 3:9] = True
    return drawn


def drawn(object_id: int | None = None, label: str | None = None) -> NewObject:
    return NewObject(MaskPrompt(mask()), object_id, label)


async def engine_with(
    tracker: FakeVideoPredictor | None = None,
    clock: ManualClock | None = None,
    others: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Engine:
    models = {"tracker": tracker or FakeVideoPredictor(), **(others or {})}
    settings = Settings(models=tuple(models), devices=("cpu",), **changes)
    loader = FakeLoader(
        models, {"tracker": "track", "boxer": "track", "finder": "detect", "painter": "semantic"}
    )
    engine = Engine(settings, loader=loader, clock=clock)
    await engine.start()
    return engine


async def open_session(
    engine: Engine,
    value: int = 0,
    objects: Any = None,
    deadline: float = FOREVER,
    model: str = "tracker",
) -> Opened:
    with engine.admit(model, 10, deadline) as ticket:
        async with asyncio.timeout(10):
            return await engine.sessions.open(
                ticket, frame(value), [drawn()] if objects is None else objects
            )


async def advance(
    engine: Engine,
    session_id: str,
    value: int,
    index: int | None = None,
    deadline: float = FOREVER,
    size: tuple[int, int] = SIZE,
) -> FrameAnswer:
    with engine.admit("tracker", 10, deadline) as ticket:
        async with asyncio.timeout(10):
            return await engine.sessions.advance(ticket, session_id, frame(value, size), index)


async def add(
    engine: Engine, session_id: str, objects: Sequence[NewObject], deadline: float = FOREVER
) -> SessionStatus:
    with engine.admit("tracker", 10, deadline) as ticket:
        async with asyncio.timeout(10):
            return await engine.sessions.add_objects(ticket, session_id, objects)
