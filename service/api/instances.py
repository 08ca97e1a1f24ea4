"""Instances as replies: COCO result members in JSON, or drawn on the picture."""

import json
from typing import Any

from models import rle
from models.outputs import InstanceMasks
from service.api import mask_formats, overlay
from service.api.overlay import Mark
from service.api.pictures import Answered
from service.api.schemas import MaskFormat


def to_json(answered: Answered, *, mask_format: MaskFormat) -> bytes:
    """Return the reply of `POST /segment`.

    Masks are encoded here, in the caller's thread; with `mask_format` none they never are, and an
    instance's area is its box's.
    """
    found: InstanceMasks = answered.output
    height, width = answered.image.shape[:2]
    members = zip(
        found.labels.tolist(), found.scores.tolist(), found.boxes_xyxy.tolist(), strict=True
    )
    heads = [_head(answered, label, score, box) for label, score, box in members]
    masks = _boxes_alone(heads) if mask_format == "none" else _masks(found, mask_format)
    body = {
        "model": answered.model.name,
        "image": {"width": width, "height": height},
        "instances": [head | mask for head, mask in zip(heads, masks, strict=True)],
        "request_id": answered.request_id,
    }
    return json.dumps(body, separators=(",", ":")).encode()


def to_png(answered: Answered) -> bytes:
    """Return the picture with its instances drawn on it."""
    found: InstanceMasks = answered.output
    categories = [answered.model.categories[label] for label in found.labels.tolist()]
    members = zip(
        categories, found.scores.tolist(), found.boxes_xyxy.tolist(), found.masks, strict=True
    )
    marks = [
        Mark(
            box_xyxy=(box[0], box[1], box[2], box[3]),
            caption=f"{category.name} {score:.2f}",
            colour=overlay.category_colour(category.id),
            mask=mask,
        )
        for category, score, box, mask in members
    ]
    return overlay.draw(answered.image, marks)


def _head(answered: Answered, label: int, score: float, box: list[float]) -> dict[str, Any]:
    category = answered.model.categories[label]
    left, top, right, bottom = box
    return {
        "label": category.name,
        "category_id": category.id,
        "score": round(score, 5),
        "bbox": [round(number, 2) for number in (left, top, right - left, bottom - top)],
    }


def _masks(found: InstanceMasks, mask_format: MaskFormat) -> list[dict[str, Any]]:
    return [
        {"area": rle.area(mask), "segmentation": mask_formats.segmentation(mask, mask_format)}
        for mask in found.masks
    ]


def _boxes_alone(heads: list[dict[str, Any]]) -> list[dict[str, Any]]:
    sizes = (head["bbox"][2:] for head in heads)
    return [{"area": round(width * height, 2), "segmentation": None} for width, height in sizes]
