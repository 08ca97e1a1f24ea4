"""Sessions on disk: one thread reads and writes, the event loop never waits for a disk."""

import asyncio
import logging
import re
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from service.engine.clock import Clock, Timer
from service.engine.sessions.folder import LEASE_S, Folder, Moved
from service.engine.sessions.session import Session
from service.engine.sessions.snapshots import Snapshot, pack, unpack
from service.errors import NotFound, NotReady

Result = TypeVar("Result")

_log = logging.getLogger("maskd.sessions")

_ID = re.compile(r"[0-9a-f]{32}")
_TOUCHES = 3  # in the time of a lease
_SWEEP_S = 600.0


class Keeper:
    """Writes sessions, reads them back, deletes them: in that thread, in the order of the calls.

    State, on the event loop only: `_folder` while it is open; `_timer`, when to touch next;
    `_swept_at`. Under `_lock`: `_unwritten` sessions, one write waiting for each; put in by the
    event loop, taken out by the thread.

    Args:
        root: the folder.
        clock: of the engine.
        age_s: seconds that a session may live.
        on_moved: told of each session that another process has taken over.
    """

    def __init__(
        self, root: Path, clock: Clock, age_s: float, on_moved: Callable[[str], object]
    ) -> None:
        self._root = root
        self._clock = clock
        self._age_s = age_s
        self._on_moved = on_moved
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sessions")
        self._folder: Folder | None = None
        self._lock = threading.Lock()
        self._unwritten: dict[str, Callable[[], bytes]] = {}
        self._timer: Timer | None = None
        self._swept_at = -_SWEEP_S

    async def open(self) -> None:
        """Make or open the folder.

        Raises:
            OSError: that cannot be.
        """
        self._folder = await self._do(partial(Folder, self._root))
        self._touch()

    def save(self, session: Session) -> None:
        """Write the session as it stands now; of several that wait the last is written."""
        if self._folder is None:
            return
        now, wall = self._clock.now(), self._clock.wall()
        opened_at, touched_at = (wall - now + when for when in (session.opened_at, now))
        build = partial(pack, session.position, opened_at, touched_at)
        with self._lock:
            is_waiting = session.id in self._unwritten
            self._unwritten[session.id] = build
        if not is_waiting:
            self._submit(partial(self._write, session.id, asyncio.get_running_loop()))

    async def take_over(self, session_id: str, check: Callable[[Snapshot], object]) -> Snapshot:
        """Return a session that was written, which is this process's from now on.

        Args:
            session_id: any text.
            check: raises where it cannot be used here; called in the thread.

        Raises:
            NotFound: there is none.
            SnapshotUnusable: it is damaged, of another version, or another session's.
            SessionElsewhere: another process has it.
            NotReady: the disk does not give it.
        """
        if not _ID.fullmatch(session_id):
            raise NotFound("There is no such session.")
        try:
            return await self._do(partial(self._take_over, session_id, check))
        except OSError as error:
            _log.exception("a session could not be taken from disk")
            raise NotReady("What was kept of the session cannot be had now.") from error

    def forget(self, session_id: str) -> None:
        """Delete what was written of a session."""
        if self._folder is None:
            return
        self._submit(partial(self._folder.delete, session_id))

    async def aclose(self) -> None:
        """Write what is unwritten, and let other processes have it; safe to call twice."""
        if self._folder is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        await self._do(self._folder.release)
        self._folder = None
        self._thread.shutdown(wait=False)

    @property
    def _opened(self) -> Folder:
        if self._folder is None:
            raise NotFound("There is no such session.")
        return self._folder

    def _take_over(self, session_id: str, check: Callable[[Snapshot], object]) -> Snapshot:
        folder = self._opened
        check(unpack(folder.read(session_id), session_id))
        folder.claim(session_id)
        # Read once more: its owner may have written until it died.
        return unpack(folder.read(session_id), session_id)

    def _write(self, session_id: str, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            build = self._unwritten.pop(session_id)
        try:
            self._opened.write(session_id, build())
        except Moved:
            loop.call_soon_threadsafe(self._on_moved, session_id)

    def _touch(self) -> None:
        """Show life, and now and then delete what nobody can want."""
        now = self._clock.now()
        self._submit(self._opened.touch)
        if now >= self._swept_at + _SWEEP_S:
            self._swept_at = now
            self._submit(partial(self._opened.sweep, self._age_s))
        self._timer = self._clock.call_at(now + LEASE_S / _TOUCHES, self._touch)

    def _submit(self, call: Callable[[], object]) -> None:
        self._thread.submit(call).add_done_callback(_tell)

    async def _do(self, call: Callable[[], Result]) -> Result:
        return await asyncio.wrap_future(self._thread.submit(call))


def _tell(work: "Future[object]") -> None:
    """Sessions go on in memory when the disk does not take them; the log tells."""
    error = work.exception()
    if error is not None:
        _log.error("a session could not be kept on disk", exc_info=error)
