"""What comes out, as documented on `/docs`; no torch, no logic.

The models document and test the replies; the replies themselves are built as plain dictionaries,
since validating thousands of numbers of our own making again would take longer than making them.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Reply(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ImageSize(_Reply):
    """The size of a picture in pixels, as seen upright."""

    width: int
    height: int


class CompressedRle(_Reply):
    """COCO RLE with `counts` as COCO's compressed string."""

    size: Annotated[list[int], Field(description="Height and width.")]
    counts: str


class CountedRle(_Reply):
    """COCO RLE with `counts` as numbers."""

    size: Annotated[list[int], Field(description="Height and width.")]
    counts: Annotated[list[int], Field(description="Runs down the columns, background first.")]


class Detection(_Reply):
    """One object; its members can be fed to pycocotools as they are."""

    label: Annotated[str, Field(description="The category's name.")]
    category_id: Annotated[int, Field(description="The published category id.")]
    score: Annotated[float, Field(ge=0, le=1)]
    bbox: Annotated[
        list[float], Field(min_length=4, max_length=4, description="x, y, width, height; pixels.")
    ]


class DetectReply(_Reply):
    """The objects of one picture, best score first."""

    model: str
    image: ImageSize
    detections: list[Detection]
    request_id: str


class Instance(Detection):
    """One object with its mask."""

    area: Annotated[float, Field(ge=0, description="Pixels of the mask.")]
    segmentation: Annotated[
        CompressedRle | CountedRle | list[list[float]] | str | None,
        Field(description="The mask in the form that `mask_format` names; null for `none`."),
    ]


class SegmentReply(_Reply):
    """The objects of one picture, best score first, or one a box in the order of the boxes."""

    model: str
    image: ImageSize
    instances: list[Instance]
    request_id: str


class Segment(_Reply):
    """All pixels of one category."""

    label: Annotated[str, Field(description="The category's name.")]
    category_id: Annotated[int, Field(description="The published category id.")]
    area: Annotated[int, Field(ge=1, description="Pixels of the segment.")]
    bbox: Annotated[
        list[int], Field(min_length=4, max_length=4, description="x, y, width, height; pixels.")
    ]
    segmentation: Annotated[
        CompressedRle | CountedRle | list[list[float]] | None,
        Field(description="The mask in the form that `mask_format` names; null for `png`, `none`."),
    ]


class SemanticReply(_Reply):
    """The categories of one picture; without options, every pixel is in exactly one segment."""

    model: str
    image: ImageSize
    refined: Annotated[
        bool, Field(description="Whether borders were refined; some weights have no point head.")
    ]
    segments: list[Segment]
    label_map: Annotated[
        str | None, Field(description="A base64 palette PNG with `mask_format` png, else null.")
    ]
    request_id: str


class ProblemReply(BaseModel):
    """An RFC 9457 problem."""

    type: str
    title: str
    status: int
    detail: str
    code: Annotated[str, Field(description="Stable name of the kind of problem.")]
    retryable: Annotated[bool, Field(description="Whether the same request may succeed later.")]
    request_id: str
    limit: Annotated[float | None, Field(description="The bound that was broken.")] = None
    actual: Annotated[float | None, Field(description="What was sent instead.")] = None
    reason: Annotated[str | None, Field(description="Why the session ended.")] = None
    open_sessions: Annotated[int | None, Field(description="That need the model.")] = None
    expected_frame_index: Annotated[
        int | None, Field(description="The frame that the session awaits.")
    ] = None


class CategoryReply(_Reply):
    """One category that a model knows."""

    id: int
    name: str


class InputReply(_Reply):
    """In what size the network sees pictures of a common size."""

    image: ImageSize
    network: Annotated[ImageSize, Field(description="Pictures of one such size can share a batch.")]


class LimitsReply(_Reply):
    """What a request to the model may cost."""

    max_body_bytes: int
    max_image_megapixels: float
    max_batch_size: int
    max_queue_images: int
    max_queue_megapixels: float
    deadline_s: float


class ModelReply(_Reply):
    """One loaded model."""

    name: str
    variant: Annotated[
        str, Field(description="Whose network it has; its name, unless its weights are your own.")
    ]
    task: str
    family: str | None
    state: Literal["ready", "failed"]
    devices: list[str]
    dtype: str
    memory_bytes: Annotated[
        dict[str, int], Field(description="What its weights take, on each device.")
    ]
    licence: Annotated[str | None, Field(description="Of the variant's weights.")]
    score: Annotated[str | None, Field(description="As published; null for your own weights.")]
    checkpoint: Annotated[
        str | None, Field(description="Where the weights are published; null for your own.")
    ]
    categories: list[CategoryReply]
    prompts: Annotated[
        list[Literal["mask", "box"]],
        Field(description="What may tell it an object: one to follow, or one of the picture."),
    ]
    inputs: list[InputReply]
    limits: LimitsReply


class ModelsReply(_Reply):
    """All loaded models, in the order of the settings."""

    models: list[ModelReply]


class ModelChange(BaseModel):
    """What `POST /admin/models` shall do: one of the two."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    load: Annotated[str | None, Field(min_length=1, description="Model to load.")] = None
    unload: Annotated[str | None, Field(min_length=1, description="Model to let go.")] = None
    force: Annotated[bool, Field(description="End the open sessions of the one to let go.")] = False

    @model_validator(mode="after")
    def _is_one(self) -> "ModelChange":
        if (self.load is None) == (self.unload is None):
            raise ValueError("either load or unload is expected")
        if self.force and self.unload is None:
            raise ValueError("force is for unload")
        return self


class AliveReply(_Reply):
    """The process answers."""

    status: Literal["UP"] = "UP"
    live: Literal[True] = True


class ReadyReply(_Reply):
    """Work is taken."""

    status: Literal["UP"] = "UP"
    ready: Literal[True] = True


class RootReply(_Reply):
    """Where to look."""

    name: str
    version: str
    docs: str
    openapi: str
