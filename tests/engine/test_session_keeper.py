"""The thread that writes sessions, against the event loop that gives them to it."""

import threading
from pathlib import Path
from typing import Any

from service.engine.sessions.keeper import Keeper
from service.engine.sessions.session import Position, Session
from service.engine.sessions.snapshots import unpack
from tests.engine.following import advance, engine_with, open_session


class Looked:
    """A session whose position is looked at while the thread writes all that waits."""

    def __init__(self, session: Session, keeper: Keeper, waits: threading.Event) -> None:
        self.id, self.opened_at = session.id, session.opened_at
        self._session, self._keeper, self._waits = session, keeper, waits

    @property
    def position(self) -> Position:
        self._waits.set()
        self._keeper._thread.submit(lambda: None).result()
        return self._session.position


async def test_what_is_saved_while_the_position_before_is_written_is_written_too(
    tmp_path: Path,
) -> None:
    engine = await engine_with(session_dir=str(tmp_path))
    session_id = (await open_session(engine)).status.id
    keeper: Any = engine.sessions._disk._keeper
    (session,) = engine.sessions._store
    await keeper._do(lambda: None)
    waits = threading.Event()
    keeper._thread.submit(waits.wait)
    keeper.save(session)
    await advance(engine, session_id, 1)
    keeper.save(Looked(session, keeper, waits))
    await keeper._do(lambda: None)
    written = unpack(keeper._folder.read(session_id), session_id)
    assert written.record.frame_index == 1
    await engine.aclose()
