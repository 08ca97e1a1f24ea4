"""What the routes of sessions answer, as documented on `/docs`; see `service.api.schemas`."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.api.schemas import CompressedRle, CountedRle, ImageSize, ProblemReply


class _Reply(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TrackedObject(_Reply):
    """One followed object on one frame."""

    id: int
    label: Annotated[str | None, Field(description="As the caller called it.")]
    score: Annotated[float, Field(ge=0, le=1)]
    bbox: Annotated[
        list[float], Field(min_length=4, max_length=4, description="x, y, width, height; pixels.")
    ]
    visible: Annotated[bool, Field(description="False where it is hidden or lost.")]
    area: Annotated[float, Field(ge=0, description="Pixels of the mask.")]
    segmentation: Annotated[
        CompressedRle | CountedRle | list[list[float]] | str | None,
        Field(description="The mask in the form that `mask_format` names; null for `none`."),
    ]
    rotated_box: Annotated[
        list[list[float]] | None,
        Field(description="Four corners, x and y, where the tracker has them."),
    ] = None


class SessionLimits(_Reply):
    """What one session may be."""

    idle_s: Annotated[float, Field(description="Seconds without a request after which it ends.")]
    age_s: Annotated[float, Field(description="Seconds after which it ends in any case.")]
    max_objects: int
    max_requests: Annotated[int, Field(description="That may wait for the one being answered.")]


class FrameReply(_Reply):
    """What became of a session's objects on a frame."""

    session_id: str
    model: str
    frame_index: int
    image: ImageSize
    objects: list[TrackedObject]
    request_id: str


class OpenedReply(FrameReply):
    """A session that was just opened, and its first frame."""

    expires_at: datetime
    limits: SessionLimits


class ObjectName(_Reply):
    """An object that a session follows."""

    id: int
    label: str | None


class VideoFrameReply(FrameReply):
    """What became of the objects on a frame of a video: a line of `POST /track`."""

    time_s: Annotated[float, Field(ge=0, description="Seconds from the beginning of the video.")]


class VideoClaims(_Reply):
    """What a video says of itself; null where it does not."""

    frames: int | None
    duration_s: float | None


class VideoOpenedReply(OpenedReply, VideoFrameReply):
    """The first frame of a video: the first line of `POST /track`."""

    video: VideoClaims


class FollowedObject(ObjectName):
    """What became of an object in a video."""

    frames_visible: Annotated[int, Field(ge=0, description="Frames that show it.")]


class VideoSummary(_Reply):
    """What became of a video."""

    frames: Annotated[int, Field(ge=1, description="Answered, one line each.")]
    duration_s: Annotated[
        float, Field(ge=0, description="Seconds from the beginning to the end of the last of them.")
    ]
    objects: list[FollowedObject]


class VideoEndReply(_Reply):
    """The last line of `POST /track`."""

    session_id: str
    model: str
    summary: VideoSummary
    problem: Annotated[
        ProblemReply | None,
        Field(description="What ended it before the end of the video; null if nothing did."),
    ]
    request_id: str


class SessionReply(_Reply):
    """A session as it is."""

    session_id: str
    model: str
    frame_index: Annotated[int, Field(description="Of the last frame answered.")]
    image: Annotated[ImageSize, Field(description="Of every frame.")]
    objects: list[ObjectName]
    memory_bytes: int
    is_busy: Annotated[bool, Field(description="A request of it is being answered.")]
    age_s: float
    idle_s: float
    expires_at: Annotated[datetime, Field(description="When it ends if no request comes.")]
    limits: SessionLimits


class SessionsReply(_Reply):
    """The sessions that are open in this process."""

    sessions: list[SessionReply]
