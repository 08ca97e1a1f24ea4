"""When sessions are written to disk, and how they come back from it."""

import asyncio
import logging
from pathlib import Path

from service.engine.clock import Clock
from service.engine.loader import EngineStartError
from service.engine.sessions.keeper import Keeper
from service.engine.sessions.moves import Moves
from service.engine.sessions.session import Session
from service.engine.sessions.stats import SessionStats
from service.engine.sessions.store import Store
from service.errors import GoneReason, NotFound
from service.settings import Settings

_log = logging.getLogger("maskd.sessions")

# A session is written at least so often, in shares of its idle time: what is on the disk must not
# look as if nobody had used it.
_KEPT_SHARE = 0.25
_SHOWN = 8  # digits of an id that the log shows: who knows all of them may use the session


class Persistence:
    """Sessions on disk, or nothing at all where no folder is set.

    State, on the event loop only: `_reviving`, sessions that are on their way back.

    Args:
        settings: folder and limits.
        clock: of the engine.
        store: of the open sessions.
        moves: makes sessions from snapshots.
        stats: of sessions.
    """

    def __init__(
        self, settings: Settings, clock: Clock, store: Store, moves: Moves, stats: SessionStats
    ) -> None:
        self._clock = clock
        self._store = store
        self._moves = moves
        self._stats = stats
        self._every_frames = settings.session_snapshot_frames
        self._every_s = settings.session_idle_s * _KEPT_SHARE
        self._keeper = (
            Keeper(Path(settings.session_dir), clock, settings.session_age_s, self._on_moved)
            if settings.session_dir
            else None
        )
        self._reviving: dict[str, asyncio.Task[Session]] = {}

    async def start(self) -> None:
        """Open the folder.

        Raises:
            EngineStartError: it cannot be used.
        """
        if self._keeper is None:
            return
        try:
            await self._keeper.open()
        except OSError as error:
            raise EngineStartError(f"MASKD_SESSION_DIR cannot be used: {error}") from error

    def keep(self, session: Session) -> None:
        """Write the session as it stands now, before long."""
        if self._keeper is not None:
            session.kept_at = self._clock.now()
            self._keeper.save(session)

    def keep_sometimes(self, session: Session) -> None:
        """Write it if its frame is one of every so many, or the last time is long ago."""
        is_due = session.position.frame_index % self._every_frames == 0
        if is_due or self._clock.now() - session.kept_at > self._every_s:
            self.keep(session)

    def lose(self, session: Session, reason: GoneReason) -> None:
        """End a session whose device or model is gone; what was written of it may go on."""
        self._store.end(session, reason, is_remembered=self._keeper is None)

    def forget(self, session: Session, reason: GoneReason) -> None:
        """Delete what was written of an ended session, unless somebody may go on with that."""
        if self._keeper is not None and reason not in ("lost", "unloaded", "moved"):
            self._keeper.forget(session.id)

    async def revive(self, session_id: str) -> Session:
        """Return a session that was written, which is open here from now on.

        Raises:
            NotFound: there is none.
            ServiceError: it cannot go on here; see `Keeper.take_over`, `Moves.check` and `restore`.
        """
        if self._keeper is None:
            raise NotFound("There is no such session.")
        task = self._reviving.get(session_id)
        if task is None:
            task = asyncio.ensure_future(self._revive(session_id, self._keeper))
            self._reviving[session_id] = task
            task.add_done_callback(lambda done: self._revived(session_id, done))
        return await asyncio.shield(task)

    async def aclose(self) -> None:
        """Write every open session, and let other processes have them."""
        if self._keeper is not None:
            for session in self._store:
                self._keeper.save(session)
            await self._keeper.aclose()

    async def _revive(self, session_id: str, keeper: Keeper) -> Session:
        with self._store.reserve():
            snapshot = await keeper.take_over(session_id, self._moves.check)
            session = await self._moves.restore(snapshot, self._store.per_lane)
            self._store.add(session)
        self._stats.restored(snapshot.record.model)
        shown, index = session_id[:_SHOWN], session.position.frame_index
        _log.info("session %s… goes on from frame %d", shown, index)
        return session

    def _revived(self, session_id: str, task: "asyncio.Task[Session]") -> None:
        del self._reviving[session_id]
        if not task.cancelled():
            task.exception()  # taken, so that nobody complains where no caller is left

    def _on_moved(self, session_id: str) -> None:
        for session in self._store:
            if session.id == session_id:
                self._store.end(session, "moved")
