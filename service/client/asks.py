"""Every request that there is, as a pure function of what the caller wants."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic import TypeAdapter

from service.client import prompts, replies
from service.client.exchange import Ask
from service.client.options import to_query
from service.client.pictures import Picture, encode
from service.client.prompts import Detect, NewObject
from service.client.session_replies import FrameReply, OpenedReply, SessionReply, SessionsReply

Video = bytes | bytearray | str | os.PathLike[str]
"""A video file's bytes, or its path."""

_RAW = {"content-type": "application/octet-stream"}  # its first bytes say what a picture is
_SEGMENT = TypeAdapter(replies.SegmentReply)
_SEMANTIC = TypeAdapter(replies.SemanticReply)
_DETECT = TypeAdapter(replies.DetectReply)
_MODELS = TypeAdapter(replies.ModelsReply)
_OPENED = TypeAdapter(OpenedReply)
_SESSION = TypeAdapter(SessionReply)
_SESSIONS = TypeAdapter(SessionsReply)
_FRAME = TypeAdapter(FrameReply)


def segment(picture: Picture, options: Mapping[str, Any]) -> Ask[replies.SegmentReply]:
    """Ask for the instances of a picture; options are those of `SegmentOptions`."""
    return Ask("POST", "/segment", _SEGMENT.validate_json, _picture(picture, options))


def semantic(picture: Picture, options: Mapping[str, Any]) -> Ask[replies.SemanticReply]:
    """Ask for the categories of a picture; options are those of `SemanticOptions`."""
    return Ask("POST", "/semantic", _SEMANTIC.validate_json, _picture(picture, options))


def detect(picture: Picture, options: Mapping[str, Any]) -> Ask[replies.DetectReply]:
    """Ask for the boxes of a picture's objects; options are those of `DetectOptions`."""
    return Ask("POST", "/detect", _DETECT.validate_json, _picture(picture, options))


def models() -> Ask[replies.ModelsReply]:
    """Ask what is loaded."""
    return Ask("GET", "/models", _MODELS.validate_json)


def open_session(
    frame: Picture, objects: Sequence[NewObject] | Detect, options: Mapping[str, Any]
) -> Ask[OpenedReply]:
    """Ask to follow objects from a first frame on.

    Not repeatable: a second session would take room until it expires.
    """
    told = prompts.to_json(objects)
    form = {name: json.dumps(value) for name, value in told.items()}
    sent = {"files": {"image": encode(frame)}, "data": form, "params": to_query(options)}
    return Ask("POST", "/sessions", _OPENED.validate_json, sent, is_repeatable=False)


def step(
    session_id: str, frame: Picture, frame_index: int, options: Mapping[str, Any]
) -> Ask[FrameReply]:
    """Ask where the objects are on the next frame.

    Repeatable, since the index just answered, sent again, gets the same answer again.
    """
    sent = _picture(frame, {**options, "frame_index": frame_index})
    return Ask("POST", f"{_session(session_id)}/frames", _FRAME.validate_json, sent)


def sessions() -> Ask[SessionsReply]:
    """Ask which sessions are open."""
    return Ask("GET", "/sessions", _SESSIONS.validate_json)


def session(session_id: str) -> Ask[SessionReply]:
    """Ask how a session stands."""
    return Ask("GET", _session(session_id), _SESSION.validate_json)


def track_video(
    video: Video, objects: Sequence[NewObject] | Detect, options: Mapping[str, Any]
) -> Ask[None]:
    """Ask to follow objects through a video; the reply is read line by line, not here.

    Repeatable, since the service stops with the connection.
    """
    data = bytes(video) if isinstance(video, bytes | bytearray) else Path(video).read_bytes()
    form = {name: json.dumps(value) for name, value in prompts.to_json(objects).items()}
    sent = {"files": {"video": data}, "data": form, "params": to_query(options)}
    return Ask("POST", "/track", _nothing, sent)


def tell_objects(session_id: str, objects: Sequence[NewObject]) -> Ask[SessionReply]:
    """Ask to follow further objects from the current frame on, or to take corrections."""
    sent = {"json": prompts.to_json(objects)}
    path = f"{_session(session_id)}/objects"
    return Ask("POST", path, _SESSION.validate_json, sent, is_repeatable=False)


def drop_object(session_id: str, object_id: int) -> Ask[SessionReply]:
    """Ask to follow an object no longer."""
    path = f"{_session(session_id)}/objects/{object_id}"
    return Ask("DELETE", path, _SESSION.validate_json, is_repeatable=False)


def close_session(session_id: str) -> Ask[None]:
    """Ask to forget a session."""
    return Ask("DELETE", _session(session_id), _nothing)


def _session(session_id: str) -> str:
    return f"/sessions/{quote(session_id, safe='')}"


def _picture(picture: Picture, options: Mapping[str, Any]) -> dict[str, Any]:
    return {"content": encode(picture), "headers": _RAW, "params": to_query(options)}


def _nothing(body: bytes) -> None:
    """Read a reply that says nothing of use."""
    del body
