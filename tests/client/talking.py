"""Services that a client can talk to: told what to say, or one that follows objects nowhere."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import httpx

from service.client import Client, Retry

FAST = Retry(first_wait_s=0.001, budget_s=5)

Said = httpx.Response | Exception


def problem(status: int, code: str, *, retryable: bool = False, **more: Any) -> httpx.Response:
    headers = {"retry-after": str(more.pop("retry_after"))} if "retry_after" in more else {}
    body = {
        "type": f"urn:maskd:problem:{code}",
        "title": "It failed",
        "status": status,
        "detail": "It failed here.",
        "code": code,
        "retryable": retryable,
        "request_id": "r1",
        **more,
    }
    return httpx.Response(status, json=body, headers=headers)


class Script(httpx.MockTransport):
    """Says one thing after the other; keeps what it was asked."""

    def __init__(self, said: Iterable[Said]) -> None:
        super().__init__(self._answer)
        self._said = list(said)
        self.asked: list[httpx.Request] = []

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        said = self._said.pop(0)
        if isinstance(said, Exception):
            raise said
        return said


def client(*said: Said, retry: Retry = FAST) -> tuple[Client, Script]:
    script = Script(said)
    return Client("http://service", transport=script, retry=retry), script


class FakeSessions(httpx.MockTransport):
    """A service with one session, by the rules of the API; it can lose answers on their way.

    State: `frames`, the bodies of all frames that counted; `lost`, how many answers get lost next.
    """

    def __init__(self, breaks: Callable[[], Exception] = lambda: httpx.ReadError("broken")) -> None:
        super().__init__(self._answer)
        self._breaks = breaks
        self.frames: list[bytes] = []
        self.edits: list[Any] = []
        self.lost = 0
        self.is_closed = False

    def _answer(self, request: httpx.Request) -> httpx.Response:
        answer = self._route(request)
        if self.lost:
            self.lost -= 1
            raise self._breaks()
        return answer

    def _route(self, request: httpx.Request) -> httpx.Response:
        match request.method, request.url.path:
            case "POST", "/sessions":
                self.frames.append(request.content)
                return httpx.Response(201, json=self._reply() | self._card())
            case "POST", "/sessions/s1/frames":
                return self._step(int(request.url.params["frame_index"]), request.content)
            case "POST", "/sessions/s1/objects":
                self.edits.append(json.loads(request.content))
            case "DELETE", "/sessions/s1/objects/1":
                self.edits.append(1)
            case "DELETE", "/sessions/s1":
                self.is_closed = True
                return httpx.Response(204)
            case "GET", "/sessions":
                return httpx.Response(200, json={"sessions": [self._reply() | self._card()]})
            case "GET", "/sessions/s1":
                pass
            case _:
                return problem(404, "not-found")
        return httpx.Response(200, json=self._reply() | self._card())

    def _step(self, index: int, frame: bytes) -> httpx.Response:
        if index not in (len(self.frames) - 1, len(self.frames)):
            return problem(409, "frame-out-of-order", expected_frame_index=len(self.frames))
        if index == len(self.frames):
            self.frames.append(frame)
        return httpx.Response(200, json=self._reply())

    def _reply(self) -> dict[str, Any]:
        one = {
            "id": 1,
            "label": "ball",
            "score": 0.5,
            "bbox": [0, 0, 2, 1],
            "area": 2,
            "segmentation": {"size": [2, 2], "counts": [0, 1, 1, 1, 1]},
            "visible": True,
        }
        return {
            "session_id": "s1",
            "model": "fake",
            "frame_index": len(self.frames) - 1,
            "image": {"width": 2, "height": 2},
            "objects": [one],
            "request_id": "r1",
        }

    def _card(self) -> dict[str, Any]:
        return {
            "memory_bytes": 1,
            "is_busy": False,
            "age_s": 0.5,
            "idle_s": 0.5,
            "expires_at": "2030-01-01T00:00:00Z",
            "limits": {"idle_s": 1, "age_s": 2, "max_objects": 3, "max_requests": 4},
        }
