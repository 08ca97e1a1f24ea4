"""An engine with fake networks, and one picture asked of it."""

import asyncio
import math
from collections.abc import Hashable, Mapping
from typing import Any

from service.engine.engine import Engine, Prediction
from service.settings import Settings
from tests.fakes import FakeLoader, ManualClock, picture

FOREVER = math.inf


def engine_of(
    models: Mapping[str, Any], clock: ManualClock | None = None, **changes: Any
) -> Engine:
    settings = Settings(models=tuple(models), devices=("cpu",), **changes)
    return Engine(settings, loader=FakeLoader(models, {"finder": "detect"}), clock=clock)


async def ask(
    engine: Engine,
    model: str = "fake",
    options: Mapping[str, Hashable] | None = None,
    deadline: float = FOREVER,
) -> Prediction:
    image = picture()
    with engine.admit(model, image.shape[0] * image.shape[1], deadline) as ticket:
        async with asyncio.timeout(10):  # so that a job without an end ends the test
            return await engine.predict(ticket, image, options or {})


def metric(engine: Engine, name: str, **labels: str) -> float | None:
    return engine.registry.get_sample_value(f"maskd_{name}", {"model": "fake", **labels})
