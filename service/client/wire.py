"""What both clients say to the WebSocket library, and what its errors mean."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote, urlencode

import httpx
from websockets.exceptions import ConnectionClosed, WebSocketException

from service.client.errors import MaskdError, Problem, RequestFailed, Unreachable
from service.client.exchange import TIMEOUT_S

_TOO_BIG = 1009
_HTTP_ONLY = {"accept", "accept-encoding", "connection", "user-agent"}  # httpx's own

_TOO_LARGE = Problem(
    status=413,
    code="too-large",
    title="The picture or the body is too large",
    detail="A frame or an edit has more bytes than the service takes.",
    retryable=False,
    request_id="",
)

BREAKS = (OSError, WebSocketException)
"""What is raised when no connection comes about, when it breaks, or nothing comes in time."""


@dataclass(frozen=True)
class Address:
    """Where a session's streams are.

    Attributes:
        url: of the stream, as `ws://127.0.0.1:8000/sessions/5f3c/stream`.
        headers: sent with every request.
        timeout_s: of connecting and of waiting for an answer.
    """

    url: str
    headers: Mapping[str, str]
    timeout_s: float

    @classmethod
    def of(cls, http: httpx.Client | httpx.AsyncClient, session_id: str) -> Self:
        """Return where an HTTP client finds the streams of a session."""
        url = http.base_url.join(f"sessions/{quote(session_id, safe='')}/stream")
        url = url.copy_with(scheme="wss" if url.scheme == "https" else "ws")
        own = {name: value for name, value in http.headers.items() if name not in _HTTP_ONLY}
        return cls(str(url), own, http.timeout.read or TIMEOUT_S)

    def with_query(self, query: Mapping[str, str]) -> str:
        """Return the URL with a query."""
        return f"{self.url}?{urlencode(query)}"

    def options(self) -> dict[str, Any]:
        """Return the arguments of both of the library's `connect` functions."""
        return {
            "additional_headers": dict(self.headers),
            "open_timeout": self.timeout_s,
            "compression": None,  # encoded pictures do not get smaller
            "max_size": None,  # masks may be large, and the service is trusted with its answers
        }


def meaning(error: Exception) -> MaskdError:
    """Return what a break means to the caller; it becomes the cause."""
    if isinstance(error, ConnectionClosed) and error.rcvd and error.rcvd.code == _TOO_BIG:
        return _linked(RequestFailed(_TOO_LARGE), error)
    reason = str(error) or type(error).__name__
    return _linked(Unreachable(f"The stream broke: {reason}.", was_sent=True), error)


def _linked(error: MaskdError, cause: Exception) -> MaskdError:
    error.__cause__ = cause
    return error
