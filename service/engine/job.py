"""One item's way through a model, from the queue to its end.

Nothing here knows what an item is: a picture, or a frame with its session's state.
"""

import asyncio
import contextvars
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from service.errors import ServiceError

Item = TypeVar("Item")
Output = TypeVar("Output")


@dataclass(frozen=True)
class Bucket:
    """What jobs of one model must have in common to share a forward pass.

    Attributes:
        shape: of the items, as far as it decides about a pass; mostly of the network's input.
        options: names and values, sorted by name; equal for every item of a pass.
    """

    shape: Hashable
    options: tuple[tuple[str, Hashable], ...] = ()

    def __post_init__(self) -> None:
        hash(self)  # what cannot be hashed fails for its own caller, not later in the queue

    @classmethod
    def of(cls, shape: Hashable, options: Mapping[str, Hashable]) -> "Bucket":
        """Return the bucket of an input shape and options in whatever order."""
        return cls(shape, tuple(sorted(options.items())))


@dataclass(frozen=True)
class Answer(Generic[Output]):
    """What a job ends with when all goes well.

    Attributes:
        output: the network's, for this item.
        started: when its batch began to run, by the engine's clock.
        run_s: seconds its batch ran, retries included.
        batch_size: items in the forward pass that made the output.
    """

    output: Output
    started: float
    run_s: float
    batch_size: int


class Job(Generic[Item, Output]):
    """One item and its end: an answer, an error, or its caller's leaving; never two of them.

    State: `_end`; set by `settle`, cancelled with the task that is in `wait`. Changed on the event
    loop only; `is_settled` may be read from any thread.

    Attributes:
        item: what the network shall see.
        bucket: what other jobs must have too to share its pass.
        queued_at: when it was made, by the engine's clock.
        deadline: by the same clock; an answer after it is of no use.
        context: of whoever made it, so that log lines about it carry their request.
    """

    def __init__(self, item: Item, bucket: Bucket, *, queued_at: float, deadline: float) -> None:
        self.item = item
        self.bucket = bucket
        self.queued_at = queued_at
        self.deadline = deadline
        self.context = contextvars.copy_context()
        # Errors travel as values: one that nobody fetches any more leaves no complaint behind.
        self._end: asyncio.Future[Answer[Output] | ServiceError] = (
            asyncio.get_running_loop().create_future()
        )

    @property
    def is_settled(self) -> bool:
        """Whether it has ended, in whichever way."""
        return self._end.done()

    @property
    def is_abandoned(self) -> bool:
        """Whether it ended by its caller's leaving."""
        return self._end.cancelled()

    def settle(self, end: Answer[Output] | ServiceError) -> bool:
        """End the job; return False, changing nothing, if it had ended before."""
        if self._end.done():
            return False
        self._end.set_result(end)
        return True

    async def wait(self) -> Answer[Output]:
        """Return the answer once there is one; being cancelled here settles the job.

        Raises:
            ServiceError: what the job ended with instead.
        """
        end = await self._end
        if isinstance(end, ServiceError):
            raise end
        return end


@dataclass(frozen=True)
class Batch(Generic[Item, Output]):
    """Jobs of one bucket that run together.

    Attributes:
        bucket: theirs.
        jobs: in order of arrival.
        started: when they left the queue, by the engine's clock.
    """

    bucket: Bucket
    jobs: tuple[Job[Item, Output], ...]
    started: float
