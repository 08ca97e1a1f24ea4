"""Log lines for people or for machines; a line's own figures travel in `fields`."""

import json
import logging
import sys
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the request that the running code works for; every line carries it."""

# A caller's words must not begin lines or move the cursor of whoever reads them.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, plain ASCII."""
        line: dict[str, Any] = {
            "time": _timestamp(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class TextFormatter(logging.Formatter):
    """A readable line, its fields at the end as `name=value`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; an exception follows on lines of its own."""
        fields = " ".join(f"{name}={value}" for name, value in _fields(record).items())
        words = f"{record.getMessage()} {fields}".rstrip().translate(_CONTROLS)
        line = f"{_timestamp(record)} {record.levelname:<7} {words}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


FORMATTERS: dict[str, Callable[[], logging.Formatter]] = {
    "json": JsonFormatter,
    "text": TextFormatter,
}


def configure(log_format: str, stream: TextIO | None = None) -> None:
    """Send all log lines of this process to `stream` in one format.

    Args:
        log_format: a key of `FORMATTERS`.
        stream: where the lines go; None: standard error.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(FORMATTERS[log_format]())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # The server's own words on starting and stopping only repeat ours.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    logging.getLogger("httpx").setLevel(logging.WARNING)


def _timestamp(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return the line's own figures, with the request that it belongs to."""
    fields: dict[str, Any] = dict(getattr(record, "fields", {}))
    current = request_id.get()
    if current is not None:
        fields.setdefault("request_id", current)
    return {name: value for name, value in fields.items() if value is not None}
