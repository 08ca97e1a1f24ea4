"""One model on one device, run from one thread; only here are devices and threads touched.

A network's own failures end where they belong: a failing pass is tried again picture by picture,
one that does not fit the device in halves, and a device that is lost takes its replica with it.
"""

import asyncio
import contextvars
import gc
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic

import torch

from service.engine.clock import Clock
from service.engine.job import Answer, Batch, Item, Job, Output
from service.errors import InferenceFailed, OutOfMemory, ServiceError

_log = logging.getLogger("maskd.engine")

# The ways besides its own exception in which torch says that memory is short.
_OUT_OF_MEMORY_TEXTS = (
    "DefaultCPUAllocator: can't allocate memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDA error: out of memory",
)

End = Answer[Output] | ServiceError


@dataclass(frozen=True)
class Ran(Generic[Item, Output]):
    """What became of a batch.

    Attributes:
        ends: of its jobs, but for those that had ended before.
        run_s: seconds that the thread took.
    """

    ends: tuple[tuple[Job[Item, Output], End[Output]], ...]
    run_s: float


class DeviceLost(Exception):
    """Nothing runs on the device any more in this process."""


class Device:
    """A processor that networks run on.

    Args:
        name: torch's, such as "cpu" or "cuda:0".
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def make_current(self) -> None:
        """Let what the calling thread runs without naming a device run here."""
        torch.get_device_module(self.name).set_device(self.name)

    def is_alive(self) -> bool:
        """Return whether work can still be sent to it: a broken CUDA context stays broken."""
        try:
            torch.get_device_module(self.name).synchronize(self.name)
        except RuntimeError:
            return False
        return True

    def held_bytes(self) -> int:
        """Return what torch holds of its memory, in use or in reserve."""
        return int(torch.cuda.memory_reserved(self.name))

    def free_memory(self) -> None:
        """Give what torch holds in reserve back to the device."""
        gc.collect()
        torch.cuda.empty_cache()


def new_thread(device: Device) -> Executor:
    """Return a thread for the replicas of a device."""
    return ThreadPoolExecutor(
        max_workers=1,
        thread_name_prefix=f"replica-{device.name}",
        initializer=device.make_current,
    )


class Replica(Generic[Item, Output]):
    """A model's forward pass on one device, run by one thread.

    It keeps nothing of a batch. `submit` is called on the event loop, all else runs in the thread.

    Args:
        forward: items and options in, one output an item, in order.
        device: where it runs.
        thread: of one worker. Replicas that share a processor share it: each then runs with all
            its cores in turn, instead of all in each other's way.
        clock: callable from any thread.
    """

    def __init__(
        self,
        forward: Callable[..., Sequence[Output]],
        *,
        device: Device,
        thread: Executor,
        clock: Clock,
    ) -> None:
        self.device = device
        self._forward = forward
        self._thread = thread
        self._clock = clock

    def submit(self, batch: Batch[Item, Output]) -> asyncio.Future[Ran[Item, Output]]:
        """Run a batch; any exception of the future means that this replica is lost."""
        return asyncio.wrap_future(self._thread.submit(self._work, batch))

    async def warm_up(self, call: Callable[[], object]) -> None:
        """Make a call in the thread, for what a first pass alone has to do; raise what it raises.

        Args:
            call: runs the network once.
        """
        await asyncio.wrap_future(self._thread.submit(call))

    def _work(self, batch: Batch[Item, Output]) -> Ran[Item, Output]:
        started = self._clock.now()
        jobs = [job for job in batch.jobs if not job.is_settled]
        made = self._attempt(jobs, dict(batch.bucket.options))
        run_s = self._clock.now() - started
        ends = (
            one if isinstance(one, ServiceError) else Answer(one[0], started, run_s, one[1])
            for one in made
        )
        return Ran(tuple(zip(jobs, ends, strict=True)), run_s)

    def _attempt(
        self, jobs: Sequence[Job[Item, Output]], options: dict[str, Any]
    ) -> list[tuple[Output, int] | ServiceError]:
        """Each job's output with the size of its pass, or what went wrong with it alone."""
        if not jobs:
            return []
        # What is logged of one job carries its request.
        context = jobs[0].context if len(jobs) == 1 else contextvars.Context()
        made = context.run(self._pass, [job.item for job in jobs], options)
        # Only here, when the exception and the tensors in its frames are gone, can memory be freed.
        if not isinstance(made, ServiceError):
            return [(output, len(jobs)) for output in made]
        is_full = isinstance(made, OutOfMemory)
        if is_full:
            self.device.free_memory()
        if len(jobs) == 1:
            return [made]
        step = (len(jobs) + 1) // 2 if is_full else 1
        parts = (jobs[start : start + step] for start in range(0, len(jobs), step))
        return [end for part in parts for end in self._attempt(part, options)]

    def _pass(self, items: list[Item], options: dict[str, Any]) -> list[Output] | ServiceError:
        """Run once: the outputs, or what to say if no smaller pass does better.

        Raises:
            DeviceLost: the failure took the device with it.
        """
        size, device = len(items), self.device.name
        try:
            return _counted(self._forward(items, **options), size)
        except Exception as error:
            if _is_out_of_memory(error):
                _log.warning("%d at once do not fit %s", size, device)
                return OutOfMemory("The device has too little memory for this picture.")
            _log.exception("a pass of %d failed on %s", size, device)
            if not self.device.is_alive():
                raise DeviceLost(device) from error
            return InferenceFailed("The network failed on this picture.")


def resolve_devices(names: Sequence[str], cuda_count: int | None = None) -> tuple[str, ...]:
    """Return the devices that the settings mean, each once.

    Args:
        names: "cpu", "cuda", "cuda:<n>", or "auto" for all CUDA devices, else the CPU.
        cuda_count: CUDA devices to choose from; None: those of this machine.

    Raises:
        ValueError: a name is none of these, or the machine has no such device.
    """
    count = torch.cuda.device_count() if cuda_count is None else cuda_count
    cuda = tuple(f"cuda:{index}" for index in range(count))
    known = {"auto": cuda or ("cpu",), "cpu": ("cpu",), **{name: (name,) for name in cuda}}
    if cuda:
        known["cuda"] = cuda[:1]
    for name in names:
        if name not in known:
            raise ValueError(f"device {name!r} is not here; there are {', '.join(known)}")
    return tuple(dict.fromkeys(device for name in names for device in known[name]))


def _counted(outputs: Sequence[Output], size: int) -> list[Output]:
    """The outputs, if there are as many as there were items."""
    if len(outputs) != size:
        raise ValueError(f"{len(outputs)} outputs for {size} items")
    return list(outputs)


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(
        text in str(error) for text in _OUT_OF_MEMORY_TEXTS
    )
