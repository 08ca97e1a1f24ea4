"""The options of the routes, as keyword arguments; the service's defaults where left out."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

MaskFormat = Literal["rle", "rle_counts", "polygon", "png", "none"]


class PictureOptions(TypedDict, total=False):
    """Options of every route that takes one picture.

    Attributes:
        model: variant that answers.
        labels: only these categories: names or category ids.
        timeout_s: seconds, from the request's arrival, after which the answer is of no use.
    """

    model: str | None
    labels: Sequence[str | int] | None
    timeout_s: float | None


class DetectOptions(PictureOptions, total=False):
    """Options of `detect`.

    Attributes:
        score_threshold: leave out what scores less.
        max_detections: the most objects in the answer, best first.
    """

    score_threshold: float
    max_detections: int


class SegmentOptions(DetectOptions, total=False):
    """Options of `segment`.

    Attributes:
        mask_format: how masks are sent; `mask()` reads `rle`, `rle_counts` and `png`.
        boxes: one instance for each of these instead, in their order: x, y, width, height; pixels.
        box_labels: what is in each of the boxes: names or category ids; None: the likeliest.
    """

    mask_format: MaskFormat
    boxes: Sequence[Sequence[float]] | None
    box_labels: Sequence[str | int] | None


class SemanticOptions(PictureOptions, total=False):
    """Options of `semantic`.

    Attributes:
        min_area: leave out segments of fewer pixels than this.
        refine: False: the coarse answer.
        mask_format: how masks are sent; `png` sends one label map.
    """

    min_area: int
    refine: bool
    mask_format: MaskFormat


class TrackOptions(TypedDict, total=False):
    """Options of `track`.

    Attributes:
        model: tracker that follows; by default the first loaded that takes such objects.
        mask_format: how masks are sent; `mask()` reads `rle`, `rle_counts` and `png`.
        timeout_s: seconds, from each request's arrival, after which its answer is of no use.
    """

    model: str | None
    mask_format: MaskFormat
    timeout_s: float | None


def to_query(options: Mapping[str, Any]) -> dict[str, str]:
    """Return options as query parameters; those that are None are left out."""
    return {name: _text(value) for name, value in options.items() if value is not None}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, Sequence) or isinstance(value, str):
        return str(value)
    if all(isinstance(item, str | int) for item in value):
        return ",".join(str(item) for item in value)
    return json.dumps(value)
