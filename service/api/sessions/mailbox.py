"""Messages of a stream: those that have arrived and wait, and the order of those in flight."""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

_MAX_EDITS = 8  # that wait in a stream which drops frames


@dataclass(frozen=True)
class Message:
    """What a client sent.

    Attributes:
        content: an encoded frame as bytes, an edit as text.
        arrived: monotonic seconds.
    """

    content: bytes | str
    arrived: float

    @property
    def is_frame(self) -> bool:
        """Whether it may be dropped for a later one."""
        return isinstance(self.content, bytes)


class Mailbox:
    """Messages that wait: few, in order.

    State, on the event loop only: `_waiting`; `_dropped`, frames since the last taken message;
    `_changed`, set and renewed when either changes.

    Args:
        keeps_latest: a frame takes the place of the one that waits; else whoever puts it waits.
    """

    def __init__(self, *, keeps_latest: bool) -> None:
        self._keeps_latest = keeps_latest
        self._capacity = _MAX_EDITS if keeps_latest else 1
        self._waiting: deque[Message] = deque()
        self._dropped = 0
        self._changed = anyio.Event()

    async def put(self, message: Message) -> None:
        """Let a message in once there is room for it."""
        if self._keeps_latest and message.is_frame:
            self._drop_frames()
        else:
            while len(self._waiting) >= self._capacity:
                await self._changed.wait()
        self._waiting.append(message)
        self._notify()

    async def take(self) -> tuple[Message, int]:
        """Return the oldest message, once there is one, and how many were dropped before it."""
        while not self._waiting:
            await self._changed.wait()
        message, dropped = self._waiting.popleft(), self._dropped
        self._dropped = 0
        self._notify()
        return message, dropped

    def _drop_frames(self) -> None:
        kept = [message for message in self._waiting if not message.is_frame]
        self._dropped += len(self._waiting) - len(kept)
        self._waiting = deque(kept)

    def _notify(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


class Place:
    """A message's place among those in flight: behind the one that came before it.

    Args:
        before: the place of that one; None: there is none.

    Attributes:
        has_moved: set once the session has taken the message, or never will.
        is_answered: set once its answer is out.
    """

    def __init__(self, before: "Place | None" = None) -> None:
        self.has_moved = anyio.Event()
        self.is_answered = anyio.Event()
        # Its events alone: a place that held the one before would hold all that ever were.
        self._waits_for = (before.has_moved, before.is_answered) if before else None

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Run the block once those before have had their turn with the session."""
        if self._waits_for:
            await self._waits_for[0].wait()
        yield
        self.has_moved.set()

    @asynccontextmanager
    async def answer(self) -> AsyncIterator[None]:
        """Run the block once those before are answered."""
        if self._waits_for:
            await self._waits_for[1].wait()
        yield
        self.has_moved.set()
        self.is_answered.set()
