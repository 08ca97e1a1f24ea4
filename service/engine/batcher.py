"""One model's queue in front of its replicas: the asyncio shell around `policy`."""

import asyncio
import logging
import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Generic

from service.engine import policy
from service.engine.clock import Clock, Timer
from service.engine.job import Answer, Batch, Bucket, Item, Job, Output
from service.engine.policy import Limits, Reason
from service.engine.replica import End, Ran, Replica
from service.engine.stats import ModelStats
from service.errors import DeadlineExceeded, InferenceFailed, NotReady

_log = logging.getLogger("maskd.engine")


class Batcher(Generic[Item, Output]):
    """A queue, its replicas and what runs on them.

    State, on the event loop only: `_queue`, unsettled jobs in order of arrival; `_replicas` that
    live; `_running`, the batch of each busy one; `_timer`, when to look again; `_closed`, why no
    job is taken any more. `_step` brings jobs from the queue to replicas, `_deliver` from there to
    their end; `_leave` and `close` take them out before.

    Args:
        replicas: at least one, in order of preference.
        limits: gives the bounds of the next batch.
        clock: deadlines are by it.
        stats: of the model.
        on_ran: told of each stretch of work its seconds, as if all replicas shared it, and answers.
        on_lost: called when the last replica is lost.
    """

    def __init__(
        self,
        replicas: Sequence[Replica[Item, Output]],
        limits: Callable[[], Limits],
        clock: Clock,
        stats: ModelStats,
        *,
        on_ran: Callable[[float, int], object],
        on_lost: Callable[[], object],
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._stats = stats
        self._on_ran = on_ran
        self._on_lost = on_lost
        self._queue: dict[Job[Item, Output], None] = {}
        self._replicas = list(replicas)
        self._running: dict[Replica[Item, Output], Batch[Item, Output]] = {}
        self._timer: Timer | None = None
        self._closed: str | None = None
        for device in self.devices:
            stats.replica_up(device, is_up=True)
        stats.watch_queue(
            lambda: len(self._queue), lambda: len(self._running_jobs()), self._oldest_wait_s
        )

    @property
    def devices(self) -> tuple[str, ...]:
        """Where its living replicas are."""
        return tuple(replica.device.name for replica in self._replicas)

    def check_open(self) -> None:
        """Do nothing while jobs are taken.

        Raises:
            NotReady: they are not any more.
        """
        if self._closed is not None:
            raise NotReady(self._closed)

    async def run(self, item: Item, bucket: Bucket, deadline: float) -> Answer[Output]:
        """Return an item's answer; being cancelled takes it out.

        Args:
            item: for the replicas' forward pass.
            bucket: it runs only together with others of it.
            deadline: by the clock.

        Raises:
            DeadlineExceeded: it passed first.
            OutOfMemory: the item alone does not fit the device.
            InferenceFailed: the network, or its device, failed on the item.
            NotReady: the queue is closed, or was while the item waited.
        """
        self.check_open()
        job: Job[Item, Output] = Job(item, bucket, queued_at=self._clock.now(), deadline=deadline)
        self._queue[job] = None
        self._step()
        try:
            return await job.wait()
        except asyncio.CancelledError:
            self._leave(job)
            raise

    def look_again(self) -> None:
        """Decide anew, since somebody who was expected will not come."""
        self._step()

    def close(self, reason: str) -> None:
        """Take no more jobs and fail those that are here, with `reason` for their callers."""
        self._closed = reason
        for job in (*self._queue, *self._running_jobs()):
            self._settle(job, NotReady(reason))
        self._queue.clear()
        self._wake_at(math.inf)

    def _step(self) -> None:
        """Decide and act until there is nothing to do but wait."""
        while not isinstance(decision := self._decide(), policy.Wait):
            if isinstance(decision, policy.Run):
                self._start(decision.jobs, decision.reason)
            else:
                self._expire(decision.jobs)
        self._wake_at(decision.until)

    def _decide(self) -> policy.Decision[Job[Item, Output]]:
        return policy.decide(
            tuple(self._queue),
            self._running_jobs(),
            self._clock.now(),
            idle=len(self._replicas) - len(self._running),
            busy=len(self._running),
            limits=self._limits(),
        )

    def _start(self, jobs: tuple[Job[Item, Output], ...], reason: Reason) -> None:
        for job in jobs:
            del self._queue[job]
        replica = next(one for one in self._replicas if one not in self._running)
        batch = Batch(jobs[0].bucket, jobs, self._clock.now())
        self._running[replica] = batch
        self._stats.started(len(jobs), reason)
        replica.submit(batch).add_done_callback(partial(self._deliver, replica, batch))

    def _expire(self, jobs: Iterable[Job[Item, Output]]) -> None:
        for job in jobs:
            self._queue.pop(job, None)
            self._settle(job, DeadlineExceeded("The answer did not come before the deadline."))

    def _wake_at(self, until: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if math.isinf(until) else self._clock.call_at(until, self._step)

    def _deliver(
        self,
        replica: Replica[Item, Output],
        batch: Batch[Item, Output],
        work: asyncio.Future[Ran[Item, Output]],
    ) -> None:
        """Settle a batch that has run, or died with its replica."""
        del self._running[replica]
        lost = work.exception()
        if lost is None:
            self._measure(batch, work.result())
            for job, end in work.result().ends:
                self._settle(job, end)
        else:
            for job in batch.jobs:
                self._settle(job, InferenceFailed("The device failed on this picture."))
            self._bury(replica, lost)
        self._step()

    def _measure(self, batch: Batch[Item, Output], ran: Ran[Item, Output]) -> None:
        """Tell what the batch took, unless all its jobs were gone before it ran."""
        if ran.ends:
            self._stats.ran(ran.run_s)
            seconds = self._clock.now() - batch.started
            self._on_ran(seconds / len(self._replicas), len(ran.ends))

    def _bury(self, replica: Replica[Item, Output], lost: BaseException) -> None:
        name = replica.device.name
        _log.critical("a replica on %s is lost", name, exc_info=lost)
        self._replicas.remove(replica)
        self._stats.replica_up(name, is_up=False)
        if not self._replicas:
            self.close("The model has lost all its devices.")
            self._on_lost()

    def _leave(self, job: Job[Item, Output]) -> None:
        """Forget a job whose caller is gone, unless its end came first."""
        if job.is_abandoned:
            self._queue.pop(job, None)
            self._stats.ended("cancelled")

    def _settle(self, job: Job[Item, Output], end: End[Output]) -> None:
        if job.settle(end):
            self._stats.settled(job, end)

    def _oldest_wait_s(self) -> float:
        oldest = next(iter(self._queue), None)
        return 0.0 if oldest is None else self._clock.now() - oldest.queued_at

    def _running_jobs(self) -> tuple[Job[Item, Output], ...]:
        """Jobs on replicas that somebody still waits for."""
        jobs = (job for batch in self._running.values() for job in batch.jobs)
        return tuple(job for job in jobs if not job.is_settled)
