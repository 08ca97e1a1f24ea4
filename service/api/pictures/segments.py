"""Label maps as replies: one segment a category in JSON, or drawn on the picture."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from models import rle
from models.outputs import SemanticMap
from models.rle import Rle
from service.api import mask_formats, palette
from service.api.mask_formats import MaskFormat
from service.api.pictures.call import Answered


@dataclass(frozen=True)
class Wanted:
    """Which segments a reply has.

    Attributes:
        labels: only these; None for all.
        min_area: only those of at least so many pixels.
    """

    labels: tuple[int, ...] | None
    min_area: int


def to_json(answered: Answered, *, wanted: Wanted, mask_format: MaskFormat) -> bytes:
    """Return the reply of `POST /semantic`."""
    found: SemanticMap = answered.output
    one_map = mask_format == "png"
    chosen = list(_chosen(found, wanted))
    return answered.reply(
        refined=found.is_refined,
        segments=[
            _segment(answered, label, mask, "none" if one_map else mask_format)
            for label, mask in chosen
        ],
        label_map=_label_map(answered, [label for label, _ in chosen]) if one_map else None,
    )


def to_png(answered: Answered, *, wanted: Wanted) -> bytes:
    """Return the picture with its segments drawn on it."""
    found: SemanticMap = answered.output
    labels = [label for label, _ in _chosen(found, wanted)]
    return palette.draw(answered.image, found.label_map.numpy(), answered.model.categories, labels)


def _chosen(found: SemanticMap, wanted: Wanted) -> Iterator[tuple[int, Rle]]:
    for label, mask in zip(found.labels.tolist(), found.masks, strict=True):
        is_wanted = wanted.labels is None or label in wanted.labels
        if is_wanted and rle.area(mask) >= wanted.min_area:
            yield label, mask


def _segment(answered: Answered, label: int, mask: Rle, mask_format: MaskFormat) -> dict[str, Any]:
    category = answered.model.categories[label]
    return {
        "label": category.name,
        "category_id": category.id,
        "area": rle.area(mask),
        "bbox": rle.bbox_xywh(mask),
        "segmentation": mask_formats.segmentation(mask, mask_format),
    }


def _label_map(answered: Answered, labels: list[int]) -> str:
    label_map = answered.output.label_map.numpy()
    picture = palette.to_png(label_map, answered.model.categories, labels)
    return base64.b64encode(picture).decode("ascii")
