"""What callers of sessions give and get: plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt

from models.outputs import TrackedObject
from service.settings import Settings


@dataclass(frozen=True)
class MaskPrompt:
    """An object drawn whole.

    Attributes:
        mask: [h, w] bool, of the frame's size.
    """

    mask: npt.NDArray[np.bool_] = field(repr=False)


@dataclass(frozen=True)
class BoxPrompt:
    """An object told by the box around it.

    Attributes:
        box_xyxy: pixels of the frame.
    """

    box_xyxy: tuple[float, float, float, float]


@dataclass(frozen=True)
class PointPrompt:
    """An object told by a point on it.

    Attributes:
        point: (x, y), pixels of the frame.
    """

    point: tuple[float, float]


@dataclass(frozen=True)
class NewObject:
    """An object to follow, or a known one told anew.

    Attributes:
        prompt: where it is on the frame.
        id: above 0; None: the session gives it the next free one.
        label: what the caller calls it; None keeps that of a known one.
    """

    prompt: MaskPrompt | BoxPrompt | PointPrompt
    id: int | None = None
    label: str | None = None


@dataclass(frozen=True)
class Detect:
    """Follow what a network finds on the first frame.

    Attributes:
        model: that finds, of the task "segment" or "detect"; None: the first loaded, those that
            segment before those that detect.
        score_threshold: least score of what is followed.
        labels: names or ids of the categories to follow; None: all.
    """

    model: str | None = None
    score_threshold: float = 0.5
    labels: tuple[str, ...] | None = None


@dataclass(frozen=True)
class SessionObject:
    """An object that a session follows.

    Attributes:
        id: above 0.
        label: what its caller calls it.
    """

    id: int
    label: str | None


@dataclass(frozen=True)
class SessionBounds:
    """What one session may be.

    Attributes:
        idle_s: seconds without a request after which it ends.
        age_s: seconds after which it ends in any case.
        max_objects: that it follows at once.
        max_requests: that wait for the one it answers.
    """

    idle_s: float
    age_s: float
    max_objects: int
    max_requests: int

    @classmethod
    def of(cls, settings: Settings) -> "SessionBounds":
        """Return those that the operator chose."""
        return cls(
            idle_s=settings.session_idle_s,
            age_s=settings.session_age_s,
            max_objects=settings.max_session_objects,
            max_requests=settings.max_session_requests,
        )


@dataclass(frozen=True)
class SessionStatus:
    """A session as others may see it.

    Attributes:
        id: 32 hexadecimal digits, not to be guessed: who knows it may use the session.
        model: the tracker that follows.
        frame_index: of the last frame answered; 0 is the one that it was opened with.
        frame_size: (height, width) of every frame, pixels.
        objects: in the order in which answers list them.
        memory_bytes: what it remembers.
        is_busy: a request of it is being answered.
        age_s: seconds since it was opened.
        idle_s: seconds since its last request.
        expires_at: in UTC, when it ends if no request comes.
        limits: its bounds.
    """

    id: str
    model: str
    frame_index: int
    frame_size: tuple[int, int]
    objects: tuple[SessionObject, ...]
    memory_bytes: int
    is_busy: bool
    age_s: float
    idle_s: float
    expires_at: datetime
    limits: SessionBounds


@dataclass(frozen=True)
class Timing:
    """What a frame's way through the engine took.

    Attributes:
        queue_wait_s: seconds from its session's turn to the start of its batch.
        run_s: seconds that its batch ran.
        batch_size: frames in the forward pass that made the answer; 0 for one given before.
    """

    queue_wait_s: float
    run_s: float
    batch_size: int

    @property
    def is_repeated(self) -> bool:
        """Whether the answer was given before."""
        return not self.batch_size


@dataclass(frozen=True)
class FrameAnswer:
    """What became of a session's objects on one frame.

    Attributes:
        session_id: of the session.
        model: the tracker that follows.
        frame_index: of the frame.
        objects: one record an object; their masks are encoded on first use, in any thread.
        labels: object id -> what its caller calls it.
        timing: of this answer.
    """

    session_id: str
    model: str
    frame_index: int
    objects: tuple[TrackedObject, ...]
    labels: Mapping[int, str | None]
    timing: Timing


@dataclass(frozen=True)
class Opened:
    """A session that has just been opened.

    Attributes:
        status: of it.
        answer: for its first frame: the objects as they were told.
    """

    status: SessionStatus
    answer: FrameAnswer
