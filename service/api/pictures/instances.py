"""Instances as replies: COCO result members in JSON, or drawn on the picture."""

from dataclasses import replace
from typing import Any

from models import rle
from models.outputs import InstanceMasks
from service.api import mask_formats, overlay
from service.api.mask_formats import MaskFormat
from service.api.pictures import detections
from service.api.pictures.call import Answered


def to_json(answered: Answered, *, mask_format: MaskFormat) -> bytes:
    """Return the reply of `POST /segment`.

    Masks are encoded here, in the caller's thread; with `mask_format` none they never are, and an
    instance's area is its box's.
    """
    found: InstanceMasks = answered.output
    heads = detections.members(answered)
    masks = _boxes_alone(heads) if mask_format == "none" else _masks(found, mask_format)
    return answered.reply(instances=[head | mask for head, mask in zip(heads, masks, strict=True)])


def to_png(answered: Answered) -> bytes:
    """Return the picture with its instances drawn on it."""
    found: InstanceMasks = answered.output
    marks = [
        replace(mark, mask=mask)
        for mark, mask in zip(detections.marks(answered), found.masks, strict=True)
    ]
    return overlay.draw(answered.image, marks)


def _masks(found: InstanceMasks, mask_format: MaskFormat) -> list[dict[str, Any]]:
    return [
        {"area": rle.area(mask), "segmentation": mask_formats.segmentation(mask, mask_format)}
        for mask in found.masks
    ]


def _boxes_alone(heads: list[dict[str, Any]]) -> list[dict[str, Any]]:
    sizes = (head["bbox"][2:] for head in heads)
    return [{"area": round(width * height, 2), "segmentation": None} for width, height in sizes]
