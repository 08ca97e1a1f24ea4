"""One picture's stay in the engine, from the queue to its single settlement."""

import asyncio
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from service.errors import ServiceError


@dataclass(frozen=True)
class Prediction:
    """The network's answer to one picture and how it came about.

    Attributes:
        output: a record of `models.outputs`.
        queue_wait_s: from joining the queue to the start of the forward pass.
        run_s: of the forward pass, retries included.
        batch_size: pictures that shared it.
    """

    output: Any
    queue_wait_s: float
    run_s: float
    batch_size: int


@dataclass(eq=False)
class Job:
    """One picture that waits for its answer.

    It settles once: with a prediction, an error, or by its waiter's leaving (deadline or client),
    whichever comes first; what comes later is dropped. Lives on the event loop only.

    Attributes:
        image: [h, w, 3] uint8, RGB.
        options: of the predictor's call.
        bucket: jobs of equal buckets may share a forward pass.
        queued_at: event loop seconds.
        deadline: event loop seconds.
    """

    image: np.ndarray
    options: Mapping[str, Any]
    bucket: Hashable
    queued_at: float
    deadline: float
    _settled: asyncio.Future[Prediction] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def succeed(self, prediction: Prediction) -> None:
        """Settle with an answer, unless settled."""
        if not self._settled.done():
            self._settled.set_result(prediction)

    def fail(self, error: ServiceError) -> None:
        """Settle with an error, unless settled."""
        if not self._settled.done():
            self._settled.set_exception(error)

    async def settled(self) -> Prediction:
        """Return the prediction or raise the error; cancelling the wait settles the job."""
        return await self._settled
