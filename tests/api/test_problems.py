"""Every error has one status and one stable code, and one shape."""

import json
from typing import Any, get_args

import pytest
from fastapi import FastAPI, HTTPException, Query
from prometheus_client import CollectorRegistry

from service import errors
from service.api import problems
from service.api.metrics import HttpMetrics
from service.api.middleware import Activity, RequestEnvelope
from service.api.schemas import ProblemReply
from tests.api.exchange import Exchange

EXPECTED = {
    errors.MalformedRequest: (400, "malformed-request"),
    errors.MalformedBody: (400, "malformed-body"),
    errors.UnreadableImage: (400, "unreadable-image"),
    errors.UnreadableVideo: (400, "unreadable-video"),
    errors.Unauthorized: (401, "unauthorized"),
    errors.NotFound: (404, "not-found"),
    errors.ModelInUse: (409, "model-in-use"),
    errors.FrameOutOfOrder: (409, "frame-out-of-order"),
    errors.SessionElsewhere: (409, "session-elsewhere"),
    errors.SessionGone: (410, "session-gone"),
    errors.SnapshotUnusable: (410, "snapshot-unusable"),
    errors.SlowUpload: (408, "slow-upload"),
    errors.TooLarge: (413, "too-large"),
    errors.UnsupportedMediaType: (415, "unsupported-media-type"),
    errors.InvalidOptions: (422, "invalid-options"),
    errors.FrameSizeChanged: (422, "frame-size-changed"),
    errors.TooManyObjects: (422, "too-many-objects"),
    errors.HeadTooLarge: (431, "head-too-large"),
    errors.Overloaded: (429, "overloaded"),
    errors.TooManySessions: (429, "too-many-sessions"),
    errors.SessionBusy: (429, "session-busy"),
    errors.InferenceFailed: (500, "inference-failed"),
    errors.NotReady: (503, "not-ready"),
    errors.DeadlineExceeded: (504, "deadline-exceeded"),
    errors.OutOfMemory: (507, "out-of-memory"),
}


def leaves(kind: type[errors.ServiceError]) -> set[type[errors.ServiceError]]:
    below = kind.__subclasses__()
    return {kind} if not below else set().union(*map(leaves, below))


# Kinds that word themselves, with what else they tell.
WORDED: tuple[tuple[errors.ServiceError, str, dict[str, float | str]], ...] = (
    (
        errors.ModelInUse("aot_demo", 3),
        "aot_demo has open sessions, which would end: 3.",
        {"open_sessions": 3},
    ),
    (
        errors.FrameOutOfOrder(expected=4, actual=7),
        "The session awaits frame 4, not 7.",
        {"expected_frame_index": 4, "actual_frame_index": 7},
    ),
    (
        errors.FrameSizeChanged((48, 64), (50, 70)),
        "The session's frames are 64 x 48 pixels, not 70 x 50.",
        {"expected_width": 64, "expected_height": 48, "actual_width": 70, "actual_height": 50},
    ),
    (
        errors.SessionGone("idle"),
        "The session ended, since no request came for it in time.",
        {"reason": "idle"},
    ),
)


def make(kind: type[errors.ServiceError], **numbers: float) -> errors.ServiceError:
    if issubclass(kind, errors.ComeBack):
        return kind("It is so.", retry_after_s=2.2, **numbers)
    return kind("It is so.", **numbers)


async def reply_to(error: Exception, path: str = "/raise", method: str = "GET") -> Exchange:
    app = FastAPI()
    problems.install(app)
    app.add_middleware(
        RequestEnvelope, metrics=HttpMetrics(CollectorRegistry()), activity=Activity()
    )

    @app.get("/raise")
    async def fail() -> None:
        raise error

    @app.get("/number")
    async def number(count: int = Query()) -> int:
        return count

    exchange = Exchange(method, path, {"x-request-id": "the-id"})
    exchange.body(b"")
    return await exchange.through(app)


def content(exchange: Exchange) -> dict[str, Any]:
    assert exchange.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = json.loads(exchange.content)
    ProblemReply.model_validate(body)
    assert body["status"] == exchange.status
    assert body["type"] == f"urn:maskd:problem:{body['code']}"
    assert body["request_id"] == "the-id"
    return body


def test_every_kind_of_error_is_in_the_table() -> None:
    assert leaves(errors.ServiceError) == set(problems.TABLE) == set(EXPECTED)


def test_no_two_kinds_share_a_code() -> None:
    codes = [kind.code for kind in problems.ALL]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize(
    "kind", [kind for kind in EXPECTED if kind not in {type(error) for error, _, _ in WORDED}]
)
async def test_a_service_error_becomes_its_problem(kind: type[errors.ServiceError]) -> None:
    body = content(await reply_to(make(kind, limit=5, actual=7)))
    assert (body["status"], body["code"]) == EXPECTED[kind]
    assert body["detail"] == "It is so."
    assert (body["limit"], body["actual"]) == (5, 7)


@pytest.mark.parametrize(("error", "detail", "facts"), WORDED)
async def test_a_kind_that_words_itself_tells_its_facts(
    error: errors.ServiceError, detail: str, facts: dict[str, float | str]
) -> None:
    body = content(await reply_to(error))
    assert (body["status"], body["code"]) == EXPECTED[type(error)]
    assert body["detail"] == detail
    assert facts.items() <= body.items()


@pytest.mark.parametrize("reason", get_args(errors.GoneReason))
def test_every_reason_of_a_session_s_end_has_its_words(reason: errors.GoneReason) -> None:
    assert errors.SessionGone(reason).detail.startswith("The session ")


async def test_bounds_are_left_out_where_none_was_broken() -> None:
    body = content(await reply_to(make(errors.NotFound)))
    assert "limit" not in body
    assert "actual" not in body


async def test_full_says_when_to_come_back_in_whole_seconds() -> None:
    assert (await reply_to(make(errors.Overloaded))).headers["retry-after"] == "3"
    at_once = errors.Overloaded("Full.", retry_after_s=0.0)
    assert (await reply_to(at_once)).headers["retry-after"] == "1"


async def test_not_ready_says_when_to_come_back() -> None:
    assert int((await reply_to(make(errors.NotReady))).headers["retry-after"]) >= 1


async def test_a_kind_not_yet_in_the_table_is_known_by_its_parent() -> None:
    class Odd(errors.UnreadableImage):
        pass

    assert content(await reply_to(Odd("It is so.")))["code"] == "unreadable-image"


async def test_an_unknown_route_is_a_problem() -> None:
    body = content(await reply_to(RuntimeError(), "/nowhere"))
    assert (body["status"], body["code"]) == (404, "not-found")


async def test_a_wrong_method_is_a_problem_that_names_the_right_ones() -> None:
    exchange = await reply_to(RuntimeError(), method="DELETE")
    assert content(exchange)["code"] == "method-not-allowed"
    assert exchange.headers["allow"] == "GET"


async def test_an_error_of_the_framework_is_a_problem() -> None:
    body = content(await reply_to(HTTPException(418, "no coffee")))
    assert body["detail"] == "no coffee"
    assert body["status"] == 418


async def test_a_value_that_the_framework_refuses_is_a_problem() -> None:
    body = content(await reply_to(RuntimeError(), "/number"))
    assert (body["status"], body["code"]) == (422, "invalid-options")
    assert body["detail"].startswith("count: ")


async def test_words_that_no_encoding_holds_are_still_answered() -> None:
    body = content(await reply_to(errors.NotFound("no model \ud800")))
    assert body["detail"] == "no model \ud800"


async def test_long_words_are_not_repeated_whole() -> None:
    body = content(await reply_to(errors.NotFound("a" * 5000)))
    assert body["detail"] == "a" * 1000 + "…"
