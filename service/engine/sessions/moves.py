"""What requests do to a session: each takes it from one position to the next, or leaves it."""

import math
import secrets
from collections.abc import Awaitable, Collection, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from models.outputs import TrackedObject
from service.engine.admission import Ticket
from service.engine.clock import Clock
from service.engine.job import Answer
from service.engine.pool import Pool
from service.engine.sessions.prompting import Prompting
from service.engine.sessions.records import Detect, FrameAnswer, NewObject, SessionBounds, Timing
from service.engine.sessions.session import Position, Session
from service.engine.sessions.snapshots import Snapshot, answer_of
from service.engine.sessions.turns import Turns
from service.engine.tracker import Frame, LoadedTracker, Unacceptable
from service.errors import (
    FrameOutOfOrder,
    FrameSizeChanged,
    InvalidOptions,
    NotFound,
    SessionGone,
    SnapshotUnusable,
)

Result = TypeVar("Result")

_GIVEN_BEFORE = Timing(queue_wait_s=0.0, run_s=0.0, batch_size=0)


class Moves:
    """A session's moves, each made by whoever has the session's turn; see `Sessions` for errors.

    Args:
        pool: the loaded models.
        clock: of the engine.
        limits: of each session.
        prompting: tells trackers of objects.
    """

    def __init__(
        self, pool: Pool, clock: Clock, limits: SessionBounds, prompting: Prompting
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._limits = limits
        self._prompting = prompting

    async def start(
        self,
        ticket: Ticket,
        frame: Frame,
        new_objects: Sequence[NewObject] | Detect,
        per_lane: Mapping[Hashable, int],
    ) -> Session:
        """Return a new session at its first frame.

        Args:
            ticket: names tracker and deadline.
            frame: [h, w, 3] uint8, RGB.
            new_objects: to follow.
            per_lane: lane -> sessions that it has.
        """
        tracker = self._pool.get_as(LoadedTracker, ticket.model)
        asked = self._clock.now()
        told = await self._prompting.tell(new_objects, frame, tracker, {}, ticket.deadline)
        lane = tracker.choose_lane(per_lane)
        started = await _accepted(lane.start(frame, told.prompts, ticket.deadline))
        lane.check_open()  # its model may have gone between the answer and now
        state, step = started.output
        session_id = secrets.token_hex(16)
        answer = FrameAnswer(
            session_id=session_id,
            model=tracker.name,
            frame_index=0,
            objects=step.objects,
            labels=told.labels,
            timing=_timing(asked, started),
        )
        return Session(
            session_id,
            lane=lane,
            position=Position(state, told.labels, answer),
            turns=Turns(self._clock, self._limits.max_requests),
            opened_at=self._clock.now(),
        )

    def check(self, snapshot: Snapshot) -> None:
        """Do nothing if a session that was written can go on here and now.

        Raises:
            SessionGone: its time is over.
            SnapshotUnusable: its tracker is not loaded.
        """
        record, wall = snapshot.record, self._clock.wall()
        if wall >= record.opened_at + self._limits.age_s:
            raise SessionGone("age")
        if wall >= record.touched_at + self._limits.idle_s:
            raise SessionGone("idle")
        if record.model not in {one.name for one in self._pool.of_kind(LoadedTracker)}:
            raise SnapshotUnusable("The session's model is not loaded here.")

    async def restore(self, snapshot: Snapshot, per_lane: Mapping[Hashable, int]) -> Session:
        """Return a session that was written, as it was then.

        Args:
            snapshot: checked by `check`.
            per_lane: lane -> sessions that it has.

        Raises:
            SnapshotUnusable: it is another network's.
            ServiceError: see `Batcher.run`.
        """
        record = snapshot.record
        lane = self._pool.get_as(LoadedTracker, record.model).choose_lane(per_lane)
        try:
            restored = await lane.restore(snapshot.tensors, math.inf)
        except Unacceptable as refusal:
            raise SnapshotUnusable("The snapshot is another network's.") from refusal
        lane.check_open()
        return Session(
            record.session_id,
            lane=lane,
            position=Position(restored.output, record.labels, answer_of(record)),
            turns=Turns(self._clock, self._limits.max_requests),
            opened_at=self._clock.now() - (self._clock.wall() - record.opened_at),
        )

    async def advance(
        self, session: Session, frame: Frame, frame_index: int | None, deadline: float
    ) -> FrameAnswer:
        """Go one frame further, or give the last answer again.

        Args:
            session: to move.
            frame: [h, w, 3] uint8, RGB.
            frame_index: of the frame; None: the next.
            deadline: by the clock.
        """
        at = session.position
        if frame_index == at.frame_index:
            return replace(at.answer, timing=_GIVEN_BEFORE)
        if frame_index not in (None, at.frame_index + 1):
            raise FrameOutOfOrder(expected=at.frame_index + 1, actual=frame_index)
        _check_size(at, frame)
        asked = self._clock.now()
        stepped = await session.lane.step(session.id, at.state, frame, deadline)
        answer = replace(
            at.answer,
            frame_index=at.frame_index + 1,
            objects=stepped.output.objects,
            labels=_labels_of(stepped.output.objects, at),
            timing=_timing(asked, stepped),
        )
        session.move(Position(stepped.output.state, at.labels, answer))
        return answer

    async def add_objects(
        self, session: Session, new_objects: Sequence[NewObject], deadline: float
    ) -> None:
        """Follow more, or as told anew, from the current frame on."""
        at = session.position
        tracker = self._pool.get_as(LoadedTracker, at.answer.model)
        told = await self._prompting.tell(new_objects, at.state.frame, tracker, at.labels, deadline)
        added = await _accepted(session.lane.add_objects(at.state, told.prompts, deadline))
        session.move(Position(added.output, told.labels, at.answer))

    async def remove_objects(
        self, session: Session, object_ids: Collection[int], deadline: float
    ) -> None:
        """Follow some no longer."""
        at = session.position
        unknown = set(object_ids) - at.labels.keys()
        if unknown:
            raise NotFound(f"The session follows no object {min(unknown)}.")
        left = await _accepted(session.lane.remove_objects(at.state, tuple(object_ids), deadline))
        labels = {one: label for one, label in at.labels.items() if one not in object_ids}
        session.move(Position(left.output, labels, at.answer))


async def _accepted(call: Awaitable[Answer[Result]]) -> Answer[Result]:
    """What the predictor gives; what it refuses is the caller's mistake."""
    try:
        return await call
    except Unacceptable as refusal:
        raise InvalidOptions(f"objects: {refusal}.") from None


def _check_size(at: Position, frame: Frame) -> None:
    height, width = frame.shape[:2]
    if (height, width) != at.frame_size:
        raise FrameSizeChanged(at.frame_size, (height, width))


def _labels_of(tracked: Sequence[TrackedObject], at: Position) -> dict[int, str | None]:
    return {one.id: at.labels.get(one.id) for one in tracked}


def _timing(asked: float, answer: Answer[Any]) -> Timing:
    return Timing(answer.started - asked, answer.run_s, answer.batch_size)
