"""Log lines keep to one line, in words or in JSON, with the request that they belong to."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from service import logs


@pytest.fixture(autouse=True)
def _root_handlers() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before, level


def written(log_format: str, message: str, *, request_id: str | None = None) -> str:
    stream = io.StringIO()
    logs.configure(log_format, stream)
    token = logs.request_id.set(request_id)
    fields = {"status": 200, "model": None}
    logging.getLogger("maskd.test").info("%s", message, extra={"fields": fields})
    logs.request_id.reset(token)
    return stream.getvalue()


def test_a_json_line_is_one_object_with_its_fields() -> None:
    line = json.loads(written("json", "hello", request_id="r1"))
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "info",
        "logger": "maskd.test",
        "message": "hello",
        "status": 200,
        "request_id": "r1",
    }


def test_a_text_line_ends_with_its_fields() -> None:
    assert written("text", "hello", request_id="r1").endswith(
        " INFO    hello status=200 request_id=r1\n"
    )


@pytest.mark.parametrize("log_format", logs.FORMATTERS)
def test_a_message_cannot_begin_a_line_of_its_own(log_format: str) -> None:
    assert written(log_format, "a\r\nERROR forged\x1b[2J").count("\n") == 1
    assert "\x1b" not in written(log_format, "a\r\nERROR forged\x1b[2J")


@pytest.mark.parametrize("log_format", logs.FORMATTERS)
def test_an_exception_is_logged_with_its_trace(log_format: str) -> None:
    stream = io.StringIO()
    logs.configure(log_format, stream)
    try:
        int("the cause")
    except ValueError:
        logging.getLogger("maskd.test").exception("it failed")
    assert "the cause" in stream.getvalue()
    assert "Traceback" in stream.getvalue()
