"""One session: where it stands, and whose turn it is."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from models.outputs import TrackState
from service.engine.clock import Clock
from service.engine.sessions.records import (
    FrameAnswer,
    SessionBounds,
    SessionObject,
    SessionStatus,
)
from service.engine.sessions.turns import Turns
from service.engine.tracker import Lane
from service.errors import GoneReason, SessionGone


@dataclass(frozen=True)
class Position:
    """All that a session knows at one frame: a value, only followed by another.

    Attributes:
        state: the tracker's.
        labels: object id -> what its caller calls it, for every object.
        answer: for the frame; an edit of the objects afterwards leaves it as it was given.
    """

    state: TrackState
    labels: Mapping[int, str | None]
    answer: FrameAnswer

    @property
    def frame_index(self) -> int:
        """Of the frame, from 0."""
        return self.answer.frame_index

    @property
    def frame_size(self) -> tuple[int, int]:
        """(height, width) of every frame, pixels."""
        height, width = self.state.frame.shape[:2]
        return height, width

    @property
    def objects(self) -> tuple[SessionObject, ...]:
        """What is followed from here on."""
        return tuple(SessionObject(one, self.labels.get(one)) for one in self.state.object_ids)

    @cached_property
    def nbytes(self) -> int:
        """What it remembers."""
        return self.state.nbytes


class Session:
    """One session as it is now.

    State, on the event loop only: `position`, moved by who has the turn; `touched_at` by its last
    request; `kept_at`, when it was last given to the disk; `end`, set once when it ends, from when
    on its position is not to be used.

    Args:
        session_id: its name.
        lane: where its state is.
        position: where it stands.
        turns: of its requests.
        opened_at: by the engine's clock.
    """

    def __init__(
        self, session_id: str, *, lane: Lane, position: Position, turns: Turns, opened_at: float
    ) -> None:
        self.id = session_id
        self.lane = lane
        self.position = position
        self.turns = turns
        self.opened_at = opened_at
        self.touched_at = opened_at
        self.kept_at = -math.inf
        self.end: GoneReason | None = None

    @property
    def nbytes(self) -> int:
        """What it remembers."""
        return self.position.nbytes

    @property
    def is_busy(self) -> bool:
        """Whether a request of it is being answered."""
        return self.turns.is_taken

    def check_open(self) -> None:
        """Do nothing while it has not ended.

        Raises:
            SessionGone: it has.
        """
        if self.end is not None:
            raise SessionGone(self.end)

    def move(self, position: Position) -> None:
        """Stand at a new position.

        Raises:
            SessionGone: it ended meanwhile.
        """
        self.check_open()
        self.position = position

    def status(self, end_at: float, clock: Clock, limits: SessionBounds) -> SessionStatus:
        """Return what others may see of it now.

        Args:
            end_at: when it ends if no request comes, by the clock.
            clock: of the engine.
            limits: of the session.
        """
        at, now = self.position, clock.now()
        return SessionStatus(
            id=self.id,
            model=at.answer.model,
            frame_index=at.frame_index,
            frame_size=at.frame_size,
            objects=at.objects,
            memory_bytes=at.nbytes,
            is_busy=self.is_busy,
            age_s=now - self.opened_at,
            idle_s=now - self.touched_at,
            expires_at=datetime.fromtimestamp(clock.wall() + end_at - now, UTC),
            limits=limits,
        )
