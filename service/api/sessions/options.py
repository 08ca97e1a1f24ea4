"""What may be asked of the routes of tracking sessions; unknown names are refused."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from service.api.mask_formats import MaskFormat
from service.api.sessions import objects as told
from service.api.sessions.objects import Find, Objects, Size
from service.engine.sessions.records import Detect, NewObject


class FollowOptions(BaseModel):
    """Options of every route that takes a frame."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mask_format: Annotated[
        MaskFormat,
        Field(
            description="`rle`: compressed COCO; `rle_counts`: COCO runs as numbers; `polygon`: "
            "COCO polygons; `png`: a base64 PNG of the whole frame's size; `none`: no masks."
        ),
    ] = "rle"
    timeout_s: Annotated[
        float | None,
        Field(
            gt=0,
            allow_inf_nan=False,
            description="Seconds, from the request's arrival, after which the answer is of no "
            "use. It can only shorten the service's own deadline.",
        ),
    ] = None


class FrameOptions(FollowOptions):
    """Options of `POST /sessions/{id}/frames`."""

    frame_index: Annotated[
        int | None,
        Field(
            ge=0,
            le=2**53,
            description="Of this frame: the next one, or the one just answered, which gets the "
            "same answer again. Left out: the next one.",
        ),
    ] = None


class StreamOptions(FollowOptions):
    """Options of `WS /sessions/{id}/stream`, in its query; `timeout_s` counts for each message."""

    policy: Annotated[
        Literal["all", "latest"],
        Field(
            description="`all`: every frame is answered; `latest`: a frame that waits when the "
            "next one comes is dropped."
        ),
    ] = "all"
    frame_index: Annotated[
        int | None,
        Field(
            ge=0,
            le=2**53,
            description="Of the stream's first frame; each further frame has the next one, also "
            "after one that failed. Left out: frames are not counted.",
        ),
    ] = None

    @model_validator(mode="after")
    def _counts_frames_that_are_answered(self) -> Self:
        if self.policy == "latest" and self.frame_index is not None:
            raise ValueError("frame_index: policy latest drops frames, so they cannot be counted")
        return self


class OpenOptions(FollowOptions):
    """Options of `POST /sessions`: objects, or how to find them."""

    model: Annotated[
        str | None,
        Field(
            min_length=1,
            description="Tracker; default: the first loaded that takes such objects.",
        ),
    ] = None
    objects: Annotated[
        Objects | None,
        Field(
            description="What to follow: JSON, `[{id?, label?, mask | box | point}, …]`. A mask is "
            "COCO RLE or a base64 PNG of the frame's size, a box `[x, y, width, height]`, a point "
            "`[x, y]`, in pixels."
        ),
    ] = None
    detect: Annotated[
        Find | None,
        Field(
            description="Follow what a network finds instead: JSON, "
            "`{model?, score_threshold?, labels?}`."
        ),
    ] = None

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if (self.objects is None) == (self.detect is None):
            raise ValueError("objects: they or detect must be given, and not both")
        return self

    def to_engine(self, size: Size) -> list[NewObject] | Detect:
        """Return what shall be followed as the engine takes it.

        Args:
            size: (height, width) of the first frame.

        Raises:
            InvalidOptions: an object is not on such a frame.
        """
        if self.detect is not None:
            return self.detect.to_engine()
        return told.to_new_objects(self.objects or (), size)


class VideoOptions(OpenOptions):
    """Options of `POST /track`; `timeout_s` counts for each frame."""


class EditOptions(BaseModel):
    """The body of `POST /sessions/{id}/objects`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    objects: Objects
