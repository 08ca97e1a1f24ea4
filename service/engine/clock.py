"""Time as the engine sees it: injected, so that tests can move it by hand."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """A call that is still to come."""

    def cancel(self) -> None:
        """Make it never come."""
        ...


class Clock(Protocol):
    """Seconds that only grow, and calls at a given one of them."""

    def now(self) -> float:
        """Return the seconds since some fixed moment; callable from any thread."""
        ...

    def wall(self) -> float:
        """Return the seconds since 1970 in UTC; they compare between machines, but may jump."""
        ...

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        """Call back on the event loop at `when` or just after."""
        ...


class MonotonicClock:
    """The machine's own clock: deadlines are comparable with `time.monotonic()`."""

    def now(self) -> float:
        """Return monotonic seconds."""
        return time.monotonic()

    def wall(self) -> float:
        """Return what the machine takes for the time of day."""
        return time.time()

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        """Call back on the running event loop at `when` or just after."""
        # By difference: an event loop's own clock may start at another moment.
        return asyncio.get_running_loop().call_later(max(0.0, when - self.now()), callback)
