"""The reply for a whole video, line by line, whoever waits for the lines."""

from typing import TypeGuard

import httpx
from pydantic import TypeAdapter, ValidationError

from service.client.errors import RequestFailed, Unreachable, UnreadableReply
from service.client.exchange import Outcome
from service.client.session_replies import VideoEnd, VideoStep, VideoSummary

_OK = 200
_LINE: TypeAdapter[VideoStep | VideoEnd] = TypeAdapter(VideoStep | VideoEnd)


class VideoReading:
    """A video's reply on the client's side.

    State: `summary`, set by the last line.

    Attributes:
        summary: what became of the video, once its last line was read; None before.
    """

    def __init__(self) -> None:
        self.summary: VideoSummary | None = None

    def _take(self, line: str) -> VideoStep | None:
        """Return the step that a line is; None for the last line.

        Raises:
            RequestFailed: the last line tells what ended the video early.
            UnreadableReply: it is no such line.
        """
        try:
            read = _LINE.validate_json(line)
        except ValidationError as error:
            raise UnreadableReply("A line of the reply is none of maskd's.", _OK) from error
        if isinstance(read, VideoStep):
            return read
        self.summary = read.summary
        if read.problem is not None:
            raise RequestFailed(read.problem)
        return None


def is_open(outcome: Outcome) -> TypeGuard[httpx.Response]:
    """Whether lines can be read from it."""
    return isinstance(outcome, httpx.Response) and outcome.is_success


def broke_off(reason: object = "it has no summary") -> Unreachable:
    """Return the error of a reply that ends before its last line."""
    return Unreachable(f"The reply broke off: {reason}.", was_sent=True)
