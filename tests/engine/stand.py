"""A batcher on a test stand: time, threads and devices are moved by hand."""

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Any

from prometheus_client import CollectorRegistry

from service.engine.batcher import Batcher
from service.engine.job import Answer, Bucket
from service.engine.policy import Limits
from service.engine.replica import Replica
from service.engine.stats import ModelStats, Stats
from tests.fakes import FakeDevice, ManualClock, ManualThread, loop_turns


def echo(items: Sequence[Any], **_: Any) -> list[Any]:
    return list(items)


class Stand:
    """`passes` are the items of each forward pass so far, `paces` what `on_ran` was told."""

    def __init__(
        self,
        replicas: int = 1,
        forward: Callable[..., Sequence[Any]] = echo,
        limits: Limits = Limits(max_batch_size=4, max_wait_ms=10.0),  # noqa: B008
    ) -> None:
        self.forward = forward
        self.clock = ManualClock()
        self.registry = CollectorRegistry()
        self.devices = [FakeDevice(f"fake:{index}") for index in range(replicas)]
        self.threads = [ManualThread() for _ in range(replicas)]
        self.passes: list[list[Any]] = []
        self.paces: list[tuple[float, int]] = []
        self.lost = 0
        self.batcher: Batcher[Any, Any] = Batcher(
            [
                Replica(self._forward, device=device, thread=thread, clock=self.clock)
                for device, thread in zip(self.devices, self.threads, strict=True)
            ],
            lambda: limits,
            self.clock,
            ModelStats(Stats(self.registry), "fake"),
            on_ran=lambda seconds, answers: self.paces.append((seconds, answers)),
            on_lost=self._count_lost,
        )

    async def submit(
        self, item: Any, bucket: str = "a", deadline: float = math.inf
    ) -> "asyncio.Task[Answer[Any]]":
        task = asyncio.ensure_future(self._run(item, bucket, deadline))
        await loop_turns()
        return task

    async def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await loop_turns()

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"maskd_{name}", {"model": "fake", **labels}) or 0.0

    def outcomes(self) -> dict[str, float]:
        return {
            sample.labels["outcome"]: sample.value
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name == "maskd_jobs_total"
        }

    async def _run(self, item: Any, bucket: str, deadline: float) -> Answer[Any]:
        async with asyncio.timeout(10):  # so that a job without an end ends the test
            return await self.batcher.run(item, Bucket(bucket), deadline)

    def _forward(self, items: Sequence[Any], **options: Any) -> Sequence[Any]:
        self.passes.append(list(items))
        return self.forward(items, **options)

    def _count_lost(self) -> None:
        self.lost += 1
