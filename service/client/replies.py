"""What comes back: the replies of `service.api.schemas`, frozen, with masks on demand.

Members that this client does not know are passed over, so that it reads newer services too.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.rle import Bitmap
from service.client.masks import Segmentation, decode_mask, read_png

Box = tuple[float, float, float, float]


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
    """The objects of one picture, best score first, or one a box in the order of the boxes."""

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
        return read_png(self.label_map)


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
