"""What may be asked of the routes that take a picture; unknown names are refused."""

from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from service.api.mask_formats import MaskFormat
from service.api.pictures.boxes import MAX_BOXES, Box, parse


def _names(value: object) -> object:
    """Read `a,b` as a list; anything else is left for the field's own check."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _boxes(value: object) -> object:
    """Read JSON as boxes; anything else is left for the field's own check."""
    return parse(value) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(_names)]
Boxes = Annotated[
    tuple[Box, ...], Field(min_length=1, max_length=MAX_BOXES), BeforeValidator(_boxes)
]


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
        Names | None,
        Field(description="Answer only these categories: names or category ids, comma separated."),
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
    boxes: Annotated[
        Boxes | None,
        Field(
            description="Answer with one instance for each of these boxes, in their order, instead "
            "of what the network finds: JSON, `[[x, y, width, height], …]` in pixels."
        ),
    ] = None
    box_labels: Annotated[
        Names | None,
        Field(
            description="What is in each of the boxes: names or category ids, comma separated. "
            "Without it the likeliest category is taken, of `labels` if they are given."
        ),
    ] = None

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.boxes is None:
            if self.box_labels is not None:
                raise ValueError("box_labels: there are no boxes")
            return self
        for name in ("score_threshold", "max_detections"):
            if name in self.model_fields_set:
                raise ValueError(f"{name}: has no meaning with boxes, each of which is answered")
        if self.box_labels is not None:
            if self.labels is not None:
                raise ValueError("labels: has no meaning with box_labels")
            if len(self.box_labels) != len(self.boxes):
                raise ValueError(
                    f"box_labels: there are {len(self.box_labels)} for {len(self.boxes)} boxes"
                )
        return self


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
