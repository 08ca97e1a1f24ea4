"""Objects that a caller points out for a session: as they are written, and on the frame."""

import json
from collections.abc import Sequence
from typing import Annotated, Any, Self

import numpy as np
import numpy.typing as npt
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from models import rle
from service.api import codec, inputs
from service.engine.sessions.records import (
    BoxPrompt,
    Detect,
    MaskPrompt,
    NewObject,
    PointPrompt,
)
from service.errors import InvalidOptions, TooLarge, UnreadableImage

Size = tuple[int, int]  # height, width

Number = Annotated[float, Field(allow_inf_nan=False)]
_MAX_GIVEN = 255


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RleSpec(_Spec):
    """A mask as COCO RLE, compressed or as numbers."""

    size: tuple[int, int]
    counts: str | tuple[int, ...]


class ObjectSpec(_Spec):
    """One object: where it is, told in one of three ways, and what it is called."""

    id: Annotated[int | None, Field(ge=1, lt=2**31)] = None
    label: Annotated[str | None, StringConstraints(min_length=1, max_length=100)] = None
    mask: RleSpec | str | None = None
    box: tuple[Number, Number, Number, Number] | None = None
    point: tuple[Number, Number] | None = None

    @model_validator(mode="after")
    def _is_told_once(self) -> Self:
        if sum(told is not None for told in (self.mask, self.box, self.point)) != 1:
            raise ValueError("one of mask, box and point must be given")
        return self


class DetectSpec(_Spec):
    """Objects that a network shall find on the first frame."""

    model: str | None = None
    score_threshold: Annotated[float, Field(ge=0, le=1)] = 0.5
    labels: Annotated[tuple[str | int, ...], Field(min_length=1)] | None = None

    def to_engine(self) -> Detect:
        """Return it as the engine takes it."""
        labels = None if self.labels is None else tuple(map(str, self.labels))
        return Detect(self.model, self.score_threshold, labels)


def _from_json(value: object) -> object:
    """Read JSON; anything else is left for the field's own check."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise ValueError("JSON is expected") from None


_OBJECT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "id": {"type": "integer", "minimum": 1},
        "label": {"type": "string", "minLength": 1, "maxLength": 100},
        "mask": {
            "description": "COCO RLE of the frame's size, or a PNG of it in base64.",
            "anyOf": [{"type": "object"}, {"type": "string"}],
        },
        "box": {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4},
        "point": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
    },
}

Objects = Annotated[
    tuple[ObjectSpec, ...],
    Field(min_length=1, max_length=_MAX_GIVEN),
    BeforeValidator(_from_json),
    WithJsonSchema({"type": "array", "items": _OBJECT_SCHEMA, "minItems": 1}),
]
Find = Annotated[
    DetectSpec,
    BeforeValidator(_from_json),
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "model": {"type": "string"},
                "score_threshold": {"type": "number", "minimum": 0, "maximum": 1},
                "labels": {"type": "array", "items": {"type": "string"}},
            },
        }
    ),
]


def to_new_objects(specs: Sequence[ObjectSpec], size: Size) -> list[NewObject]:
    """Return objects as the engine takes them.

    Args:
        specs: as the caller wrote them.
        size: (height, width) of the frame that they are on.

    Raises:
        InvalidOptions: one is not on such a frame; the message says which.
    """
    return [
        NewObject(_prompt(f"objects.{index}", spec, size), spec.id, spec.label)
        for index, spec in enumerate(specs)
    ]


def _prompt(name: str, spec: ObjectSpec, size: Size) -> MaskPrompt | BoxPrompt | PointPrompt:
    height, width = size
    if spec.mask is not None:
        return MaskPrompt(_mask(f"{name}.mask", spec.mask, size))
    if spec.box is not None:
        x, y, box_width, box_height = spec.box
        left, top = max(x, 0.0), max(y, 0.0)
        right, bottom = min(x + box_width, width), min(y + box_height, height)
        if min(box_width, box_height) <= 0 or left >= right or top >= bottom:
            raise InvalidOptions(f"{name}.box covers nothing of the frame of {width}x{height}.")
        return BoxPrompt((left, top, right, bottom))
    x, y = spec.point or (-1.0, -1.0)
    if not (0 <= x < width and 0 <= y < height):
        raise InvalidOptions(f"{name}.point is not on the frame of {width}x{height}.")
    return PointPrompt((x, y))


def _mask(name: str, spec: RleSpec | str, size: Size) -> npt.NDArray[np.bool_]:
    """[h, w] bool. Nothing is allocated for a mask of another size than the frame's."""
    if isinstance(spec, str):
        return _png_mask(name, spec, size)
    _check_size(name, spec.size, size)
    try:
        packed = spec.counts
        if not isinstance(packed, str):
            packed = rle.from_counts(spec.size, packed)["counts"]
        return rle.decode(rle.Rle(size=list(spec.size), counts=packed))
    except ValueError as error:
        raise InvalidOptions(f"{name} is no COCO RLE: {error}.") from None


def _png_mask(name: str, text: str, size: Size) -> npt.NDArray[np.bool_]:
    """Where the picture is not black."""
    try:
        data = inputs.from_base64(text)
        header = codec.probe(data, size[0] * size[1])
        _check_size(name, (header.height, header.width), size)
        return np.asarray(codec.decode(data, header).any(axis=2))
    except (UnreadableImage, TooLarge) as error:
        raise InvalidOptions(f"{name}: {error.detail}") from None


def _check_size(name: str, found: Size, size: Size) -> None:
    if found != size:
        raise InvalidOptions(
            f"{name} is {found[1]}x{found[0]} pixels, the frame {size[1]}x{size[0]}."
        )
