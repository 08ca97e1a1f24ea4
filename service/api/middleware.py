"""Around every request, plain ASGI: its id, its log line, its figures, the last resort.

`RequestEnvelope` is outermost; `service.api.intake` guards the body inside of it.
"""

import logging
import time
from urllib.parse import quote

import anyio
from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import logs
from service.api import problems, record
from service.api.metrics import HttpMetrics
from service.api.record import RequestRecord

_log = logging.getLogger("maskd.access")
_BEGINNINGS = frozenset({"http.response.start", "websocket.accept"})
_UPGRADED = 101  # what HTTP calls the beginning of a WebSocket
_FAILED = {"type": "websocket.close", "code": 1011}
_QUIET = frozenset(
    {"/livez", "/readyz", "/healthz", "/health", "/v2/health/live", "/v2/health/ready", "/metrics"}
)


class Activity:
    """How many requests are being answered; the drain waits for none.

    State: `_active` and the event that is set while it is zero; changed by enter and leave only.
    """

    def __init__(self) -> None:
        self._active = 0
        self._idle = anyio.Event()
        self._idle.set()

    def enter(self) -> None:
        """Count a request in."""
        if not self._active:
            self._idle = anyio.Event()
        self._active += 1

    def leave(self) -> None:
        """Count a request out."""
        self._active -= 1
        if not self._active:
            self._idle.set()

    async def wait_idle(self) -> None:
        """Return once no request is being answered."""
        await self._idle.wait()


class RequestEnvelope:
    """Give each request and each WebSocket a record, and account for it when it ends.

    Args:
        app: what answers.
        metrics: where each request is counted.
        activity: told of each request's begin and end.
    """

    def __init__(self, app: ASGIApp, *, metrics: HttpMetrics, activity: Activity) -> None:
        self._app = app
        self._metrics = metrics
        self._activity = activity

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope.get("method") == "HEAD":  # answered as GET is; the server leaves the body out
            scope = {**scope, "method": "GET"}
        story = record.begin(Headers(scope=scope), time.monotonic())
        record.attach(scope, story)
        token = logs.request_id.set(story.request_id)
        self._activity.enter()
        self._metrics.active.inc()
        try:
            await self._answer(scope, receive, send, story)
        finally:
            self._metrics.active.dec()
            self._activity.leave()
            self._account(scope, story)
            logs.request_id.reset(token)

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, story: RequestRecord
    ) -> None:
        async def tagged_send(message: Message) -> None:
            if message["type"] in _BEGINNINGS:
                story.status = message.get("status", _UPGRADED)
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = story.request_id
                headers["server-timing"] = story.server_timing(time.monotonic() - story.started)
            await send(message)

        try:
            await self._app(scope, receive, tagged_send)
        except Exception:
            _log.exception("unexpected error")
            if scope["type"] == "websocket":
                await send(_FAILED)
                return
            if story.status is not None:
                raise  # half a reply is out: only closing the connection tells the caller
            await problems.internal_error(Request(scope))(scope, receive, tagged_send)

    def _account(self, scope: Scope, story: RequestRecord) -> None:
        seconds = time.monotonic() - story.started
        path = getattr(scope.get("route"), "path", "unmatched")
        method = scope.get("method", "WEBSOCKET")
        self._metrics.observe(method, path, story.status, seconds)
        fields = {
            "route": path,
            "status": story.status or 499,
            "ms": round(seconds * 1e3, 1),
            "model": story.model,
            "batch_size": story.batch_size,
            "reason": story.reason,
            "trace_id": story.trace_id,
        }
        level = logging.DEBUG if path in _QUIET else logging.INFO
        _log.log(level, "%s %s", method, quote(scope["path"]), extra={"fields": fields})
