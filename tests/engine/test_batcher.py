"""One test a way that a job can end, and what the queue does meanwhile."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import pytest

from service.engine.job import Answer, Bucket
from service.errors import DeadlineExceeded, InferenceFailed, NotReady, OutOfMemory
from tests.engine.stand import Stand, echo
from tests.fakes import loop_turns


async def test_a_job_ends_with_its_output() -> None:
    stand = Stand()
    job = await stand.submit("x")
    await stand.threads[0].work()
    assert (await job).output == "x"
    assert stand.outcomes() == {"ok": 1}


async def test_queue_and_run_time_are_measured_by_the_clock() -> None:
    stand = Stand()

    def slow(items: Sequence[Any]) -> list[Any]:
        stand.clock.advance(3.0)
        return list(items)

    stand.forward = slow
    job = await stand.submit("x")
    await stand.advance(2.0)
    await stand.threads[0].work()
    assert await job == Answer("x", started=2.0, run_s=3.0, batch_size=1)
    assert stand.paces == [(5.0, 1)]
    assert stand.metric("queue_wait_seconds_sum") == 2.0
    assert stand.metric("run_seconds_sum") == 3.0


async def test_jobs_that_came_while_the_replica_ran_share_its_next_pass() -> None:
    stand = Stand()
    jobs = [await stand.submit(item) for item in "xyz"]
    await stand.threads[0].work()
    await stand.threads[0].work()
    assert [(await job).batch_size for job in jobs] == [1, 2, 2]
    assert stand.passes == [["x"], ["y", "z"]]
    assert stand.metric("batches_total", reason="idle") == 2
    assert stand.metric("batch_size_sum") == 3


async def test_every_replica_works_at_the_same_time() -> None:
    stand = Stand(replicas=2)
    jobs = [await stand.submit("x")]
    jobs.append(await stand.submit("y"))
    await stand.advance(0.01)
    assert stand.metric("running_images") == 2
    for thread in stand.threads:
        await thread.work()
    assert [(await job).output for job in jobs] == ["x", "y"]
    assert stand.metric("batches_total", reason="waited") == 1


async def test_the_pace_is_shared_by_the_replicas() -> None:
    stand = Stand(replicas=2)
    await stand.submit("x")
    await stand.advance(4.0)
    await stand.threads[0].work()
    assert stand.paces == [(2.0, 1)]


async def test_a_waiting_job_ends_at_its_deadline() -> None:
    stand = Stand()
    first = await stand.submit("x")
    late = await stand.submit("y", deadline=5.0)
    await stand.advance(4.9)
    assert not late.done()
    await stand.advance(0.1)
    with pytest.raises(DeadlineExceeded):
        await late
    await stand.threads[0].work()
    assert (await first).output == "x"
    assert stand.passes == [["x"]]
    assert stand.outcomes() == {"expired": 1, "ok": 1}


async def test_a_running_job_ends_at_its_deadline_and_its_answer_is_dropped() -> None:
    stand = Stand()
    late = await stand.submit("x", deadline=5.0)
    await stand.advance(5.0)
    with pytest.raises(DeadlineExceeded):
        await late
    await stand.threads[0].work()
    assert stand.outcomes() == {"expired": 1}


async def test_a_job_that_comes_too_late_never_runs() -> None:
    stand = Stand()
    await stand.advance(5.0)
    with pytest.raises(DeadlineExceeded):
        await stand.batcher.run("x", Bucket("a"), 5.0)
    assert not stand.threads[0].is_busy


async def test_a_pass_that_nobody_waits_for_is_left_out_and_not_measured() -> None:
    stand = Stand()
    job = await stand.submit("x")
    job.cancel()
    await loop_turns()
    await stand.threads[0].work()
    assert stand.passes == []
    assert stand.paces == []
    assert stand.outcomes() == {"cancelled": 1}


async def test_a_cancelled_job_leaves_the_queue() -> None:
    stand = Stand()
    first = await stand.submit("x")
    gone = await stand.submit("y")
    gone.cancel()
    await loop_turns()
    assert stand.metric("queue_images") == 0
    await stand.threads[0].work()
    await first
    assert not stand.threads[0].is_busy
    assert stand.outcomes() == {"cancelled": 1, "ok": 1}


async def test_a_job_cancelled_while_its_answer_arrives_ends_once() -> None:
    stand = Stand()
    job = await stand.submit("x")
    work = asyncio.ensure_future(stand.threads[0].work())
    while not stand.outcomes():
        await loop_turns(1)
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    await work
    assert stand.outcomes() == {"ok": 1}


async def test_one_bad_job_fails_alone(caplog: pytest.LogCaptureFixture) -> None:
    def spoiled(items: Sequence[Any]) -> list[Any]:
        if "bad" in items:
            raise RuntimeError("a secret of the network")
        return list(items)

    stand = Stand(forward=spoiled)
    jobs = [await stand.submit(item) for item in ("first", "x", "bad", "y")]
    await stand.threads[0].work()
    await stand.threads[0].work()
    assert [(await job).batch_size for job in (jobs[1], jobs[3])] == [1, 1]
    with pytest.raises(InferenceFailed) as failure:
        await jobs[2]
    assert "secret" not in failure.value.detail
    assert "a secret of the network" in caplog.text
    assert stand.outcomes() == {"ok": 3, "failed": 1}


async def test_too_few_outputs_are_given_to_nobody() -> None:
    stand = Stand(forward=lambda items: items[:-1] if len(items) > 1 else items)
    jobs = [await stand.submit(item) for item in ("first", "x", "y")]
    await stand.threads[0].work()
    await stand.threads[0].work()
    assert [(await job).output for job in jobs] == ["first", "x", "y"]


async def test_a_batch_that_does_not_fit_is_halved_until_it_does() -> None:
    def tight(items: Sequence[Any]) -> list[Any]:
        if len(items) > 1 or items == ["huge"]:
            raise MemoryError
        return list(items)

    stand = Stand(forward=tight)
    jobs = [await stand.submit(item) for item in ("first", "x", "huge", "y", "z")]
    await stand.threads[0].work()
    await stand.threads[0].work()
    assert stand.passes[1:] == [
        ["x", "huge", "y", "z"],
        *(["x", "huge"], ["x"], ["huge"]),
        *(["y", "z"], ["y"], ["z"]),
    ]
    with pytest.raises(OutOfMemory):
        await jobs.pop(2)
    assert [(await job).output for job in jobs] == ["first", "x", "y", "z"]
    assert stand.outcomes() == {"ok": 4, "oom": 1}
    assert stand.devices[0].freed == 4


async def test_a_lost_device_fails_its_batch_and_the_others_go_on() -> None:
    stand = Stand(replicas=2)
    first = await stand.submit("x")
    second = await stand.submit("y")
    await stand.advance(0.01)
    third = await stand.submit("z")
    stand.forward = broken
    stand.devices[0].is_broken = True
    await stand.threads[0].work()
    with pytest.raises(InferenceFailed):
        await first
    assert stand.batcher.devices == ("fake:1",)
    assert stand.metric("replica_up", device="fake:0") == 0
    assert stand.lost == 0
    stand.forward = echo
    await stand.threads[1].work()
    await stand.threads[1].work()
    assert [(await second).output, (await third).output] == ["y", "z"]


async def test_the_last_lost_device_fails_whoever_waits(caplog: pytest.LogCaptureFixture) -> None:
    stand = Stand(forward=broken)
    first, waiting = await stand.submit("x"), await stand.submit("y")
    assert stand.metric("replica_up", device="fake:0") == 1
    stand.devices[0].is_broken = True
    await stand.threads[0].work()
    with pytest.raises(InferenceFailed):
        await first
    with pytest.raises(NotReady):
        await waiting
    with pytest.raises(NotReady):
        await stand.batcher.run("z", Bucket("a"), 9.0)
    assert stand.lost == 1
    assert stand.batcher.devices == ()
    assert stand.outcomes() == {"failed": 1, "closed": 1}
    assert [record.levelno for record in caplog.records][-1] == logging.CRITICAL


async def test_a_thread_that_dies_takes_its_replica_with_it() -> None:
    def dying(_: Sequence[Any]) -> list[Any]:
        raise SystemExit

    stand = Stand(forward=dying)
    first, waiting = await stand.submit("x"), await stand.submit("y")
    await stand.threads[0].work()
    with pytest.raises(InferenceFailed):
        await first
    with pytest.raises(NotReady):
        await waiting
    assert stand.lost == 1


async def test_closing_fails_what_waits_and_what_runs() -> None:
    stand = Stand()
    running, waiting = await stand.submit("x", deadline=9.0), await stand.submit("y")
    stand.batcher.close("The end.")
    for job in (running, waiting):
        with pytest.raises(NotReady, match=r"The end\."):
            await job
    with pytest.raises(NotReady):
        stand.batcher.check_open()
    assert stand.clock.next_call is None
    await stand.threads[0].work()
    assert stand.passes == []
    assert stand.outcomes() == {"closed": 2}


async def test_the_queue_can_be_watched() -> None:
    stand = Stand()
    jobs = [await stand.submit(item) for item in "xyz"]
    await stand.advance(2.0)
    assert stand.metric("queue_images") == 2
    assert stand.metric("running_images") == 1
    assert stand.metric("queue_oldest_wait_seconds") == 2.0
    stand.batcher.close("The end.")
    await asyncio.gather(*jobs, return_exceptions=True)
    assert stand.metric("queue_images") == 0
    assert stand.metric("queue_oldest_wait_seconds") == 0.0


def broken(_: Sequence[Any]) -> list[Any]:
    raise RuntimeError("an illegal memory access was encountered")
