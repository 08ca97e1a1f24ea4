"""`/sessions`: objects followed through the frames of a video, one request a frame."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from service.api.dependencies import ServicesDep
from service.api.openapi import (
    json_operation,
    picture_operation,
    picture_responses,
    problem_responses,
)
from service.api.sessions import tracks
from service.api.sessions.calls import SessionCalls
from service.api.sessions.options import EditOptions, FrameOptions, OpenOptions
from service.api.sessions.schemas import FrameReply, OpenedReply, SessionReply, SessionsReply

router = APIRouter(tags=["sessions"])

_OBJECT = {
    "id": 1,
    "label": "ball",
    "score": 1.0,
    "bbox": [20.0, 10.0, 24.0, 20.0],
    "visible": True,
    "area": 480,
    "segmentation": {
        "size": [48, 64],
        "counts": "Zn0d0l0000000000000000000000000000000000000000000000fm0",
    },
}
EXAMPLE = {
    "session_id": "5f3c9a1e7b2d4c608f9a3e6d8b5c2f1a",
    "model": "aot_demo",
    "frame_index": 1,
    "image": {"width": 64, "height": 48},
    "objects": [_OBJECT],
    "request_id": "7f0c2a5e4b1d4c0f9a3e6d8b5c2f1a70",
}
OPENED_EXAMPLE = {
    **EXAMPLE,
    "frame_index": 0,
    "expires_at": "2026-01-31T12:05:00.000+00:00",
    "limits": {"idle_s": 300.0, "age_s": 3600.0, "max_objects": 20, "max_requests": 16},
}


async def calls_of(request: Request, services: ServicesDep) -> SessionCalls:
    """Return what the routes do, for this request."""
    return SessionCalls(request, services)


Calls = Annotated[SessionCalls, Depends(calls_of)]
SessionId = Annotated[str, Path(description="As `POST /sessions` answered.")]
ObjectId = Annotated[int, Path(ge=1, lt=2**31)]

_GONE = problem_responses(404, 409, 410)


@router.post(
    "/sessions",
    summary="Open a session",
    status_code=201,
    response_model=OpenedReply,
    responses=picture_responses(OPENED_EXAMPLE, status=201, is_drawn=False),
    openapi_extra=picture_operation(OpenOptions),
)
async def open_session(calls: Calls) -> Response:
    """Begin to follow objects at the first frame of a video.

    The frame is sent as pictures are to `POST /segment`, the objects as the option `objects`: a
    part of the form, or a member of the JSON. `Location` is where the session lives.
    """
    return await calls.open()


@router.get("/sessions", summary="Open sessions")
async def list_sessions(services: ServicesDep) -> SessionsReply:
    """List the sessions that are open in this process, the oldest first."""
    found = [tracks.describe(status) for status in services.engine.sessions.list()]
    return SessionsReply.model_validate({"sessions": found})


@router.get("/sessions/{session_id}", summary="One session", responses=_GONE)
async def inspect_session(session_id: SessionId, services: ServicesDep) -> SessionReply:
    """Tell what a session is doing; looking does not prolong its life."""
    status = await services.engine.sessions.inspect(session_id)
    return SessionReply.model_validate(tracks.describe(status))


@router.delete("/sessions/{session_id}", summary="End a session", status_code=204, responses=_GONE)
async def close_session(session_id: SessionId, services: ServicesDep) -> None:
    """End a session; its memory is free at once, and requests that wait for it fail."""
    await services.engine.sessions.close(session_id)


@router.post(
    "/sessions/{session_id}/frames",
    summary="Next frame",
    response_model=FrameReply,
    responses={**picture_responses(EXAMPLE), **_GONE},
    openapi_extra=picture_operation(FrameOptions),
)
async def advance_session(session_id: SessionId, calls: Calls) -> Response:
    """Follow the objects into the next frame.

    All frames of a session have one size. A frame whose answer was lost can be sent again with the
    same `frame_index`: the session gives the same answer and does not go on.
    """
    return await calls.advance(session_id)


@router.post(
    "/sessions/{session_id}/objects",
    summary="Add or correct objects",
    responses={**_GONE, **problem_responses(400, 408, 413, 415, 422, 429, 503, 504, 507)},
    openapi_extra=json_operation(EditOptions),
)
async def add_objects(session_id: SessionId, calls: Calls) -> SessionReply:
    """Follow more objects from the current frame on, or known ids as they are told anew."""
    return SessionReply.model_validate(tracks.describe(await calls.add_objects(session_id)))


@router.delete(
    "/sessions/{session_id}/objects/{object_id}",
    summary="Drop an object",
    responses={**_GONE, **problem_responses(422, 429, 503, 504)},
)
async def remove_object(session_id: SessionId, object_id: ObjectId, calls: Calls) -> SessionReply:
    """Follow an object no longer; the others are not disturbed."""
    status = await calls.remove_object(session_id, object_id)
    return SessionReply.model_validate(tracks.describe(status))
