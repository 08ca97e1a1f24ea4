"""Every error has one status and one stable code, and one shape."""

import json
from typing import Any

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
    errors.MalformedBody: (400, "malformed-body"),
    errors.UnreadableImage: (400, "unreadable-image"),
    errors.NotFound: (404, "not-found"),
    errors.SlowUpload: (408, "slow-upload"),
    errors.TooLarge: (413, "too-large"),
    errors.UnsupportedMediaType: (415, "unsupported-media-type"),
    errors.InvalidOptions: (422, "invalid-options"),
    errors.Overloaded: (429, "overloaded"),
    errors.InferenceFailed: (500, "inference-failed"),
    errors.NotReady: (503, "not-ready"),
    errors.DeadlineExceeded: (504, "deadline-exceeded"),
    errors.OutOfMemory: (507, "out-of-memory"),
}


def leaves(kind: type[errors.ServiceError]) -> set[type[errors.ServiceError]]:
    below = kind.__subclasses__()
    return {kind} if not below else set().union(*map(leaves, below))


def make(kind: type[errors.ServiceError], **numbers: float) -> errors.ServiceError:
    if kind is errors.Overloaded:
        return errors.Overloaded("It is so.", retry_after_s=2.2, **numbers)
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


@pytest.mark.parametrize("kind", EXPECTED)
async def test_a_service_error_becomes_its_problem(kind: type[errors.ServiceError]) -> None:
    body = content(await reply_to(make(kind, limit=5, actual=7)))
    assert (body["status"], body["code"]) == EXPECTED[kind]
    assert body["detail"] == "It is so."
    assert (body["limit"], body["actual"]) == (5, 7)


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
