"""Errors as RFC 9457 problems: one table, one body shape, every error the service can make."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from service import errors
from service.api import record as records

MEDIA_TYPE = "application/problem+json"
_MAX_DETAIL = 1000  # characters; callers' own words are repeated in some


@dataclass(frozen=True)
class Problem:
    """How one kind of error looks to a caller.

    Attributes:
        status: HTTP status.
        code: stable slug; the problem's `type` is made from it.
        title: the kind in words, the same for every occurrence.
        retryable: whether the same request may succeed later.
        retry_after_s: what `Retry-After` says unless the error knows better; None sends none.
    """

    status: int
    code: str
    title: str
    retryable: bool = False
    retry_after_s: float | None = None

    @property
    def type(self) -> str:
        """The URI that identifies the kind."""
        return f"urn:maskd:problem:{self.code}"


TABLE: Mapping[type[errors.ServiceError], Problem] = MappingProxyType(
    {
        errors.MalformedRequest: Problem(400, "malformed-request", "This is no HTTP request"),
        errors.MalformedBody: Problem(400, "malformed-body", "The body cannot be read"),
        errors.UnreadableImage: Problem(400, "unreadable-image", "The picture cannot be read"),
        errors.UnreadableVideo: Problem(400, "unreadable-video", "The video cannot be read"),
        errors.Unauthorized: Problem(401, "unauthorized", "The token is missing or wrong"),
        errors.NotFound: Problem(404, "not-found", "There is no such thing"),
        errors.ModelInUse: Problem(
            409, "model-in-use", "Open sessions need the model", retryable=True
        ),
        errors.FrameOutOfOrder: Problem(
            409, "frame-out-of-order", "The session awaits another frame"
        ),
        errors.SessionElsewhere: Problem(
            409, "session-elsewhere", "Another process has the session", retryable=True
        ),
        errors.SnapshotUnusable: Problem(
            410, "snapshot-unusable", "What was kept of the session cannot be used"
        ),
        errors.SessionGone: Problem(410, "session-gone", "The session has ended"),
        errors.SlowUpload: Problem(
            408, "slow-upload", "The request came too slowly", retryable=True
        ),
        errors.TooLarge: Problem(
            413, "too-large", "The picture, the video or the body is too large"
        ),
        errors.UnsupportedMediaType: Problem(
            415, "unsupported-media-type", "Bodies of this type are not read"
        ),
        errors.InvalidOptions: Problem(422, "invalid-options", "An option cannot be used"),
        errors.FrameSizeChanged: Problem(
            422, "frame-size-changed", "The frame has another size than the session's first"
        ),
        errors.TooManyObjects: Problem(
            422, "too-many-objects", "A session does not follow so many objects"
        ),
        errors.HeadTooLarge: Problem(
            431, "head-too-large", "The request's line and headers are too large"
        ),
        errors.Overloaded: Problem(429, "overloaded", "The service is full", retryable=True),
        errors.TooManySessions: Problem(
            429, "too-many-sessions", "There is no room for another session", retryable=True
        ),
        errors.SessionBusy: Problem(
            429, "session-busy", "Too many requests wait for the session", retryable=True
        ),
        errors.InferenceFailed: Problem(
            500, "inference-failed", "The network failed on this picture"
        ),
        errors.NotReady: Problem(
            503, "not-ready", "The service takes no work now", retryable=True, retry_after_s=2.0
        ),
        errors.DeadlineExceeded: Problem(
            504, "deadline-exceeded", "The answer would come too late", retryable=True
        ),
        errors.OutOfMemory: Problem(
            507, "out-of-memory", "The device has too little memory for this picture"
        ),
    }
)

METHOD_NOT_ALLOWED = Problem(405, "method-not-allowed", "The route has no such method")
INTERNAL = Problem(500, "internal-error", "The service failed")
ALL = (*TABLE.values(), METHOD_NOT_ALLOWED, INTERNAL)


def install(app: FastAPI) -> None:
    """Make every error that the framework or a route raises a problem reply."""
    app.add_exception_handler(errors.ServiceError, _on_service_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)


def internal_error(request: Request) -> Response:
    """Return the last resort: a reply that says nothing but where to look."""
    return _reply(request, INTERNAL, "Nothing is known but the log's lines for this request id.")


def lookup(error: errors.ServiceError) -> Problem:
    """Return the table's row for an error: its class's own, or its nearest ancestor's."""
    rows = (TABLE.get(kind) for kind in type(error).__mro__)
    return next((row for row in rows if row is not None), INTERNAL)


def describe(error: errors.ServiceError, request_id: str) -> dict[str, Any]:
    """Return an error as a problem inside of a longer reply, where no header can tell of it."""
    problem = lookup(error)
    wait_s = _wait_s(problem, error)
    later = {} if wait_s is None else {"retry_after_s": wait_s}
    return _body(problem, error.detail, request_id, {**error.facts, **later})


async def _on_service_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, errors.ServiceError):
        raise error
    problem = lookup(error)
    wait_s = _wait_s(problem, error)
    headers = {} if wait_s is None else {"retry-after": str(wait_s)}
    return _reply(request, problem, error.detail, headers=headers, extra=error.facts)


async def _on_http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    path = request.url.path
    if error.status_code == HTTPStatus.NOT_FOUND:
        return _reply(request, TABLE[errors.NotFound], f"There is no route {path}.")
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        detail = f"{path} does not answer {request.method}."
        return _reply(request, METHOD_NOT_ALLOWED, detail, headers=dict(error.headers or {}))
    phrase = HTTPStatus(error.status_code).phrase
    other = Problem(error.status_code, phrase.lower().replace(" ", "-"), phrase)
    return _reply(request, other, str(error.detail), headers=dict(error.headers or {}))


async def _on_validation_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:])
    return _reply(request, TABLE[errors.InvalidOptions], f"{where}: {first['msg']}.")


def _wait_s(problem: Problem, error: errors.ServiceError) -> int | None:
    """Whole seconds, rounded up: coming back early only meets the same refusal."""
    wait_s: float | None = getattr(error, "retry_after_s", problem.retry_after_s)
    return None if wait_s is None else max(1, math.ceil(wait_s))


def _body(
    problem: Problem, detail: str, request_id: str, facts: Mapping[str, float | str]
) -> dict[str, Any]:
    return {
        "type": problem.type,
        "title": problem.title,
        "status": problem.status,
        "detail": detail if len(detail) <= _MAX_DETAIL else detail[:_MAX_DETAIL] + "…",
        "code": problem.code,
        "retryable": problem.retryable,
        "request_id": request_id,
        **facts,
    }


def _reply(
    request: Request,
    problem: Problem,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    extra: Mapping[str, float | str] | None = None,
) -> Response:
    record = records.of(request.scope)
    record.reason = problem.code
    body = _body(problem, detail, record.request_id, extra or {})
    # Plain ASCII, since callers' own words may hold what UTF-8 cannot (lone surrogates).
    return Response(
        json.dumps(body), problem.status, headers=dict(headers or {}), media_type=MEDIA_TYPE
    )
