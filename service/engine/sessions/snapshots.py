"""A session as one file: safetensors for its state, JSON in the header for all else."""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import safetensors.torch
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from torch import Tensor

from models import rle
from models.outputs import TrackedObject
from service.engine.sessions.records import FrameAnswer, Timing
from service.engine.sessions.session import Position
from service.errors import SnapshotUnusable

_RECORD = "session"  # the header's entry that holds the JSON
_CHECKSUM = "crc32"  # of the JSON and all tensors
_UNKNOWN = Timing(queue_wait_s=0.0, run_s=0.0, batch_size=0)


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ObjectRecord(_Record):
    """One object of the last answer; see `TrackedObject`."""

    id: int
    box_xyxy: tuple[float, float, float, float]
    score: float
    is_visible: bool
    rotated_box: tuple[tuple[float, float], ...] | None
    size: tuple[int, int]
    counts: str


class SessionRecord(_Record):
    """What a session is besides its state.

    Attributes:
        format: of this record.
        session_id: of the session.
        model: the tracker that follows.
        opened_at: seconds since 1970, UTC.
        touched_at: when its last request ended, likewise.
        frame_index: of the frame that it stands at.
        labels: object id -> what its caller calls it.
        answer: for that frame.
        answer_labels: of the objects in it.
    """

    format: Literal[1] = 1
    session_id: str
    model: str
    opened_at: float
    touched_at: float
    frame_index: Annotated[int, Field(ge=0)]
    labels: dict[int, str | None]
    answer: tuple[ObjectRecord, ...]
    answer_labels: dict[int, str | None]


@dataclass(frozen=True)
class Snapshot:
    """A session that was written.

    Attributes:
        record: what it is.
        tensors: the dump of its state, [any] by name.
    """

    record: SessionRecord
    tensors: Mapping[str, Tensor]


def pack(position: Position, opened_at: float, touched_at: float) -> bytes:
    """Return the file of a session; its masks are encoded here.

    Args:
        position: where it stands.
        opened_at: seconds since 1970, UTC.
        touched_at: likewise.
    """
    answer = position.answer
    record = SessionRecord(
        session_id=answer.session_id,
        model=answer.model,
        opened_at=opened_at,
        touched_at=touched_at,
        frame_index=answer.frame_index,
        labels=dict(position.labels),
        answer=tuple(map(_record_of, answer.objects)),
        answer_labels=dict(answer.labels),
    )
    text = record.model_dump_json()
    tensors = {name: tensor.contiguous() for name, tensor in position.state.dump().items()}
    header = {_RECORD: text, _CHECKSUM: str(_checksum(text, tensors))}
    return safetensors.torch.save(tensors, header)


def unpack(content: bytes, session_id: str) -> Snapshot:
    """Return what `pack` wrote.

    Args:
        content: of the file.
        session_id: whose it must be.

    Raises:
        SnapshotUnusable: it is damaged, of another version, or another session's.
    """
    try:
        tensors = safetensors.torch.load(content)
        header = _header(content)
        record = SessionRecord.model_validate_json(header[_RECORD])
    except (SafetensorError, ValidationError, KeyError, TypeError, ValueError) as error:
        raise SnapshotUnusable(
            "The session's snapshot is damaged, or of another version."
        ) from error
    if header.get(_CHECKSUM) != str(_checksum(header[_RECORD], tensors)):
        raise SnapshotUnusable("The session's snapshot is damaged.")
    if record.session_id != session_id:
        raise SnapshotUnusable("The snapshot is of another session.")
    return Snapshot(record, tensors)


def answer_of(record: SessionRecord) -> FrameAnswer:
    """Return the last answer of a session that was written, as it was given."""
    return FrameAnswer(
        session_id=record.session_id,
        model=record.model,
        frame_index=record.frame_index,
        objects=tuple(map(_object_of, record.answer)),
        labels=record.answer_labels,
        timing=_UNKNOWN,
    )


def _record_of(tracked: TrackedObject) -> ObjectRecord:
    height, width = tracked.mask["size"]
    return ObjectRecord(
        id=tracked.id,
        box_xyxy=tracked.box_xyxy,
        score=tracked.score,
        is_visible=tracked.is_visible,
        rotated_box=tracked.rotated_box,
        size=(height, width),
        counts=tracked.mask["counts"],
    )


def _object_of(record: ObjectRecord) -> TrackedObject:
    mask = rle.Rle(size=[*record.size], counts=record.counts)
    return TrackedObject(
        id=record.id,
        box_xyxy=record.box_xyxy,
        score=record.score,
        is_visible=record.is_visible,
        rotated_box=record.rotated_box,
        encode_mask=lambda: mask,
    )


def _header(content: bytes) -> dict[str, str]:
    """The header's own entries; the library reads them from files only."""
    length = int.from_bytes(content[:8], "little")
    metadata: dict[str, str] = json.loads(content[8 : 8 + length])["__metadata__"]
    return metadata


def _checksum(text: str, tensors: Mapping[str, Tensor]) -> int:
    checksum = zlib.crc32(text.encode())
    for name in sorted(tensors):
        raw = tensors[name].reshape(-1).view(torch.uint8).numpy()
        checksum = zlib.crc32(raw.data, zlib.crc32(name.encode(), checksum))
    return checksum
