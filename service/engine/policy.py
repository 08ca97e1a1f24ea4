"""What one model's queue does next: pure decisions on what is known.

Nothing here waits, settles or looks into a job, so every rule can be tried on every queue.
"""

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Generic, Literal, Protocol, TypeVar


class Queued(Protocol):
    """What the policy knows of a job; see `service.engine.job.Job`."""

    @property
    def bucket(self) -> Hashable:
        """Jobs of equal buckets may share a forward pass."""
        ...

    @property
    def queued_at(self) -> float:
        """When it joined the queue, seconds."""
        ...

    @property
    def deadline(self) -> float:
        """When an answer becomes useless, seconds."""
        ...


J = TypeVar("J", bound=Queued)
Reason = Literal["full", "idle", "waited"]


@dataclass(frozen=True)
class Limits:
    """Bounds of a batch.

    Attributes:
        max_batch_size: jobs in it.
        max_wait_ms: longest wait of a job for company while a replica is free and another runs.
    """

    max_batch_size: int
    max_wait_ms: float


@dataclass(frozen=True)
class Run(Generic[J]):
    """Run these now.

    Attributes:
        jobs: of one bucket, oldest first.
        reason: `full`: no more fit; `idle`: nothing else ran; `waited`: they waited long enough.
    """

    jobs: tuple[J, ...]
    reason: Reason


@dataclass(frozen=True)
class Expire(Generic[J]):
    """End these: their deadline has passed."""

    jobs: tuple[J, ...]


@dataclass(frozen=True)
class Wait:
    """Do nothing until something changes, at the latest until `until` (infinite: no time will)."""

    until: float


Decision = Run[J] | Expire[J] | Wait


def decide(
    queue: Sequence[J], running: Sequence[J], now: float, *, idle: int, busy: int, limits: Limits
) -> Decision[J]:
    """Return what to do now.

    Whoever is late ends, running or not. An idle model runs its oldest job at once, with those of
    the same bucket that wait too. Where one replica runs and another is free, waiting a little
    makes better batches: jobs gather until a batch is full or the oldest of all has waited
    `max_wait_ms`. From then on the oldest goes before any other bucket's full batch, so that none
    starves.

    Args:
        queue: jobs that wait, oldest first.
        running: unsettled jobs on replicas.
        now: seconds, by the clock of the jobs' times.
        idle: replicas that could start.
        busy: replicas that run.
        limits: bounds of a batch.
    """
    first_deadline = min((job.deadline for job in (*queue, *running)), default=math.inf)
    if first_deadline <= now:
        return Expire(tuple(job for job in (*queue, *running) if job.deadline <= now))
    if not queue or not idle:
        return Wait(first_deadline)
    gathered_at = queue[0].queued_at + limits.max_wait_ms / 1e3
    run = _gathered(queue, limits, must_run=not busy, has_waited=now >= gathered_at)
    return run or Wait(min(gathered_at, first_deadline))


def _gathered(
    queue: Sequence[J], limits: Limits, *, must_run: bool, has_waited: bool
) -> Run[J] | None:
    """The batch that need not gather any longer, if there is one."""
    oldest = _batch(queue, queue[0].bucket, limits)
    if len(oldest) == limits.max_batch_size:
        return Run(oldest, "full")
    if must_run:
        return Run(oldest, "idle")
    if has_waited:
        return Run(oldest, "waited")
    counts = Counter(job.bucket for job in queue)
    full = next((bucket for bucket in counts if counts[bucket] >= limits.max_batch_size), None)
    return None if full is None else Run(_batch(queue, full, limits), "full")


def _batch(queue: Sequence[J], bucket: Hashable, limits: Limits) -> tuple[J, ...]:
    """The oldest jobs of a bucket, as many as fit."""
    return tuple(islice((job for job in queue if job.bucket == bucket), limits.max_batch_size))
