"""Whose turn it is: requests of one session, one at a time, in order of arrival, to their end."""

import asyncio
import math
from collections import deque
from collections.abc import Coroutine
from functools import partial
from typing import Any, TypeVar

from service.engine.clock import Clock
from service.errors import DeadlineExceeded, SessionBusy

Result = TypeVar("Result")

_RETRY_AFTER_S = 1.0


class Turns:
    """One session's requests.

    State, on the event loop only: `_is_taken`; `_line`, those that wait, in order of arrival.

    Args:
        clock: deadlines are by it.
        max_waiting: requests in the line.
    """

    def __init__(self, clock: Clock, max_waiting: int) -> None:
        self._clock = clock
        self._max_waiting = max_waiting
        self._is_taken = False
        self._line: deque[asyncio.Future[bool]] = deque()

    @property
    def is_taken(self) -> bool:
        """Whether a request has its turn."""
        return self._is_taken

    async def take(self, deadline: float) -> None:
        """Return when it is the caller's turn, who must then `pass_on`; being cancelled gives up.

        Raises:
            SessionBusy: too many wait already.
            DeadlineExceeded: the turn did not come before the deadline.
        """
        if not self._is_taken:
            self._is_taken = True
            return
        if len(self._line) >= self._max_waiting:
            raise SessionBusy(
                "Too many requests wait for this session.",
                retry_after_s=_RETRY_AFTER_S,
                limit=self._max_waiting,
                actual=len(self._line) + 1,
            )
        await self._wait(deadline)

    def pass_on(self) -> None:
        """Give the turn to the next in the line, if there is one."""
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(True)
                return
        self._is_taken = False

    async def _wait(self, deadline: float) -> None:
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        timer = None
        if not math.isinf(deadline):
            timer = self._clock.call_at(deadline, partial(self._expire, turn))
        try:
            is_mine = await turn
        except asyncio.CancelledError:
            self._give_up(turn)
            raise
        finally:
            if timer is not None:
                timer.cancel()
        if not is_mine:
            raise DeadlineExceeded("The session's earlier requests took until the deadline.")

    def _expire(self, turn: "asyncio.Future[bool]") -> None:
        if not turn.done():
            self._line.remove(turn)
            turn.set_result(False)

    def _give_up(self, turn: "asyncio.Future[bool]") -> None:
        """Leave the line, or pass on the turn that came in the very moment of leaving."""
        if turn in self._line:
            self._line.remove(turn)
        elif turn.done() and not turn.cancelled() and turn.result():
            self.pass_on()


class Undisturbed:
    """Work that goes on to its end when its caller leaves.

    State, on the event loop only: `_working`, what goes on.
    """

    def __init__(self) -> None:
        self._working: set[asyncio.Task[Any]] = set()

    async def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Return what the work gives; being cancelled leaves it to itself."""
        task = asyncio.ensure_future(work)
        self._working.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    async def wait(self) -> None:
        """Return once nothing goes on any more."""
        if self._working:
            await asyncio.wait(self._working)

    def _done(self, task: "asyncio.Task[Any]") -> None:
        self._working.discard(task)
        if not task.cancelled():
            task.exception()  # taken, so that nobody complains where no caller is left
