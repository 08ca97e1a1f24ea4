"""What outcomes mean, and when a request is sent again."""

from typing import Any

import httpx
import pytest

from service.client import MaskdError, RequestFailed, Retry, Unreachable, UnreadableReply
from service.client.errors import Problem
from service.client.retry import Patience
from tests.client.talking import client, problem

MODELS = {"models": []}


def failure(**members: Any) -> RequestFailed:
    retry_after_s = members.pop("retry_after_s", None)
    told = {"status": 429, "code": "overloaded", "retryable": True} | members
    return RequestFailed(Problem(title="", detail="", request_id="", **told), retry_after_s)


def waits(retry: Retry, *errors: MaskdError, is_repeatable: bool = True) -> list[float]:
    """How long is waited after each error while the clock stands still."""
    patience = Patience(retry, lambda: 0.0)
    return [patience.wait_s(error, is_repeatable=is_repeatable) for error in errors]


def test_a_service_that_is_full_is_asked_again() -> None:
    full = problem(429, "overloaded", retryable=True, retry_after=0)
    asking, script = client(full, full, httpx.Response(200, json=MODELS))
    assert asking.models() == ()
    assert len(script.asked) == 3


def test_a_wrong_request_is_not_sent_again() -> None:
    asking, script = client(problem(413, "too-large", limit=5.0, actual=7.0))
    with pytest.raises(RequestFailed) as caught:
        asking.models()
    assert (caught.value.code, caught.value.status, caught.value.retryable) == (
        "too-large",
        413,
        False,
    )
    assert (caught.value.limit, caught.value.actual, caught.value.request_id) == (5, 7, "r1")
    assert str(caught.value) == "It failed here. (413 too-large)"
    assert len(script.asked) == 1


def test_a_broken_connection_is_tried_again() -> None:
    asking, script = client(httpx.ReadError("broken"), httpx.Response(200, json=MODELS))
    assert asking.models() == ()
    assert len(script.asked) == 2


def test_a_service_that_never_answers_is_given_up() -> None:
    asking, script = client(*[httpx.ConnectError("refused")] * 9)
    with pytest.raises(Unreachable) as caught:
        asking.models()
    assert str(caught.value) == "No answer came from http://service: refused."
    assert len(script.asked) == 5
    assert not caught.value.was_sent


@pytest.mark.parametrize("body", ["<html>", '{"models": 3}', "{}"])
@pytest.mark.parametrize("status", [200, 502])
def test_another_server_s_words_are_no_reply(body: str, status: int) -> None:
    asking, _ = client(httpx.Response(status, text=body))
    with pytest.raises(UnreadableReply) as caught:
        asking.models()
    assert caught.value.status == status


def test_an_address_that_makes_no_sense_is_told_at_once() -> None:
    asking, script = client(httpx.UnsupportedProtocol("no scheme"))
    with pytest.raises(httpx.UnsupportedProtocol):
        asking.models()
    assert len(script.asked) == 1


def test_the_service_s_own_time_is_waited_and_little_more() -> None:
    (wait_s,) = waits(Retry(), failure(retry_after_s=7))
    assert 7 <= wait_s <= 7 * 1.2


def test_without_one_the_wait_doubles_up_to_a_bound() -> None:
    retry = Retry(first_wait_s=1, longest_wait_s=3, attempts=9)
    waited = waits(retry, *[failure()] * 4)
    for wait_s, least in zip(waited, [1, 2, 3, 3], strict=True):
        assert least <= wait_s <= least * 1.2


def test_a_wait_beyond_the_budget_is_not_begun() -> None:
    error = failure(retry_after_s=61)
    with pytest.raises(RequestFailed) as caught:
        waits(Retry(budget_s=60), error)
    assert caught.value is error


def test_attempts_are_bounded() -> None:
    with pytest.raises(RequestFailed):
        waits(Retry(attempts=2), failure(), failure())
    with pytest.raises(RequestFailed):
        waits(Retry(attempts=1), failure())


def test_what_must_not_be_done_twice_is_repeated_only_if_it_was_not_done() -> None:
    lost = Unreachable("", was_sent=True)
    assert waits(Retry(), Unreachable("", was_sent=False), failure(), is_repeatable=False)
    assert waits(Retry(), lost)
    with pytest.raises(Unreachable):
        waits(Retry(), lost, is_repeatable=False)


@pytest.mark.parametrize(("header", "seconds"), [("7", 7), ("soon", None)])
def test_the_service_s_own_time_is_read(header: str, seconds: float | None) -> None:
    full = problem(429, "overloaded", retryable=True, retry_after=header)
    asking, _ = client(full, retry=Retry(attempts=1))
    with pytest.raises(RequestFailed) as caught:
        asking.models()
    assert caught.value.retry_after_s == seconds
