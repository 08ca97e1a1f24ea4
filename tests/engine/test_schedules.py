"""Whatever happens in whatever order: every job ends once, in its turn, with its own answer."""

import asyncio
import math
from collections.abc import Sequence
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from service.engine.job import Answer
from service.engine.policy import Limits
from service.errors import NotReady, ServiceError
from tests.engine.stand import Stand, echo

Step = tuple[str, Any, Any]


def fail(_: Sequence[Any]) -> list[Any]:
    raise RuntimeError("failed")


def fail_first(items: Sequence[Any]) -> list[Any]:
    return fail(items) if min(items)[1] % 3 == 0 else list(items)


def overflow(items: Sequence[Any]) -> list[Any]:
    if len(items) > 1:
        raise MemoryError
    return list(items)


def die(_: Sequence[Any]) -> list[Any]:
    raise SystemExit


PASSES = {passes.__name__: passes for passes in (echo, fail, fail_first, overflow, die)}

submit = st.tuples(st.just("submit"), st.sampled_from("abc"), st.sampled_from([1.0, 3.0, math.inf]))
cancel = st.tuples(st.just("cancel"), st.integers(0, 30), st.none())
advance = st.tuples(st.just("advance"), st.sampled_from([0.0, 0.4, 0.5, 2.0]), st.none())
work = st.tuples(
    st.just("work"),
    st.integers(0, 2),
    # Mostly what goes well, and seldom the end of a replica.
    st.sampled_from(
        ["echo"] * 8 + ["fail_first", "fail_first", "overflow", "overflow", "fail", "die"]
    ),
)
close = st.tuples(st.just("close"), st.none(), st.none())
steps = st.lists(st.one_of(submit, submit, submit, cancel, advance, work, work, work), max_size=40)


class Schedule:
    """A stand, the jobs that were given to it, and how they ended."""

    def __init__(self, replicas: int) -> None:
        self.stand = Stand(replicas, limits=Limits(max_batch_size=3, max_wait_ms=500.0))
        self.jobs: dict[tuple[str, int], asyncio.Task[Answer[Any]]] = {}

    async def submit(self, bucket: str, timeout_s: float) -> None:
        if not self.is_closed:
            item = (bucket, len(self.jobs))
            deadline = self.stand.clock.now() + timeout_s
            self.jobs[item] = await self.stand.submit(item, bucket, deadline)

    @property
    def is_closed(self) -> bool:
        try:
            self.stand.batcher.check_open()
        except NotReady:
            return True
        return False

    async def cancel(self, index: int, _: None) -> None:
        if self.jobs:
            [*self.jobs.values()][index % len(self.jobs)].cancel()
            await self.stand.advance(0.0)

    async def advance(self, seconds: float, _: None) -> None:
        await self.stand.advance(seconds)

    async def work(self, index: int, passes: str) -> None:
        thread = self.stand.threads[index % len(self.stand.threads)]
        if thread.is_busy:
            self.stand.forward = PASSES[passes]
            await thread.work()

    async def close(self, *_: None) -> None:
        self.stand.batcher.close("closed")
        await self.stand.advance(0.0)

    async def finish(self) -> None:
        while any(thread.is_busy for thread in self.stand.threads) or self.stand.clock.next_call:
            for index in range(len(self.stand.threads)):
                await self.work(index, "echo")
            await self.stand.advance(10.0)

    def check(self) -> None:
        for item, job in self.jobs.items():
            assert job.done()
            error = None if job.cancelled() else job.exception()
            assert error is None or isinstance(error, ServiceError)
            assert job.cancelled() or error or job.result().output == item
        outcomes = self.stand.outcomes()
        assert sum(outcomes.values()) == len(self.jobs)
        event(" ".join(sorted(outcomes)))
        assert self.stand.metric("queue_images") == self.stand.metric("running_images") == 0
        for items in self.stand.passes:
            assert len({bucket for bucket, _ in items}) == 1
            assert len(items) <= 3

    def check_order(self) -> None:
        """With one replica, items are first seen in the order in which their bucket's came."""
        seen = list(dict.fromkeys(item for items in self.stand.passes for item in items))
        for bucket in "abc":
            numbers = [number for name, number in seen if name == bucket]
            assert numbers == sorted(numbers)


async def run(replicas: int, steps: Sequence[Step]) -> Schedule:
    schedule = Schedule(replicas)
    for name, *arguments in steps:
        await getattr(schedule, name)(*arguments)
    await schedule.finish()
    return schedule


@given(st.integers(1, 3), steps)
def test_every_job_ends_once_under_any_schedule(replicas: int, steps: list[Step]) -> None:
    asyncio.run(run(replicas, steps)).check()


@given(st.integers(1, 3), steps, steps)
def test_every_job_ends_once_when_the_queue_is_closed_at_any_moment(
    replicas: int, before: list[Step], after: list[Step]
) -> None:
    asyncio.run(run(replicas, [*before, ("close", None, None), *after])).check()


@given(steps)
def test_no_bucket_is_reordered_under_any_schedule(steps: list[Step]) -> None:
    asyncio.run(run(1, steps)).check_order()
