"""Followed objects as replies: JSON, or drawn on the frame; and what a session is."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models import rle
from models.outputs import TrackedObject
from service.api import mask_formats, overlay
from service.api.mask_formats import MaskFormat
from service.api.overlay import Mark
from service.engine.sessions.records import FrameAnswer, SessionStatus


@dataclass(frozen=True)
class Followed:
    """A frame and what became of a session's objects on it; all that rendering needs.

    Attributes:
        frame: [h, w, 3] uint8, RGB, upright.
        answer: of the engine.
        request_id: of the request.
    """

    frame: npt.NDArray[np.uint8]
    answer: FrameAnswer
    request_id: str


def to_json(
    followed: Followed, mask_format: MaskFormat, more: Mapping[str, Any] | None = None
) -> bytes:
    """Return the reply for a frame; masks are encoded here, in the caller's thread.

    Args:
        followed: to be told.
        mask_format: of the masks.
        more: members of the reply besides.
    """
    answer = followed.answer
    height, width = followed.frame.shape[:2]
    body = {
        "session_id": answer.session_id,
        "model": answer.model,
        "frame_index": answer.frame_index,
        "image": {"width": width, "height": height},
        "objects": [_object(one, answer.labels.get(one.id), mask_format) for one in answer.objects],
        **(more or {}),
        "request_id": followed.request_id,
    }
    return json.dumps(body, separators=(",", ":")).encode()


def to_png(followed: Followed) -> bytes:
    """Return the frame with its visible objects drawn on it."""
    labels = followed.answer.labels
    marks = [
        Mark(
            box_xyxy=one.box_xyxy,
            caption=f"{labels.get(one.id) or 'object'} {one.id}",
            colour=overlay.category_colour(one.id),
            mask=one.mask,
        )
        for one in followed.answer.objects
        if one.is_visible
    ]
    return overlay.draw(followed.frame, marks)


def describe(status: SessionStatus) -> dict[str, Any]:
    """Return what `GET /sessions/{id}` tells."""
    height, width = status.frame_size
    return {
        "session_id": status.id,
        "model": status.model,
        "frame_index": status.frame_index,
        "image": {"width": width, "height": height},
        "objects": [{"id": one.id, "label": one.label} for one in status.objects],
        "memory_bytes": status.memory_bytes,
        "is_busy": status.is_busy,
        "age_s": round(status.age_s, 3),
        "idle_s": round(status.idle_s, 3),
        **life(status),
    }


def life(status: SessionStatus) -> dict[str, Any]:
    """Return how long a session may live, and what it may be."""
    limits = status.limits
    return {
        "expires_at": status.expires_at.isoformat(timespec="milliseconds"),
        "limits": {
            "idle_s": limits.idle_s,
            "age_s": limits.age_s,
            "max_objects": limits.max_objects,
            "max_requests": limits.max_requests,
        },
    }


def _object(one: TrackedObject, label: str | None, mask_format: MaskFormat) -> dict[str, Any]:
    left, top, right, bottom = one.box_xyxy
    box = [round(number, 2) for number in (left, top, right - left, bottom - top)]
    told: dict[str, Any] = {
        "id": one.id,
        "label": label,
        "score": round(one.score, 5),
        "bbox": box,
        "visible": one.is_visible,
    }
    if mask_format == "none":
        told |= {"area": round(box[2] * box[3], 2), "segmentation": None}
    else:
        segmentation = mask_formats.segmentation(one.mask, mask_format)
        told |= {"area": rle.area(one.mask), "segmentation": segmentation}
    if one.rotated_box is not None:
        told["rotated_box"] = [[round(x, 2), round(y, 2)] for x, y in one.rotated_box]
    return told
