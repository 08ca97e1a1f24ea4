"""Letting a request's body in, plain ASGI: counted as it comes, in time, within a shared bound.

It also watches for the client's leaving: from the end of the body on, a request whose client is
gone is cancelled wherever it waits.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api import record
from service.api.record import RequestRecord
from service.errors import Overloaded, SlowUpload, TooLarge


class BufferBudget:
    """The bytes of bodies that all requests together may hold.

    State: `_held`; changed by `take` and `give_back` only, on the event loop.

    Args:
        limit: bytes.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0

    def take(self, count: int) -> None:
        """Hold `count` more bytes.

        Raises:
            Overloaded: they do not fit.
        """
        if self._held + count > self._limit:
            raise Overloaded(
                "The service holds as many bytes of uploads as it may.",
                retry_after_s=1.0,
                limit=self._limit,
            )
        self._held += count

    def give_back(self, count: int) -> None:
        """Hold `count` bytes less."""
        self._held -= count

    @contextmanager
    def hold(self, count: int) -> Iterator[None]:
        """Hold `count` more bytes as long as the block runs.

        Raises:
            Overloaded: they do not fit.
        """
        self.take(count)
        try:
            yield
        finally:
            self.give_back(count)


@dataclass(frozen=True)
class BodyBounds:
    """Bounds of a request's body.

    Attributes:
        max_bytes: of one.
        max_s: seconds in which it must have arrived.
        budget: of all of them together.
    """

    max_bytes: int
    max_s: float
    budget: BufferBudget


class BodyIntake:
    """Guard the body of each request, and cancel the request when its client leaves.

    Args:
        app: what answers; the errors of this guard are raised where it reads the body.
        bounds: of a body.
        bounds_by_path: of those that are sent to some paths.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        bounds: BodyBounds,
        bounds_by_path: Mapping[str, BodyBounds] = MappingProxyType({}),
    ) -> None:
        self._app = app
        self._bounds = bounds
        self._bounds_by_path = bounds_by_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; an exception group carries what the app lets through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        async with anyio.create_task_group() as group:
            channel = _Channel(scope, receive, send, group)
            bounds = self._bounds_by_path.get(scope["path"], self._bounds)
            body = _GuardedBody(channel, bounds)
            try:
                await self._app(scope, body.receive, channel.send)
            finally:
                body.release()
            group.cancel_scope.cancel()


class _Channel:
    """One request's way in and out, watched for its end.

    State: `is_complete` once the body is in, `_is_answered` once the reply is out, `_gone` set
    once the client has left.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send, group: TaskGroup) -> None:
        self.headers = Headers(scope=scope)
        self.story: RequestRecord = record.of(scope)
        self._receive = receive
        self._send = send
        self._group = group
        self._is_answered = False
        self._gone = anyio.Event()
        self.is_complete = False

    async def receive(self) -> Message:
        """Return the next piece of the body; does not return once the client has left."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._leave()
            await anyio.lowlevel.checkpoint()  # raises: the request is cancelled
        elif not message.get("more_body", False):
            self.is_complete = True
            self._group.start_soon(self._watch)
        return message

    async def wait_gone(self) -> Message:
        """Return the message of a client that has left, once it has."""
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Pass the reply on; one that comes before the whole body ends the connection."""
        if message["type"] == "http.response.start" and self._has_unread_body():
            MutableHeaders(scope=message)["connection"] = "close"
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self._is_answered = True
        await self._send(message)

    def _has_unread_body(self) -> bool:
        declared = self.headers.get("content-length", "0") != "0"
        return not self.is_complete and (declared or "transfer-encoding" in self.headers)

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._leave()

    def _leave(self) -> None:
        self._gone.set()
        if not self._is_answered:
            self.story.reason = "client-gone"
            self._group.cancel_scope.cancel()


class _GuardedBody:
    """One request's body: counted, timed, held against the budget.

    State: `_held` bytes of the budget; grows in `receive`, ends in `release`.
    """

    def __init__(self, channel: _Channel, bounds: BodyBounds) -> None:
        self._channel = channel
        self._bounds = bounds
        self._held = 0

    async def receive(self) -> Message:
        """Return the next ASGI message.

        Raises:
            TooLarge: the body is, or says that it is, larger than the limit.
            SlowUpload: the deadline passed before the body was complete.
            Overloaded: the shared budget is spent.
        """
        if self._channel.is_complete:
            return await self._channel.wait_gone()
        declared = self._channel.headers.get("content-length", "")
        self._check(int(declared) if declared.isdecimal() else 0)
        message = await self._next()
        size = len(message.get("body", b""))
        self._check(self._held + size)
        self._bounds.budget.take(size)
        self._held += size
        return message

    def release(self) -> None:
        """Give the budget back what this body held."""
        self._bounds.budget.give_back(self._held)
        self._held = 0

    def _check(self, size: int) -> None:
        limit = self._bounds.max_bytes
        if size > limit:
            raise TooLarge(f"The body has more than {limit} bytes.", limit=limit, actual=size)

    async def _next(self) -> Message:
        limit_s = self._bounds.max_s
        left_s = self._channel.story.started + limit_s - time.monotonic()
        with anyio.move_on_after(left_s):
            return await self._channel.receive()
        raise SlowUpload(f"The body did not arrive within {limit_s:g} s.", limit=limit_s)
