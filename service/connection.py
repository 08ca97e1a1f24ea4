"""A client's connection beside the bodies on it: heads are bounded, and replies must be read.

uvicorn's own takes heads of any length, as slowly as they come, keeps for ever what is written to
a client that reads nothing, and answers what is no HTTP in plain text.
"""

import asyncio
import json
import uuid
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service.api import problems
from service.errors import HeadTooLarge, MalformedRequest, ServiceError, SlowUpload

MAX_HEAD_BYTES = 64 * 1024


class Connection(HttpToolsProtocol):
    """One client's connection.

    State: `_head_bytes` of the head that has begun to come, None while none has; `_head_timer`,
    when it must be whole; `_reading_timer`, when to see whether a slow client has read anything.

    Args:
        head_s: seconds in which a head must come.
        reading_s: a client that reads nothing for so long, of what waits for it, is given up
            before twice the time.
        uvicorns: what uvicorn passes.
    """

    def __init__(self, *, head_s: float, reading_s: float, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._head_s = head_s
        self._reading_s = reading_s
        self._head_bytes: int | None = None
        self._head_timer: asyncio.TimerHandle | None = None
        self._reading_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Await the first head."""
        super().connection_made(transport)
        self._time_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Await nothing any more."""
        self._stop_timers()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        """Leave the connection to the WebSocket, if its handshake can be read."""
        self._stop_timers()
        super().handle_websocket_upgrade()
        follower: Any = self.transport.get_protocol()
        if not follower.handshake_initiated:  # it would wait for ever
            self._refuse(MalformedRequest("What came is no WebSocket handshake."))

    def data_received(self, data: bytes) -> None:
        """Take what comes, but no endless head."""
        if self._head_bytes is not None:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes is not None and self._head_bytes > MAX_HEAD_BYTES:
            detail = f"The request's line and headers have more than {MAX_HEAD_BYTES} bytes."
            self._refuse(HeadTooLarge(detail, limit=MAX_HEAD_BYTES))

    def on_message_begin(self) -> None:
        """Give a head its time, from its first byte."""
        super().on_message_begin()
        self._head_bytes = 0
        if self._head_timer is None:
            self._time_head()

    def on_headers_complete(self) -> None:
        """Go on to the body."""
        self._head_bytes = None
        self._stop_head_timer()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        del msg
        self._refuse(MalformedRequest("What came is no HTTP request."))

    def pause_writing(self) -> None:
        """See from now on whether the client reads at all."""
        super().pause_writing()
        self._time_reading(waiting=None)

    def resume_writing(self) -> None:
        """Be content: it has read."""
        self._stop_reading_timer()
        super().resume_writing()

    @property
    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # none before the first request
        return cycle is not None and not cycle.response_complete

    def _time_head(self) -> None:
        self._head_timer = self.loop.call_later(self._head_s, self._end_head)

    def _end_head(self) -> None:
        if self._is_answering:  # the head is of the request behind the one that is answered
            self._time_head()
        elif self._head_bytes is not None:
            self._refuse(SlowUpload(f"The head did not arrive within {self._head_s:g} s."))
        else:
            self.transport.close()

    def _time_reading(self, waiting: int | None) -> None:
        self._reading_timer = self.loop.call_later(self._reading_s, self._end_reading, waiting)

    def _end_reading(self, waited: int | None) -> None:
        """Give up a client for which as many bytes wait as before."""
        waiting = self.transport.get_write_buffer_size()
        if waited is not None and waiting >= waited:
            self.transport.abort()
        else:
            self._time_reading(waiting)

    def _refuse(self, error: ServiceError) -> None:
        """Answer with a problem, unless that would be in the midst of a reply, and close."""
        self._stop_head_timer()
        status, request_id = problems.lookup(error).status, uuid.uuid4().hex
        body = json.dumps(problems.describe(error, request_id))
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
            f"content-type: {problems.MEDIA_TYPE}",
            f"content-length: {len(body)}",
            f"x-request-id: {request_id}",
            "connection: close",
        )
        if not (self._is_answering and self.cycle.response_started):
            self.transport.write("\r\n".join((*head, "", body)).encode())
        self.transport.close()

    def _stop_timers(self) -> None:
        self._stop_head_timer()
        self._stop_reading_timer()

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
        self._head_timer = None

    def _stop_reading_timer(self) -> None:
        if self._reading_timer is not None:
            self._reading_timer.cancel()
        self._reading_timer = None
