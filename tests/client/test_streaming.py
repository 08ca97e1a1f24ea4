"""A stream's course without a transport: what is sent again, what is let go, what is given up."""

import json
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from service.client import MaskdError, NewObject, RequestFailed, Retry, Unreachable, UnreadableReply
from service.client.retry import Patience
from service.client.streaming import (
    Act,
    Connect,
    Course,
    Give,
    Look,
    NextFrame,
    Pause,
    Receive,
    Send,
    after,
)

BROKEN = Unreachable("It broke.", was_sent=True)


def reply(index: int, **more: Any) -> str:
    members = {"session_id": "s1", "model": "fake", "frame_index": index, "request_id": "r1"}
    return json.dumps({**members, "image": {"width": 2, "height": 2}, "objects": [], **more})


def problem(code: str, *, retryable: bool = False, **more: Any) -> str:
    members = {"status": 400, "code": code, "title": "It failed", "detail": "It failed here."}
    return json.dumps({**members, "retryable": retryable, "request_id": "r1", **more})


def at(index: int) -> SimpleNamespace:
    """What is looked at of a session that stands at a frame."""
    return SimpleNamespace(frame_index=index)


def course(policy: str = "all", in_flight: int = 2) -> Course:
    def new_patience() -> Patience:
        return Patience(Retry(attempts=3), lambda: 0.0)

    return Course(0, {"policy": policy}, in_flight, new_patience, lambda _: None)


def acts_of(way: Course, outcomes: Iterable[Any]) -> list[Act]:
    """All acts of a course; those that give something take it from outcomes, one by one."""
    coming = iter(outcomes)
    acts = way.acts()
    taken = []
    act: Act | None = next(acts)
    while act is not None:
        taken.append(act)
        outcome = None
        if isinstance(act, NextFrame | Receive | Look):
            outcome = next(coming)
        act = after(acts, outcome)
    return taken


def given(acts: Iterable[Act]) -> list[tuple[int, int]]:
    return [(act.reply.frame_index, act.reply.dropped) for act in acts if isinstance(act, Give)]


def queries(acts: Iterable[Act]) -> list[dict[str, str]]:
    return [act.query for act in acts if isinstance(act, Connect)]


def sent(acts: Iterable[Act]) -> list[bytes | str]:
    return [act.message for act in acts if isinstance(act, Send)]


def test_frames_without_an_answer_are_sent_again_from_where_the_session_stands() -> None:
    outcomes = [b"1", None, b"2", None, BROKEN, at(2), None, reply(2)]
    acts = acts_of(course(), outcomes)
    assert sent(acts) == [b"1", b"2", b"2"]
    assert [query["frame_index"] for query in queries(acts)] == ["1", "2"]
    assert given(acts) == [(2, 1)]


def test_a_frame_that_did_not_count_is_sent_again() -> None:
    outcomes = [b"1", None, b"2", None, BROKEN, at(0), reply(1), None, reply(2)]
    acts = acts_of(course(), outcomes)
    assert sent(acts) == [b"1", b"2", b"1", b"2"]
    assert given(acts) == [(1, 0), (2, 0)]


def test_a_session_that_went_on_since_it_was_asked_is_asked_again_at_once() -> None:
    overtaken = problem("frame-out-of-order", expected_frame_index=3)
    outcomes = [b"1", None, b"2", None, BROKEN, at(0), overtaken, at(2), None, reply(2)]
    acts = acts_of(course(), outcomes)
    assert sent(acts) == [b"1", b"2", b"1", b"2", b"2"]
    assert sum(isinstance(act, Pause) for act in acts) == 1
    assert given(acts) == [(2, 1)]


@pytest.mark.parametrize("expected", [1, 9])
def test_a_session_that_somebody_else_moved_is_given_up(expected: int) -> None:
    way = course()
    elsewhere = problem("frame-out-of-order", expected_frame_index=expected)
    with pytest.raises(RequestFailed):
        acts_of(way, [b"1", elsewhere])


def test_what_may_help_is_tried_again_when_the_service_says() -> None:
    full = problem("overloaded", retryable=True, retry_after_s=3.0)
    acts = acts_of(course(), [b"1", full, at(0), None, reply(1)])
    (pause,) = [act for act in acts if isinstance(act, Pause)]
    assert 3 <= pause.seconds <= 3.6
    assert sent(acts) == [b"1", b"1"]


def test_patience_ends_and_begins_anew_with_each_reply() -> None:
    twice = [b"1", BROKEN, at(0), BROKEN, at(0), reply(1), None]
    acts_of(course(in_flight=1), [*twice[:-1], b"2", BROKEN, at(1), BROKEN, at(1), reply(2), None])
    with pytest.raises(Unreachable):
        acts_of(course(in_flight=1), [b"1", BROKEN, at(0), BROKEN, at(0), BROKEN])


def test_a_session_that_cannot_be_asked_is_asked_again() -> None:
    acts = acts_of(course(), [b"1", BROKEN, BROKEN, at(0), None, reply(1)])
    assert given(acts) == [(1, 0)]


def test_under_latest_a_frame_that_is_refused_is_passed_over() -> None:
    full = problem("overloaded", retryable=True, dropped=1)
    acts = acts_of(course("latest"), [b"1", None, b"2", full, b"3", reply(1), None])
    assert sent(acts) == [b"1", b"2", b"3"]
    assert given(acts) == [(1, 2)]


def test_under_latest_nothing_is_sent_again() -> None:
    acts = acts_of(course("latest"), [b"1", None, b"2", BROKEN, at(1), b"3", reply(2), None])
    assert sent(acts) == [b"1", b"2", b"3"]
    assert given(acts) == [(2, 2)]
    assert queries(acts) == [{"policy": "latest"}] * 2


SESSION = reply(
    0,
    memory_bytes=1,
    is_busy=False,
    age_s=0.5,
    idle_s=0.5,
    expires_at="2030-01-01T00:00:00Z",
    limits={"idle_s": 1, "age_s": 2, "max_objects": 3, "max_requests": 4},
)


def test_an_edit_of_known_objects_is_sent_again() -> None:
    way = course()
    way.tell([NewObject(point=(1, 2), id=3)])
    edit = json.dumps({"objects": [{"point": [1, 2], "id": 3}]})
    assert sent(acts_of(way, [BROKEN, at(0), SESSION, None])) == [edit, edit]


def test_an_edit_that_might_add_an_object_twice_is_not_sent_again() -> None:
    way = course()
    way.tell([NewObject(point=(1, 2))])
    with pytest.raises(Unreachable):
        acts_of(way, [BROKEN])


@pytest.mark.parametrize("text", ["", "[]", '{"frame_index": 1}'])
def test_what_is_no_reply_is_told(text: str) -> None:
    with pytest.raises(UnreadableReply) as caught:
        acts_of(course(), [b"1", text])
    assert isinstance(caught.value, MaskdError)
