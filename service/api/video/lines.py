"""The lines that `POST /track` answers: sent one by one, and the last one's figures."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import anyio
from starlette.types import Send

from service.api.video.frames import VideoFrame
from service.engine.sessions.records import FrameAnswer


class SlowReader(Exception):
    """The client has not read what was sent to it for too long."""


class Lines:
    """A reply, line by line; what is not read is waited for.

    State: `_has_begun` once the head of the reply is out.

    Args:
        send: of the request.
        headers: of the reply.
        patience_s: how long a line may wait to be sent.
    """

    def __init__(
        self, send: Send, headers: Sequence[tuple[bytes, bytes]], patience_s: float
    ) -> None:
        self._send = send
        self._headers = headers
        self._patience_s = patience_s
        self._has_begun = False

    async def send(self, line: bytes, *, is_last: bool = False) -> None:
        """Send a line.

        Raises:
            SlowReader: there was no room for it until the patience was over.
        """
        if not self._has_begun:
            self._has_begun = True
            await self._send(
                {"type": "http.response.start", "status": 200, "headers": [*self._headers]}
            )
        with anyio.move_on_after(self._patience_s):
            body = {"type": "http.response.body", "body": line + b"\n", "more_body": not is_last}
            await self._send(body)
            return
        raise SlowReader


class Tally:
    """What became of the objects so far, and how the reply ends.

    State: the figures of the last line; grow with every answer.

    Args:
        first: the first answer.
        request_id: of the request.

    Attributes:
        session_id: of the session that follows.
        frames: answered so far.
    """

    def __init__(self, first: FrameAnswer, request_id: str) -> None:
        self.session_id = first.session_id
        self.frames = 0
        self._model = first.model
        self._request_id = request_id
        self._end_s = 0.0
        self._labels: dict[int, str | None] = {}
        self._visible: Counter[int] = Counter()

    def count(self, frame: VideoFrame, answer: FrameAnswer) -> None:
        """Take one frame's answer in."""
        self.frames += 1
        self._end_s = frame.end_s
        self._labels |= answer.labels
        self._visible.update(one.id for one in answer.objects if one.is_visible)

    def to_json(self, problem: dict[str, Any] | None) -> bytes:
        """Return the last line.

        Args:
            problem: what ended the video early, as a problem; None: nothing did.
        """
        objects = [
            {"id": one, "label": label, "frames_visible": self._visible[one]}
            for one, label in self._labels.items()
        ]
        duration_s = round(self._end_s, 6)
        body = {
            "session_id": self.session_id,
            "model": self._model,
            "summary": {"frames": self.frames, "duration_s": duration_s, "objects": objects},
            "problem": problem,
            "request_id": self._request_id,
        }
        return json.dumps(body, separators=(",", ":")).encode()
