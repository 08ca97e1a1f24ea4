"""What counts as the reply that a page shows."""

import pytest

from tests.shown import unlike_json, unlike_text

SAID = '{"a": {"b": 1, "c": "long text"}, "list": [1, 2, 3], "score": 0.91, "bbox": [100, 7]}'


@pytest.mark.parametrize(
    "shown",
    [
        SAID,
        '{"a": {"b": 1, …}, …}',
        '{"a": {…}, "list": [1, …], "score": 0.95, "bbox": [103, 4]}',
        '{"a": {"b": 1, "c": "long…"}, "list": [1, …, 3], …}',
        '{"list": […], …}',
    ],
)
def test_a_shortened_reply_is_the_reply(shown: str) -> None:
    assert unlike_json(shown, SAID) == ""


@pytest.mark.parametrize(
    ("shown", "where"),
    [
        ('{"a": {"b": 1, "c": "long text"}}', "reply.0 has"),
        ('{"a": {"b": 2, …}, …}', "reply.0.a.b is 1"),
        ('{"d": 1, …}', "reply.0 has"),
        ('{"a": {"b": 1, "c": "short…"}, …}', "reply.0.a.c is"),
        ('{"list": [1, 2], …}', "reply.0.list has 3"),
        ('{"list": [2, …], …}', "reply.0.list.0 is 1"),
        ('{"list": [1, …, 2], …}', "reply.0.list.1 is 3"),
        ('{"list": [1, 2, 3, …, 3], …}', "reply.0.list has 3"),
        ('{"score": 0.5, …}', "reply.0.score is"),
        ('{"bbox": [180, 7], …}', "reply.0.bbox.0 is"),
    ],
)
def test_another_one_is_not(shown: str, where: str) -> None:
    assert unlike_json(shown, SAID).startswith(where)


def test_the_last_documents_may_be_shown_alone() -> None:
    said = '{"n": 1}{"n": 2}\n{"n": 3}'
    assert unlike_json('{"n": 2}\n{"n": 3}', said) == ""
    assert unlike_json('{"n": 1}\n…\n{"n": 3}', said) == ""
    assert unlike_json('{"n": 1}\n{"n": 3}', said) == "reply.0.n is 2"
    assert unlike_json('{"n": 2}\n…\n{"n": 3}', said) == "reply.0.n is 1"


@pytest.mark.parametrize(
    ("shown", "is_same"),
    [("3 of 0.51\n", True), ("3 of 0.8", False), ("4 of 0.51", False), ("3 …", True), ("3", False)],
)
def test_a_text_may_differ_in_measured_numbers(*, shown: str, is_same: bool) -> None:
    assert (unlike_text(shown, "3 of 0.5\n") == "") is is_same
