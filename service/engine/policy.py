"""What one model's queue does next: pure decisions on what is known.

Nothing here waits, settles or looks into a job, so every rule can be tried on every queue.
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
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


Company = Mapping[Hashable, float]


@dataclass(frozen=True)
class Limits:
    """Bounds of a batch.

    Attributes:
        max_batch_size: jobs in it.
        max_wait_ms: longest wait of a job for company while a replica is free and another runs.
        company: bucket -> until when more jobs of it are expected; none where it is not listed.
    """

    max_batch_size: int
    max_wait_ms: float
    company: Company = field(default_factory=dict)


@dataclass(frozen=True)
class Run(Generic[J]):
    """Run these now.

    Attributes:
        jobs: of one bucket, oldest first.
        reason: `full`: no more fit; `idle`: nothing else ran, and nobody was expected any more;
            `waited`: they waited long enough.
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
    queue: Sequence[J],
    running: Sequence[J],
    now: float,
    *,
    idle: int,
    busy: int,
    limits: Limits,
) -> Decision[J]:
    """Return what to do now.

    Whoever is late ends, running or not. An idle model runs its oldest job at once, with those of
    the same bucket that wait too. Where waiting a little makes better batches, jobs gather: while
    one replica runs and another is free, until a batch is full or its oldest has waited
    `max_wait_ms`; where others are known to come soon, until they must have come. Of those that
    need not gather any longer the one with the oldest job goes first, so that none starves.

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
    until = first_deadline
    for bucket in dict.fromkeys(job.bucket for job in queue):
        batch = _batch(queue, bucket, limits)
        if len(batch) == limits.max_batch_size:
            return Run(batch, "full")
        gathered_at = limits.company.get(bucket, -math.inf)
        if busy:
            gathered_at = max(gathered_at, batch[0].queued_at + limits.max_wait_ms / 1e3)
        if now >= gathered_at:
            return Run(batch, "waited" if busy else "idle")
        until = min(until, gathered_at)
    return Wait(until)


def _batch(queue: Sequence[J], bucket: Hashable, limits: Limits) -> tuple[J, ...]:
    """The oldest jobs of a bucket, as many as fit."""
    return tuple(islice((job for job in queue if job.bucket == bucket), limits.max_batch_size))
