"""A replica on a real thread, and torch's own errors; what becomes of them: see test_batcher."""

import contextvars
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch

from service.engine.clock import MonotonicClock
from service.engine.job import Answer, Batch, Bucket, Job
from service.engine.replica import Device, Replica, new_thread, resolve_devices
from service.errors import OutOfMemory
from tests.fakes import FakeDevice


async def run_one(forward: Callable[..., Sequence[Any]], device: Device | None = None) -> Any:
    """What becomes of one job on a real thread."""
    clock = MonotonicClock()
    bucket = Bucket("shape", (("score_threshold", 0.5),))
    job: Job[Any, Any] = Job("item", bucket, queued_at=clock.now(), deadline=clock.now() + 10)
    with new_thread(Device("cpu")) as thread:
        replica: Replica[Any, Any] = Replica(
            forward, device=device or FakeDevice(), thread=thread, clock=clock
        )
        ran = await replica.submit(Batch(bucket, (job,), clock.now()))
    assert [ended for ended, _ in ran.ends] == [job]
    return ran.ends[0][1]


async def test_a_pass_runs_in_the_replica_s_thread_with_the_bucket_s_options() -> None:
    def forward(items: list[str], score_threshold: float) -> list[Any]:
        return [(items[0], score_threshold, threading.current_thread().name)]

    end = await run_one(forward)
    assert isinstance(end, Answer)
    assert end.output == ("item", 0.5, "replica-cpu_0")


@pytest.mark.parametrize(
    "forward",
    [
        lambda _, **__: torch.empty(10**15),
        lambda _, **__: raise_error(torch.OutOfMemoryError("CUDA out of memory.")),
        lambda _, **__: raise_error(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when")),
        lambda _, **__: raise_error(RuntimeError("CUDA error: out of memory\nsearch for")),
    ],
)
async def test_lack_of_memory_is_told_from_other_failures(forward: Callable[..., Any]) -> None:
    device = FakeDevice()
    assert isinstance(await run_one(forward, device), OutOfMemory)
    assert device.freed == 1


async def test_what_is_logged_of_one_job_carries_its_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    request = contextvars.ContextVar("request", default="none")
    seen: list[str] = []

    def note(record: logging.LogRecord) -> bool:
        seen.append(f"{request.get()}: {record.getMessage()}")
        return True

    request.set("mine")
    caplog.handler.addFilter(note)
    try:
        await run_one(lambda _, **__: raise_error(ValueError("odd")))
    finally:
        caplog.handler.removeFilter(note)
    assert seen == ["mine: a pass of 1 failed on fake"]


def test_the_cpu_is_alive_and_frees_what_it_can() -> None:
    device = Device("cpu")
    assert device.is_alive()
    device.free_memory()
    assert device.is_alive()


def test_a_device_that_cannot_be_waited_for_is_dead() -> None:
    assert not Device("meta").is_alive()


@pytest.mark.parametrize(
    ("names", "cuda_count", "devices"),
    [
        (["auto"], 0, ("cpu",)),
        (["auto"], 2, ("cuda:0", "cuda:1")),
        (["cuda"], 2, ("cuda:0",)),
        (["cuda:1", "cpu"], 2, ("cuda:1", "cpu")),
        (["cuda", "auto"], 2, ("cuda:0", "cuda:1")),
    ],
)
def test_devices_are_resolved_each_once(
    names: list[str], cuda_count: int, devices: tuple[str, ...]
) -> None:
    assert resolve_devices(names, cuda_count) == devices


@pytest.mark.parametrize(("name", "cuda_count"), [("cuda", 0), ("cuda:2", 2), ("tpu", 1), ("", 1)])
def test_a_device_that_is_not_here_is_named(name: str, cuda_count: int) -> None:
    with pytest.raises(ValueError, match=f"device '{name}' is not here; there are auto, cpu"):
        resolve_devices([name], cuda_count)


def test_this_machine_s_own_devices_are_known() -> None:
    expected = "cuda:0" if torch.cuda.is_available() else "cpu"
    assert resolve_devices(["auto"])[0] == expected


def raise_error(error: Exception) -> Any:
    raise error
