"""A stream that waits in its caller's thread."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

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


class Stream:
    """Replies to the frames of a session, in their order; made by `Session.stream`.

    Args:
        course: what to do.
        frames: the caller's.
        address: of the stream.
        look: asks for the session's state, once.
    """

    def __init__(
        self,
        course: Course,
        frames: Iterable[Picture],
        address: wire.Address,
        look: Callable[[], SessionReply],
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

    def __iter__(self) -> Iterator[StreamReply]:
        acts, frames = self._course.acts(), iter(self._frames)
        with _Line(self._address) as line:
            act = next(acts, None)
            while act is not None:
                outcome: Any = None
                match act:
                    case Give(reply):
                        yield reply
                    case NextFrame():
                        frame = next(frames, None)
                        outcome = None if frame is None else encode(frame)
                    case Look():
                        outcome = self._try_look()
                    case Pause(seconds):
                        time.sleep(seconds)
                    case _:
                        outcome = line.do(act)
                act = after(acts, outcome)

    def _try_look(self) -> SessionReply | MaskdError:
        try:
            return self._look()
        except MaskdError as error:
            return error


class _Line:
    """One connection after the other.

    State: `_open`, which holds the newest, and `_socket`, that one.
    """

    def __init__(self, address: wire.Address) -> None:
        self._address = address
        self._open = ExitStack()
        self._socket: ClientConnection

    def __enter__(self) -> "_Line":
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def do(self, act: Act) -> str | MaskdError | None:
        """Return what an act gives, or the error that it ended with."""
        try:
            match act:
                case Connect(query):
                    self._connect(query)
                case Send(message):
                    with suppress(ConnectionClosed):
                        self._socket.send(message)
                case Receive(waits):
                    return self._receive(waits=waits)
        except wire.BREAKS as error:
            return wire.meaning(error)
        return None

    def _connect(self, query: dict[str, str]) -> None:
        self._open.close()
        opened = connect(self._address.with_query(query), **self._address.options())
        self._socket = self._open.enter_context(opened)

    def _receive(self, *, waits: bool) -> str | None:
        try:
            return self._socket.recv(self._address.timeout_s if waits else 0, decode=True)
        except TimeoutError:
            if waits:
                raise
            return None
