"""The open sessions: how many there may be, when each must end, and why others did."""

import math
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

from service.engine.clock import Clock, Timer
from service.engine.sessions import lifetime
from service.engine.sessions.lifetime import Bounds
from service.engine.sessions.session import Session
from service.errors import GoneReason, SessionGone, TooManySessions


class Store:
    """Sessions by id.

    State, on the event loop only: `_open` sessions; `_reserved` places of those that are about to
    come in; `_ended`, the reasons of the last that ended; `_timer`, when the next one must end.

    Args:
        bounds: of all.
        clock: sessions live by it.
        on_end: told of each session that ends here.
        remembered: ended sessions whose reason is still told.
    """

    def __init__(
        self,
        bounds: Bounds,
        clock: Clock,
        on_end: Callable[[Session, GoneReason], object] = lambda *_: None,
        *,
        remembered: int = 10_000,
    ) -> None:
        self.bounds = bounds
        self._clock = clock
        self._on_end = on_end
        self._remembered = remembered
        self._open: dict[str, Session] = {}
        self._reserved = 0
        self._ended: OrderedDict[str, GoneReason] = OrderedDict()
        self._timer: Timer | None = None

    def __iter__(self) -> Iterator[Session]:
        """Go through those that are open, in the order in which they came."""
        return iter(tuple(self._open.values()))

    def __len__(self) -> int:
        return len(self._open)

    @property
    def nbytes(self) -> int:
        """What all of them remember."""
        return sum(session.nbytes for session in self._open.values())

    @property
    def per_lane(self) -> Counter[Hashable]:
        """Lane -> how many sessions it has."""
        return Counter(session.lane for session in self)

    def check_room(self) -> None:
        """Do nothing while one more may come in.

        Raises:
            TooManySessions: too many are open, or they remember too much.
        """
        count, limit = len(self._open) + self._reserved + 1, self.bounds.max_sessions
        if count > limit:
            raise self._full("As many sessions are open as may be.", limit, count)
        nbytes = self.nbytes
        if nbytes >= self.bounds.max_bytes:
            raise self._full("The sessions' memory is full.", self.bounds.max_bytes, nbytes)

    @contextmanager
    def reserve(self) -> Iterator[None]:
        """Keep a place for a session that may come in at the end of the block.

        Raises:
            TooManySessions: see `check_room`.
        """
        self.check_room()
        self._reserved += 1
        try:
            yield
        finally:
            self._reserved -= 1

    def add(self, session: Session) -> None:
        """Let a session in; those longest unused make room for what it remembers."""
        self._open[session.id] = session
        self.settle(session)

    def find(self, session_id: str) -> Session | None:
        """Return the session, or None if it is not known here.

        Raises:
            SessionGone: it has ended.
        """
        self._expire()
        if session_id in self._ended:
            raise SessionGone(self._ended[session_id])
        return self._open.get(session_id)

    def settle(self, session: Session) -> None:
        """Note that a request of the session is done: its time starts anew, its size may differ."""
        session.touched_at = self._clock.now()
        for leaving in lifetime.overflow(tuple(self), self.bounds.max_bytes):
            self.end(leaving, "memory")
        self._expire()

    def end(self, session: Session, reason: GoneReason, *, is_remembered: bool = True) -> None:
        """End a session, unless it has ended before; its memory is free at once.

        Args:
            session: that ends.
            reason: why.
            is_remembered: its reason shall be told; false where it may come back.
        """
        if self._open.pop(session.id, None) is None:
            return
        session.end = reason
        session.lane.forget(session.id)
        self._on_end(session, reason)
        if is_remembered:
            self._ended[session.id] = reason
        if len(self._ended) > self._remembered:
            self._ended.popitem(last=False)

    def close(self) -> None:
        """Let no more sessions end by time."""
        if self._timer is not None:
            self._timer.cancel()

    def _expire(self) -> None:
        """End whose time has come, and see to it when the next one's will have."""
        now = self._clock.now()
        next_at = math.inf
        for session in self:
            when, reason = lifetime.end_of(session, self.bounds)
            if session.is_busy:
                continue
            if when <= now:
                self.end(session, reason)
            else:
                next_at = min(next_at, when)
        self.close()
        self._timer = None if math.isinf(next_at) else self._clock.call_at(next_at, self._expire)

    def _full(self, detail: str, limit: float, actual: float) -> TooManySessions:
        now = self._clock.now()
        ends = (lifetime.end_of(session, self.bounds)[0] for session in self)
        wait_s = min(ends, default=now) - now
        return TooManySessions(detail, retry_after_s=max(0.0, wait_s), limit=limit, actual=actual)
