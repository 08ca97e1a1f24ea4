"""When to try again, and when to give up: no waiting and no sending here."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from service.client.errors import MaskdError, RequestFailed, Unreachable


@dataclass(frozen=True)
class Retry:
    """How much patience a call has.

    Attributes:
        attempts: the most requests that one call sends.
        budget_s: seconds from the call's start after which none is sent again.
        first_wait_s: seconds before the second attempt where the service names none; doubled
            before each further one.
        longest_wait_s: where the service names none.
    """

    attempts: int = 5
    budget_s: float = 60.0
    first_wait_s: float = 0.25
    longest_wait_s: float = 8.0


NEVER = Retry(attempts=1)

_SPREAD = 0.2  # later than asked, at most: those refused together shall not come back together


class Patience:
    """What one call has left.

    State: `_failures` so far.

    Args:
        retry: how much there is.
        now: monotonic seconds.
    """

    def __init__(self, retry: Retry, now: Callable[[], float]) -> None:
        self._retry = retry
        self._now = now
        self._end = now() + retry.budget_s
        self._failures = 0

    def wait_s(self, error: MaskdError, *, is_repeatable: bool) -> float:
        """Return after how many seconds to try again.

        Args:
            error: what the last attempt failed with.
            is_repeatable: whether the service may do the same thing twice without harm.

        Raises:
            MaskdError: the error itself, if another attempt could not help or comes too late.
        """
        self._failures += 1
        if self._failures >= self._retry.attempts or not _may_help(error, is_repeatable):
            raise error
        wait_s = _asked(error)
        if wait_s is None:
            doubled = self._retry.first_wait_s * 2 ** (self._failures - 1)
            wait_s = min(doubled, self._retry.longest_wait_s)
        wait_s *= 1 + _SPREAD * random.random()  # noqa: S311 (no secret)
        if self._now() + wait_s > self._end:
            raise error
        return wait_s


def _may_help(error: MaskdError, is_repeatable: bool) -> bool:  # noqa: FBT001
    if isinstance(error, RequestFailed):
        return error.retryable  # refused: nothing was done
    return isinstance(error, Unreachable) and (is_repeatable or not error.was_sent)


def _asked(error: MaskdError) -> float | None:
    return error.retry_after_s if isinstance(error, RequestFailed) else None
