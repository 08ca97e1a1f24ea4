"""One call without its transport: what to send, what an outcome means, when to try again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import httpx
from pydantic import ValidationError

from service.client.errors import PROBLEM, MaskdError, RequestFailed, Unreachable, UnreadableReply
from service.client.retry import Patience, Retry

T = TypeVar("T")

TIMEOUT_S = 60.0  # of each phase of a request: twice what a service takes at most by default

Outcome = httpx.Response | httpx.RequestError

_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_WRONG_ADDRESS = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)


@dataclass(frozen=True)
class Ask(Generic[T]):
    """A request, and how its answer is read.

    Attributes:
        method: of HTTP.
        path: of the route.
        reads: body -> reply; raises pydantic's `ValidationError` on what is none.
        sent: further arguments of `httpx.request`.
        is_repeatable: whether the service may do the same thing twice without harm.
    """

    method: str
    path: str
    reads: Callable[[bytes], T]
    sent: Mapping[str, Any] = field(default_factory=dict, repr=False)
    is_repeatable: bool = True


@dataclass(frozen=True)
class Wait:
    """Send the request again, after this many seconds."""

    seconds: float


class Exchange(Generic[T]):
    """A request and its outcomes, until one of them is final.

    Args:
        ask: the request.
        retry: how often and how long to try.
        now: monotonic seconds.
    """

    def __init__(self, ask: Ask[T], retry: Retry, now: Callable[[], float]) -> None:
        self._ask = ask
        self._patience = Patience(retry, now)

    def take(self, outcome: Outcome) -> T | Wait:
        """Return the reply, or when to send the request again.

        Raises:
            MaskdError: it failed, and another attempt could not help or comes too late.
        """
        try:
            return read(self._ask, outcome)
        except MaskdError as error:
            is_repeatable = self._ask.is_repeatable
            return Wait(self._patience.wait_s(error, is_repeatable=is_repeatable))


def read(ask: Ask[T], outcome: Outcome) -> T:
    """Return the reply that an outcome is.

    Raises:
        MaskdError: it is none; which one, the class tells.
        httpx.RequestError: the address can never be asked.
    """
    if isinstance(outcome, _WRONG_ADDRESS):
        raise outcome
    if isinstance(outcome, httpx.RequestError):
        reason = str(outcome) or type(outcome).__name__
        url = outcome.request.url
        raise Unreachable(
            f"No answer came from {url.scheme}://{url.netloc.decode()}: {reason}.",
            was_sent=not isinstance(outcome, _NEVER_SENT),
        ) from outcome
    status = outcome.status_code
    try:
        if outcome.is_success:
            return ask.reads(outcome.content)
        problem = PROBLEM.validate_json(outcome.content)
    except ValidationError as error:
        what = f"{ask.method} {ask.path} got {status} and what is no reply of maskd's"
        raise UnreadableReply(f"{what}.", status) from error
    raise RequestFailed(problem, _seconds(outcome.headers.get("retry-after")))


def _seconds(retry_after: str | None) -> float | None:
    """What `Retry-After` says, if in seconds: this service never says it as a date."""
    return float(retry_after) if retry_after is not None and retry_after.isdecimal() else None
