import asyncio
import gc

import pytest

from service.engine.job import Answer, Bucket, Job
from service.errors import InferenceFailed

ANSWER = Answer("output", started=0.0, run_s=1.0, batch_size=1)


def job_of() -> Job[str, str]:
    return Job("item", Bucket("shape"), queued_at=0.0, deadline=9.0)


def test_the_order_of_options_makes_no_other_bucket() -> None:
    first = Bucket.of((1, 2), {"a": 1, "b": 2})
    assert first == Bucket.of((1, 2), {"b": 2, "a": 1})
    assert first != Bucket.of((1, 2), {"a": 1, "b": 3})
    assert first != Bucket.of((2, 1), {"a": 1, "b": 2})


def test_options_that_cannot_be_compared_fail_for_their_own_caller() -> None:
    with pytest.raises(TypeError):
        Bucket.of((1, 2), {"labels": [1]})  # type: ignore[dict-item]


async def test_the_first_end_is_the_only_one() -> None:
    job = job_of()
    assert job.settle(ANSWER)
    assert not job.settle(InferenceFailed("late"))
    assert await job.wait() == ANSWER


async def test_an_error_is_raised_where_the_answer_is_awaited() -> None:
    job = job_of()
    job.settle(InferenceFailed("bad"))
    with pytest.raises(InferenceFailed, match="bad"):
        await job.wait()


async def test_being_cancelled_while_waiting_settles_the_job() -> None:
    job = job_of()
    waiting = asyncio.ensure_future(job.wait())
    await asyncio.wait([waiting], timeout=0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert job.is_abandoned
    assert not job.settle(ANSWER)


async def test_an_error_that_nobody_fetches_leaves_no_complaint() -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    job_of().settle(InferenceFailed("bad"))
    gc.collect()
    assert complaints == []
