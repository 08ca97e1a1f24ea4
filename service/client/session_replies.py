"""What sessions answer: the replies of `service.api.sessions.schemas`, frozen."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self

from models.rle import Bitmap
from service.client.errors import Problem
from service.client.masks import Segmentation, decode_mask
from service.client.replies import Box, ImageSize


@dataclass(frozen=True)
class TrackedObject:
    """One object on one frame of a session.

    Attributes:
        id: the object's, the same on every frame.
        label: what the caller or the detector called it, or None.
        score: how sure the tracker is, in [0, 1].
        bbox: x, y, width, height; pixels.
        area: pixels of the mask.
        segmentation: the mask as it came; None for `mask_format` none.
        visible: whether the frame shows it.
        rotated_box: the corners, x and y, of a box that may stand askew; None where the tracker
            makes none.
    """

    id: int
    label: str | None
    score: float
    bbox: Box
    area: float
    segmentation: Segmentation = field(repr=False)
    visible: bool
    rotated_box: tuple[tuple[float, float], ...] | None = None

    def mask(self) -> Bitmap:
        """Return [h, w] bool of the frame's size; see `decode_mask`."""
        return decode_mask(self.segmentation)


@dataclass(frozen=True)
class FrameReply:
    """What became of a session's objects on a frame."""

    session_id: str
    model: str
    frame_index: int
    image: ImageSize
    objects: tuple[TrackedObject, ...]
    request_id: str


@dataclass(frozen=True)
class StreamReply(FrameReply):
    """What became of a session's objects on a frame of a stream.

    Attributes:
        dropped: frames given since the reply before that have no reply: passed over by the policy
            `latest`, or followed while their answers were lost with a broken connection.
    """

    dropped: int = 0

    def after(self, dropped: int) -> Self:
        """Return the reply with so many frames without a reply before it."""
        return replace(self, dropped=dropped)


@dataclass(frozen=True)
class SessionLimits:
    """What one session may be; `GET /sessions/{id}` of the API tells what they mean."""

    idle_s: float
    age_s: float
    max_objects: int
    max_requests: int


@dataclass(frozen=True)
class OpenedReply(FrameReply):
    """A session that was just opened, with its objects on its first frame.

    Attributes:
        expires_at: when it ends if no request comes for it.
        limits: its bounds.
    """

    expires_at: datetime
    limits: SessionLimits


@dataclass(frozen=True)
class VideoStep(FrameReply):
    """What became of the objects on a frame of a video.

    Attributes:
        time_s: seconds from the beginning of the video.
    """

    time_s: float


@dataclass(frozen=True)
class ObjectName:
    """An object that a session follows."""

    id: int
    label: str | None


@dataclass(frozen=True)
class SessionReply:
    """A session as it is.

    Attributes:
        session_id: names it; who knows it may use it.
        model: the tracker that follows.
        frame_index: of the last frame answered.
        image: size of every frame.
        objects: that it follows.
        memory_bytes: that it takes.
        is_busy: whether a request of it is being answered.
        age_s: seconds since it was opened.
        idle_s: seconds since its last request.
        expires_at: when it ends if no request comes for it.
        limits: its bounds.
    """

    session_id: str
    model: str
    frame_index: int
    image: ImageSize
    objects: tuple[ObjectName, ...]
    memory_bytes: int
    is_busy: bool
    age_s: float
    idle_s: float
    expires_at: datetime
    limits: SessionLimits


@dataclass(frozen=True)
class SessionsReply:
    """The open sessions of one process, the oldest first."""

    sessions: tuple[SessionReply, ...]


@dataclass(frozen=True)
class FollowedObject(ObjectName):
    """What became of an object in a video.

    Attributes:
        frames_visible: how many frames show it.
    """

    frames_visible: int


@dataclass(frozen=True)
class VideoSummary:
    """What became of a video.

    Attributes:
        frames: answered.
        duration_s: seconds from the beginning of the video to the end of the last of them.
        objects: that were followed.
    """

    frames: int
    duration_s: float
    objects: tuple[FollowedObject, ...]


@dataclass(frozen=True)
class VideoEnd:
    """The last line of a video's reply.

    Attributes:
        summary: of the frames that were answered.
        problem: what ended the video early, or None.
    """

    summary: VideoSummary
    problem: Problem | None
