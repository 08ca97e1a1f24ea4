"""A stream that waits on an event loop; the twin of `sync_stream`, which says the rest."""

from asyncio import sleep, timeout, to_thread
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from service.client import wire
from service.client.errors import MaskdError
from service.client.pictures import Picture, encode
from service.client.prompts import NewObject
from service.client.session_replies import SessionReply, StreamReply
from service.client.streaming import (
    Act,
    Connect,
    Course,
    Give,
    Look,
    NextFrame,
    Pause,
    Receive,
    Send,
    after,
)


class AsyncStream:
    """Replies to the frames of a session, in their order; made by `AsyncSession.stream`.

    Args:
        course: what to do.
        frames: the caller's.
        address: of the stream.
        look: asks for the session's state, once.
    """

    def __init__(
        self,
        course: Course,
        frames: AsyncIterable[Picture] | Iterable[Picture],
        address: wire.Address,
        look: Callable[[], Awaitable[SessionReply]],
    ) -> None:
        self._course = course
        self._frames = frames
        self._address = address
        self._look = look

    def tell(self, objects: Sequence[NewObject]) -> None:
        """Follow further objects, or correct known ones, behind the frames that were sent so far.

        What the service has against it is raised where the next reply is awaited.
        """
        self._course.tell(objects)

    async def __aiter__(self) -> AsyncIterator[StreamReply]:
        acts, frames = self._course.acts(), _each(self._frames)
        async with _Line(self._address) as line:
            act = next(acts, None)
            while act is not None:
                outcome: Any = None
                match act:
                    case Give(reply):
                        yield reply
                    case NextFrame():
                        frame = await anext(frames, None)
                        outcome = None if frame is None else await to_thread(encode, frame)
                    case Look():
                        outcome = await self._try_look()
                    case Pause(seconds):
                        await sleep(seconds)
                    case _:
                        outcome = await line.do(act)
                act = after(acts, outcome)

    async def _try_look(self) -> SessionReply | MaskdError:
        try:
            return await self._look()
        except MaskdError as error:
            return error


class _Line:
    """One connection after the other.

    State: `_open`, which holds the newest, and `_socket`, that one.
    """

    def __init__(self, address: wire.Address) -> None:
        self._address = address
        self._open = AsyncExitStack()
        self._socket: ClientConnection

    async def __aenter__(self) -> "_Line":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def do(self, act: Act) -> str | MaskdError | None:
        """Return what an act gives, or the error that it ended with."""
        try:
            match act:
                case Connect(query):
                    await self._connect(query)
                case Send(message):
                    with suppress(ConnectionClosed):
                        await self._socket.send(message)
                case Receive(waits):
                    return await self._receive(waits=waits)
        except wire.BREAKS as error:
            return wire.meaning(error)
        return None

    async def _connect(self, query: dict[str, str]) -> None:
        await self._open.aclose()
        opened = connect(self._address.with_query(query), **self._address.options())
        self._socket = await self._open.enter_async_context(opened)

    async def _receive(self, *, waits: bool) -> str | None:
        try:
            async with timeout(self._address.timeout_s if waits else 0):
                return await self._socket.recv(decode=True)
        except TimeoutError:
            if waits:
                raise
            return None


async def _each(frames: AsyncIterable[Picture] | Iterable[Picture]) -> AsyncIterator[Picture]:
    if isinstance(frames, AsyncIterable):
        async for frame in frames:
            yield frame
    else:
        for frame in frames:
            yield frame
