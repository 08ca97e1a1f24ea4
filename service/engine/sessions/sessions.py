"""The facade that routes see: open a session, take it a frame further, edit its objects, end it."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import TypeVar

from prometheus_client import CollectorRegistry

from service.engine.admission import Ticket
from service.engine.clock import Clock
from service.engine.pool import ModelStatus, Pool
from service.engine.sessions import lifetime
from service.engine.sessions.lifetime import Bounds
from service.engine.sessions.moves import Moves
from service.engine.sessions.persistence import Persistence
from service.engine.sessions.prompting import Prompting
from service.engine.sessions.records import (
    Detect,
    FrameAnswer,
    NewObject,
    Opened,
    SessionBounds,
    SessionStatus,
)
from service.engine.sessions.session import Session
from service.engine.sessions.stats import SessionStats
from service.engine.sessions.store import Store
from service.engine.sessions.turns import Undisturbed
from service.engine.tracker import Frame
from service.errors import GoneReason, NotReady
from service.settings import Settings

Result = TypeVar("Result")


class Sessions:
    """All tracking sessions of an engine.

        sessions.check_room()
        model = sessions.choose(options.model, new_objects)
        with engine.admit(model.name, pixels, deadline) as ticket:
            opened = await sessions.open(ticket, await decode(upload), new_objects)
        ...
        status = await sessions.inspect(session_id)
        with engine.admit(status.model, pixels, deadline) as ticket:
            answer = await sessions.advance(ticket, session_id, frame, frame_index)

    A request has its turn when those that came before it to the same session are done. A caller
    that leaves before its turn leaves nothing behind; from then on its frame or edit counts whether
    it waits or not, and the frame sent again gets the answer that was missed. What fails, or is not
    done by its deadline, leaves the session where it was.

    State, on the event loop only: `_store`; `_undisturbed`, the requests that have their turn;
    `_is_draining`.

    Args:
        settings: the limits.
        pool: the loaded models.
        clock: of the engine.
        registry: of the engine's metrics.
    """

    def __init__(
        self, settings: Settings, pool: Pool, clock: Clock, registry: CollectorRegistry
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._limits = SessionBounds.of(settings)
        self._store = Store(Bounds.of(settings), clock, self._on_end)
        self._prompting = Prompting(pool, self._limits.max_objects)
        self._moves = Moves(pool, clock, self._limits, self._prompting)
        self._stats = SessionStats(registry, lambda: len(self._store), lambda: self._store.nbytes)
        self._disk = Persistence(settings, clock, self._store, self._moves, self._stats)
        self._undisturbed = Undisturbed()
        self._is_draining = False

    async def start(self) -> None:
        """Open the folder of sessions, if there is one.

        Raises:
            EngineStartError: it cannot be used.
        """
        await self._disk.start()

    def check_room(self) -> None:
        """Do nothing while one more session may be opened; to be asked before a picture is read.

        Raises:
            NotReady: the service is shutting down.
            TooManySessions: too many are open, or they remember too much; carries when to come
                back.
        """
        self._check_taking()
        self._store.check_room()

    def choose(self, model: str | None, new_objects: Sequence[NewObject] | Detect) -> ModelStatus:
        """Return the tracker that shall follow the objects.

        Args:
            model: its name; None: the first loaded that can be told such objects, else the first.
            new_objects: that it shall follow.

        Raises:
            NotFound: the named model, or any tracker, is not loaded.
            InvalidOptions: the named model is no tracker.
            NotReady: models are still loading.
        """
        if model is not None:
            return self._pool.find("track", model).status
        return self._prompting.choose(new_objects).status

    async def open(
        self, ticket: Ticket, frame: Frame, new_objects: Sequence[NewObject] | Detect
    ) -> Opened:
        """Open a session at its first frame.

        Args:
            ticket: from `Engine.admit` for the tracker, still held.
            frame: [h, w, 3] uint8, RGB; every later one must have its size.
            new_objects: to follow, or how to find them.

        Raises:
            InvalidOptions: an object cannot be followed: no such mask, box, point or id, or what
                turns it into a prompt that the tracker takes is not loaded.
            TooManyObjects: they are more than one session follows.
            TooManySessions: see `check_room`.
            NotReady: the service is shutting down, or the tracker lost its devices.
            DeadlineExceeded: the ticket's deadline passed first.
            OutOfMemory: the device cannot hold even this one frame.
            InferenceFailed: the network failed on it.
        """
        self._check_taking()
        with self._store.reserve():
            session = await self._moves.start(ticket, frame, new_objects, self._store.per_lane)
            self._store.add(session)
            self._stats.opened(ticket.model)
            self._disk.keep(session)
            return Opened(self._status(session), session.position.answer)

    async def advance(
        self, ticket: Ticket, session_id: str, frame: Frame, frame_index: int | None = None
    ) -> FrameAnswer:
        """Take a session one frame further.

        Args:
            ticket: from `Engine.admit` for the session's model, still held.
            session_id: of the session.
            frame: [h, w, 3] uint8, RGB.
            frame_index: of the frame: the next one, or the one just answered, which gets the same
                answer again; None: the next one, whichever it is when its turn comes.

        Raises:
            NotFound: there never was such a session, as far as is known here.
            SessionGone: it has ended; carries why.
            FrameOutOfOrder: another index than these two; carries the one that is expected.
            FrameSizeChanged: the frame has another size than the first.
            SessionBusy: too many requests wait for it; carries when to come back.
            NotReady: the service is shutting down.
            DeadlineExceeded: the ticket's deadline passed first; the frame does not count.
            OutOfMemory: the device cannot hold even this one frame.
            InferenceFailed: the network failed on it.
        """
        session = await self._find(session_id)

        async def work() -> FrameAnswer:
            answer = await self._moves.advance(session, frame, frame_index, ticket.deadline)
            if not answer.timing.is_repeated:
                self._stats.answered(answer.model)
                self._disk.keep_sometimes(session)
            return answer

        return await self._in_turn(session, work, ticket.deadline)

    async def add_objects(
        self, ticket: Ticket, session_id: str, new_objects: Sequence[NewObject]
    ) -> SessionStatus:
        """Follow more objects from the current frame on, or known ones as they are told anew.

        Args:
            ticket: from `Engine.admit` for the session's model and frame size, still held.
            session_id: of the session.
            new_objects: where they are on the current frame.

        Raises:
            InvalidOptions: see `open`.
            TooManyObjects: see `open`.
            ServiceError: for the session and the network, see `advance`.
        """
        session = await self._find(session_id)

        async def work() -> SessionStatus:
            await self._moves.add_objects(session, new_objects, ticket.deadline)
            self._disk.keep(session)
            return self._status(session)

        return await self._in_turn(session, work, ticket.deadline)

    async def remove_objects(
        self, session_id: str, object_ids: Collection[int], deadline: float
    ) -> SessionStatus:
        """Follow some objects no longer; the others are not disturbed.

        Args:
            session_id: of the session.
            object_ids: that it follows.
            deadline: monotonic seconds.

        Raises:
            NotFound: there is no such session, or it does not follow all of them.
            ServiceError: for the session and the network, see `advance`.
        """
        session = await self._find(session_id)

        async def work() -> SessionStatus:
            await self._moves.remove_objects(session, object_ids, deadline)
            self._disk.keep(session)
            return self._status(session)

        return await self._in_turn(session, work, deadline)

    async def inspect(self, session_id: str) -> SessionStatus:
        """Return a session as it is now; looking at it does not prolong its life.

        Raises:
            NotFound: there never was such a session, as far as is known here.
            SessionGone: it has ended; carries why.
        """
        return self._status(await self._find(session_id))

    def list(self) -> tuple[SessionStatus, ...]:
        """Return the sessions that are open here, in the order in which they came."""
        return tuple(self._status(session) for session in self._store)

    async def close(self, session_id: str) -> None:
        """End a session: what waits for it fails, its memory is free at once.

        Raises:
            NotFound: there never was such a session, as far as is known here.
            SessionGone: it has ended before; carries why.
        """
        self._store.end(await self._find(session_id), "closed")

    def count(self, model: str) -> int:
        """Return how many sessions of a model are open here."""
        return len(self._of(model))

    def leave(self, model: str) -> None:
        """Let the sessions of an unloaded tracker go; those on disk come back if it does."""
        for session in self._of(model):
            self._disk.keep(session)
            self._disk.lose(session, "unloaded")

    def drain(self) -> None:
        """Refuse new sessions."""
        self._is_draining = True

    async def aclose(self) -> None:
        """Refuse new sessions, let what has its turn end (the pool is closed), write to disk."""
        self.drain()
        self._store.close()
        await self._undisturbed.wait()
        await self._disk.aclose()

    def _check_taking(self) -> None:
        if self._is_draining:
            raise NotReady("The service is shutting down.")

    def _of(self, model: str) -> Sequence[Session]:
        return [one for one in self._store if one.position.answer.model == model]

    async def _find(self, session_id: str) -> Session:
        """The session, if need be from the disk."""
        session = self._store.find(session_id)
        if session is not None and not session.lane.is_alive:
            self._disk.lose(session, "lost")
            session = self._store.find(session_id)
        return session or await self._disk.revive(session_id)

    async def _in_turn(
        self, session: Session, work: Callable[[], Awaitable[Result]], deadline: float
    ) -> Result:
        """Wait for the session's turn, then do the work to its end, whether its caller stays."""
        await session.turns.take(deadline)
        return await self._undisturbed.run(self._hold_turn(session, work))

    async def _hold_turn(self, session: Session, work: Callable[[], Awaitable[Result]]) -> Result:
        try:
            session.check_open()
            return await work()
        finally:
            session.turns.pass_on()
            self._store.settle(session)

    def _status(self, session: Session) -> SessionStatus:
        end_at, _ = lifetime.end_of(session, self._store.bounds)
        return session.status(end_at, self._clock, self._limits)

    def _on_end(self, session: Session, reason: GoneReason) -> None:
        self._stats.ended(reason)
        self._disk.forget(session, reason)
