"""One WebSocket's conversation with a session: frames and edits in, an answer to each, in order.

A frame is read and decoded while those before it are followed and encoded; the session takes them
in the order in which they came.
"""

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import count, repeat

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup
from fastapi import WebSocket
from starlette.websockets import WebSocketDisconnect

from service.api import problems, record
from service.api.dependencies import Services
from service.api.inputs import merge_options
from service.api.sessions.mailbox import Mailbox, Message, Place
from service.api.sessions.options import StreamOptions
from service.api.sessions.stream_answers import StreamAnswers
from service.errors import (
    NotFound,
    ServiceError,
    SessionElsewhere,
    SessionGone,
    SnapshotUnusable,
)

_SERVICE_RESTARTS = 1012
_PROBLEM = 4000  # and the problem's status
# What sending raises when nobody listens; the second where uvicorn ended it, or never let it begin.
_OVER = (WebSocketDisconnect, RuntimeError)
_NO_SESSION = (NotFound, SessionElsewhere, SessionGone, SnapshotUnusable)
# One is decoded, one followed, one encoded; a live camera's frames shall not grow old meanwhile.
_IN_FLIGHT = {"all": 3, "latest": 2}


class Stream:
    """What the stream route does, for one WebSocket.

    State: `_end`, the code to close with unless the client leaves; cancelling `_scope` ends the
    conversation.

    Args:
        socket: not accepted yet.
        services: of this process.
        session_id: of the session.
    """

    def __init__(self, socket: WebSocket, services: Services, session_id: str) -> None:
        self._socket = socket
        self._services = services
        self._session_id = session_id
        self._story = record.of(socket.scope)
        self._scope = anyio.CancelScope()
        self._end: int | None = None

    async def run(self) -> None:
        """Talk until the client leaves, the session ends or the service is shut down."""
        try:
            await self._socket.accept()
        except OSError:
            return  # the client is gone already
        with self._scope:
            try:
                query = self._socket.query_params.multi_items()
                options = merge_options(StreamOptions, query)
                status = await self._services.engine.sessions.inspect(self._session_id)
            except ServiceError as error:
                await self._tell(error)
                self._end_with(error)
            else:
                self._story.model = status.model
                answers = StreamAnswers(self._services, self._story.request_id, options, status)
                await self._talk(answers, options, status.limits.idle_s)
        if self._end is not None:
            with suppress(*_OVER):
                await self._socket.close(self._end)

    async def _talk(self, answers: StreamAnswers, options: StreamOptions, idle_s: float) -> None:
        """Answer messages; once the service is shut down, only those in flight."""
        mailbox = Mailbox(keeps_latest=options.policy == "latest")
        async with anyio.create_task_group() as flight, anyio.create_task_group() as intake:
            intake.start_soon(self._read, mailbox, idle_s)
            intake.start_soon(self._hand_out, mailbox, answers, flight, options)
            await self._services.engine.draining.wait()
            self._end = _SERVICE_RESTARTS
            intake.cancel_scope.cancel()

    async def _read(self, mailbox: Mailbox, idle_s: float) -> None:
        """Put what comes into the mailbox; in long silence look whether the session still lives."""
        while True:
            message = None
            with anyio.move_on_after(idle_s):
                message = await self._socket.receive()
            if message is None:
                await self._check_session()
            elif message["type"] == "websocket.disconnect":
                self._leave()
                return
            else:
                content = message.get("bytes")
                content = message["text"] if content is None else content
                await mailbox.put(Message(content, time.monotonic()))

    async def _hand_out(
        self, mailbox: Mailbox, answers: StreamAnswers, flight: TaskGroup, options: StreamOptions
    ) -> None:
        """Begin with messages in their order, as many at once as may be in flight."""
        room = anyio.Semaphore(_IN_FLIGHT[options.policy])
        indices: Iterator[int | None] = repeat(None)
        if options.frame_index is not None:
            indices = count(options.frame_index)

        async def answer(
            message: Message, dropped: int, place: Place, frame_index: int | None
        ) -> None:
            failure = None
            try:
                text = await answers.make(message, dropped, place, frame_index)
            except ServiceError as error:
                text, failure = answers.problem(error, dropped), error
            async with place.answer():
                await self._send(text)
            if isinstance(failure, _NO_SESSION):
                self._end_with(failure)
            room.release()

        place = None
        while True:
            await room.acquire()
            message, dropped = await mailbox.take()
            place = Place(place)
            frame_index = next(indices) if message.is_frame else None
            flight.start_soon(answer, message, dropped, place, frame_index)

    async def _check_session(self) -> None:
        try:
            await self._services.engine.sessions.inspect(self._session_id)
        except ServiceError as error:
            await self._tell(error)
            self._end_with(error)

    async def _tell(self, error: ServiceError) -> None:
        await self._send(json.dumps(problems.describe(error, self._story.request_id)))

    async def _send(self, text: str) -> None:
        try:
            await self._socket.send_text(text)
        except _OVER:
            self._leave()
            await anyio.lowlevel.checkpoint()  # raises: the conversation is over

    def _leave(self) -> None:
        """End without a word: nobody listens."""
        self._end = None
        self._scope.cancel()

    def _end_with(self, error: ServiceError) -> None:
        problem = problems.lookup(error)
        self._story.reason = problem.code
        self._end = _PROBLEM + problem.status
        self._scope.cancel()
