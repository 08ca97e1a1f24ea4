"""What comes back: the replies of `service.api.schemas`, frozen, with masks on demand.

Members that this client does not know are passed over, so that it reads newer services too.
"""

import base64
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from models import rle
from models.rle import Bitmap

Box = tuple[float, float, float, float]
Segmentation = dict[str, Any] | list[list[float]] | str | None


@dataclass(frozen=True)
class ImageSize:
    """The size of a picture in pixels, as seen upright."""

    width: int
    height: int


@dataclass(frozen=True)
class Detection:
    """One object.

    Attributes:
        label: the category's name.
        category_id: the published category id.
        score: in [0, 1].
        bbox: x, y, width, height; pixels.
    """

    label: str
    category_id: int
    score: float
    bbox: Box


@dataclass(frozen=True)
class Instance(Detection):
    """One object with its mask.

    Attributes:
        area: pixels of the mask.
        segmentation: the mask as it came; None for `mask_format` none.
    """

    area: float
    segmentation: Segmentation = field(repr=False)

    def mask(self) -> Bitmap:
        """Return [h, w] bool of the picture's size; see `decode_mask`."""
        return decode_mask(self.segmentation)


@dataclass(frozen=True)
class Segment:
    """All pixels of one category.

    Attributes:
        label: the category's name.
        category_id: the published category id.
        area: pixels of the segment.
        bbox: x, y, width, height; pixels.
        segmentation: the mask as it came; None for `mask_format` png and none.
    """

    label: str
    category_id: int
    area: int
    bbox: Box
    segmentation: Segmentation = field(repr=False)

    def mask(self) -> Bitmap:
        """Return [h, w] bool of the picture's size; see `decode_mask`."""
        return decode_mask(self.segmentation)


@dataclass(frozen=True)
class SegmentReply:
    """The objects of one picture, best score first."""

    model: str
    image: ImageSize
    instances: tuple[Instance, ...]
    request_id: str


@dataclass(frozen=True)
class SemanticReply:
    """The categories of one picture.

    Attributes:
        model: that answered.
        image: its size.
        refined: whether borders were refined.
        segments: one a category.
        label_map: a base64 palette PNG with `mask_format` png, else None.
        request_id: of the request.
    """

    model: str
    image: ImageSize
    refined: bool
    segments: tuple[Segment, ...]
    label_map: str | None = field(repr=False)
    request_id: str

    def category_ids(self) -> npt.NDArray[np.uint8]:
        """Return the category id of each pixel: [h, w] uint8, 255 where in no segment.

        Raises:
            ValueError: neither a label map nor masks were asked for, or they are damaged.
        """
        if self.label_map is not None:
            return np.array(self.label_picture(), dtype=np.uint8)
        ids = np.full((self.image.height, self.image.width), 255, dtype=np.uint8)
        for segment in self.segments:
            ids[segment.mask()] = segment.category_id
        return ids

    def label_picture(self) -> Image.Image:
        """Return the label map as Pillow's picture, with the data set's colours as its palette.

        Raises:
            ValueError: it was not asked for, or is damaged.
        """
        if self.label_map is None:
            raise ValueError("there is no label map here; ask for one with mask_format png")
        return _picture(self.label_map)


@dataclass(frozen=True)
class DetectReply:
    """The objects of one picture, best score first."""

    model: str
    image: ImageSize
    detections: tuple[Detection, ...]
    request_id: str


@dataclass(frozen=True)
class Category:
    """One category that a model knows."""

    id: int
    name: str


@dataclass(frozen=True)
class Model:
    """One loaded model; `GET /models` tells more."""

    name: str
    task: str
    family: str | None
    state: str
    devices: tuple[str, ...]
    dtype: str
    licence: str | None
    score: str | None
    checkpoint: str | None
    categories: tuple[Category, ...] = field(repr=False)


@dataclass(frozen=True)
class ModelsReply:
    """All loaded models; of each task the first is the default."""

    models: tuple[Model, ...]


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


def decode_mask(segmentation: Segmentation) -> Bitmap:
    """Return the bitmap of a mask that was sent as RLE, compressed or not, or as a PNG.

    Returns:
        [h, w] bool, True on the object.

    Raises:
        ValueError: it is a polygon, which no longer tells the mask exactly, or none was asked for;
            or it is damaged.
    """
    match segmentation:
        case {"size": list(size), "counts": str(counts)}:
            return rle.decode(rle.Rle(size=size, counts=counts))
        case {"size": list(size), "counts": list(counts)}:
            return rle.decode(rle.from_counts(size, counts))
        case str():
            return np.asarray(_picture(segmentation)) > 0
    raise ValueError("there is no exact mask here; ask for one with mask_format rle")


def _picture(text: str) -> Image.Image:
    try:
        with Image.open(BytesIO(base64.b64decode(text, validate=True)), formats=["PNG"]) as image:
            image.load()
            return image
    except (OSError, ValueError) as error:
        raise ValueError("the mask is no PNG in base64") from error
