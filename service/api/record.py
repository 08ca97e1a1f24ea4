"""What is known of one request while it runs: for its log line, its headers and its metrics."""

import re
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.types import Scope

_SANE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=-]{0,127}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass
class RequestRecord:
    """One request's story, written by whoever takes part in it.

    Attributes:
        request_id: the caller's own id where it is sane, else a new one.
        trace_id: from the caller's W3C `traceparent`.
        started: when its headers were read, monotonic seconds.
        status: of the reply, once it starts.
        reason: code of the problem that ended it, `client-gone` or `slow-reader`.
        model: variant that answers.
        batch_size: pictures in the forward pass that answered.
        timings: seconds by phase: decode, queue, infer, encode.
    """

    request_id: str
    trace_id: str | None = None
    started: float = 0.0
    status: int | None = None
    reason: str | None = None
    model: str | None = None
    batch_size: int | None = None
    timings: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Add the time that the block takes to a phase."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self.timings[phase] = self.timings.get(phase, 0.0) + time.monotonic() - begun

    def server_timing(self, total_s: float) -> str:
        """Return the value of `Server-Timing`: each phase, then the whole, in milliseconds."""
        phases = {**self.timings, "total": total_s}
        return ", ".join(f"{name};dur={seconds * 1e3:.1f}" for name, seconds in phases.items())


def begin(headers: Headers, now: float) -> RequestRecord:
    """Open the record of a request that has just arrived.

    Args:
        headers: the request's.
        now: monotonic seconds.
    """
    theirs = headers.get("x-request-id", "")
    trace = _TRACEPARENT.fullmatch(headers.get("traceparent", ""))
    return RequestRecord(
        request_id=theirs if _SANE_ID.fullmatch(theirs) else uuid.uuid4().hex,
        trace_id=trace[1] if trace else None,
        started=now,
    )


def attach(scope: Scope, record: RequestRecord) -> None:
    """Make the record known to everything that handles the request."""
    scope.setdefault("state", {})["record"] = record


def of(scope: Scope) -> RequestRecord:
    """Return the record that was attached to the request."""
    record: RequestRecord = scope["state"]["record"]
    return record
