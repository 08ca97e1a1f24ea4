"""A few threads for what would stall the event loop: decoding, encoding, writing large JSON."""

import time
from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread

from service.errors import DeadlineExceeded

Result = TypeVar("Result")


class CodecPool:
    """Bounded threads for picture and text work.

    Args:
        threads: how many may run at once; further work waits its turn.
    """

    def __init__(self, threads: int) -> None:
        self._limiter = anyio.CapacityLimiter(threads)

    async def run(self, work: Callable[[], Result], deadline: float) -> Result:
        """Return what `work` returns, run in a thread of the pool.

        Args:
            work: what to do; once begun it is not interrupted.
            deadline: monotonic seconds until which it may wait for a thread.

        Raises:
            DeadlineExceeded: no thread was free until then.
        """
        with anyio.move_on_after(deadline - time.monotonic()):
            return await anyio.to_thread.run_sync(work, limiter=self._limiter)
        raise DeadlineExceeded("The deadline passed before the picture could be worked on.")
