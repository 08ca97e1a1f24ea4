"""What may be asked of the routes that take a picture; unknown names are refused."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

MaskFormat = Literal["rle", "rle_counts", "polygon", "png", "none"]


class PictureOptions(BaseModel):
    """Options of every route that takes one picture."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Annotated[
        str | None,
        Field(
            min_length=1, description="Variant that answers; default: the first loaded of the task."
        ),
    ] = None
    labels: Annotated[
        tuple[str, ...] | None,
        Field(
            min_length=1,
            description="Answer only these categories: names or category ids, comma separated.",
        ),
    ] = None
    timeout_s: Annotated[
        float | None,
        Field(
            gt=0,
            allow_inf_nan=False,
            description="Seconds, from the request's arrival, after which the answer is of no "
            "use. It can only shorten the service's own deadline.",
        ),
    ] = None

    @field_validator("labels", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value


class DetectOptions(PictureOptions):
    """Options of `POST /detect`."""

    score_threshold: Annotated[
        float, Field(ge=0, le=1, description="Leave out what scores less.")
    ] = 0.5
    max_detections: Annotated[
        int, Field(ge=1, le=1000, description="The most objects in the answer, best first.")
    ] = 100


class SegmentOptions(DetectOptions):
    """Options of `POST /segment`."""

    mask_format: Annotated[
        MaskFormat,
        Field(
            description="`rle`: compressed COCO; `rle_counts`: COCO runs as numbers; `polygon`: "
            "COCO polygons; `png`: a base64 PNG of the whole picture's size; `none`: no masks."
        ),
    ] = "rle"


class SemanticOptions(PictureOptions):
    """Options of `POST /semantic`."""

    min_area: Annotated[
        int, Field(ge=0, description="Leave out segments of fewer pixels than this.")
    ] = 0
    refine: Annotated[
        bool,
        Field(description="Ask the point head about uncertain borders; false: the coarse answer."),
    ] = True
    mask_format: Annotated[
        MaskFormat,
        Field(
            description="`rle`: compressed COCO; `rle_counts`: COCO runs as numbers; `polygon`: "
            "COCO polygons; `png`: one base64 PNG for the whole picture, each pixel's palette "
            "index its category id, as the member `label_map`; `none`: no masks."
        ),
    ] = "rle"
