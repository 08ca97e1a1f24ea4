"""What runs next and how long a refused caller should stay away: pure functions of what is known.

Nothing here waits, settles or touches a picture, so every rule can be tried on every queue.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

# Weight of the newest batch in the running mean of what a picture costs.
_NEWEST_WEIGHT = 0.2


class Waiting(Protocol):
    """What the policy knows of a job.

    Attributes:
        bucket: jobs of equal buckets may share a forward pass.
        queued_at: when it joined the queue, seconds.
        deadline: when its answer is worthless, seconds.
    """

    @property
    def bucket(self) -> Hashable: ...
    @property
    def queued_at(self) -> float: ...
    @property
    def deadline(self) -> float: ...


@dataclass(frozen=True)
class Limits:
    """Bounds of a batch.

    Attributes:
        max_batch_size: pictures in one forward pass.
        max_wait_s: longest that a job waits for company while a replica is free.
    """

    max_batch_size: int
    max_wait_s: float


@dataclass(frozen=True)
class Run:
    """Run these jobs now.

    Attributes:
        indices: positions in the queue, rising; all of one bucket.
        reason: `idle`: nothing else ran; `full`: no more fit; `waited`: the oldest waited enough.
    """

    indices: tuple[int, ...]
    reason: Literal["idle", "full", "waited"]


@dataclass(frozen=True)
class Sleep:
    """Do nothing until something changes, or until the given time.

    Attributes:
        until: seconds, or None when only a change can bring work.
    """

    until: float | None = None


def decide(
    queue: Sequence[Waiting], now: float, *, free: int, busy: int, limits: Limits
) -> Run | Sleep:
    """Return what one model's queue should do.

    While no replica runs, the oldest job runs at once with whoever of its bucket waits too. While
    one runs and another is free, jobs gather until their batch is full or the oldest has waited
    `max_wait_s`; a job that has waited so long goes before any full batch, so none starves. Jobs
    past their deadline never run.

    Args:
        queue: jobs, oldest first.
        now: seconds, on the clock of the jobs' times.
        free: replicas that could start now.
        busy: replicas that run.
        limits: bounds of a batch.
    """
    if not free:
        return Sleep()
    buckets: dict[Hashable, list[int]] = {}
    for index, job in enumerate(queue):
        if job.deadline > now:
            buckets.setdefault(job.bucket, []).append(index)
    if not buckets:
        return Sleep()
    batches = [tuple(members[: limits.max_batch_size]) for members in buckets.values()]
    oldest = batches[0]  # the queue is in order of age, and so are its buckets
    ripe_at = queue[oldest[0]].queued_at + limits.max_wait_s
    if len(oldest) == limits.max_batch_size:
        return Run(oldest, "full")
    if not busy:
        return Run(oldest, "idle")
    if now >= ripe_at:
        return Run(oldest, "waited")
    full = next((batch for batch in batches if len(batch) == limits.max_batch_size), None)
    return Run(full, "full") if full else Sleep(ripe_at)


def smoothed_cost(mean_s: float | None, batch_s: float, batch_size: int) -> float:
    """Return the running mean of seconds a picture, one batch later.

    Args:
        mean_s: the mean before it, None before the first.
        batch_s: seconds that the batch ran.
        batch_size: its pictures, at least one.
    """
    cost_s = batch_s / batch_size
    if mean_s is None:
        return cost_s
    return mean_s + _NEWEST_WEIGHT * (cost_s - mean_s)


def retry_after_s(images_ahead: int, mean_s: float | None, replicas: int) -> float:
    """Return when a refused caller may try again: when all that was admitted should be done.

    Args:
        images_ahead: pictures admitted and not yet answered.
        mean_s: seconds a picture takes one replica, None before anything was measured.
        replicas: that share the work, at least one.
    """
    if mean_s is None:
        return 1.0
    return images_ahead * mean_s / replicas
