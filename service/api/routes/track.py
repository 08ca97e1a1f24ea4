"""`POST /track`: objects followed through a whole video, one line of the reply a frame."""

import json
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from service.api.dependencies import ServicesDep
from service.api.negotiation import NDJSON
from service.api.openapi import FAILURES, problem_responses, video_operation
from service.api.routes.sessions import EXAMPLE, OPENED_EXAMPLE
from service.api.sessions.options import VideoOptions
from service.api.sessions.schemas import VideoEndReply, VideoFrameReply, VideoOpenedReply
from service.api.video.reply import VideoReply, follow_video

PATH = "/track"

router = APIRouter(tags=["sessions"])

FIRST_EXAMPLE = {**OPENED_EXAMPLE, "time_s": 0.0, "video": {"frames": 2, "duration_s": 0.08}}
FRAME_EXAMPLE = {**EXAMPLE, "time_s": 0.04}
END_EXAMPLE = {
    "session_id": EXAMPLE["session_id"],
    "model": EXAMPLE["model"],
    "summary": {
        "frames": 2,
        "duration_s": 0.08,
        "objects": [{"id": 1, "label": "ball", "frames_visible": 2}],
    },
    "problem": None,
    "request_id": EXAMPLE["request_id"],
}
_LINES = (FIRST_EXAMPLE, FRAME_EXAMPLE, END_EXAMPLE)
_ANSWERED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Lines of JSON: the first frame, each further one, the summary.",
        "model": VideoOpenedReply | VideoFrameReply | VideoEndReply,
        "content": {NDJSON: {"example": "\n".join(map(json.dumps, _LINES))}},
    }
}


@router.post(
    PATH,
    summary="Objects through a video",
    status_code=200,
    response_class=VideoReply,
    responses={**_ANSWERED, **problem_responses(*FAILURES)},
    openapi_extra=video_operation(VideoOptions),
)
async def track_video(request: Request, services: ServicesDep) -> Response:
    """Follow objects of a video's first frame to its end.

    The video is the raw body, or the part `video` of a form; options are query parameters, or
    further parts. The reply has one line a frame, sent as soon as the frame is followed, and a
    last one with `summary`, whose `problem` tells what ended the video early.
    """
    return await follow_video(request, services)
