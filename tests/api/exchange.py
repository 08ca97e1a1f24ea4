"""One request driven by hand: what a server would pass to an app, and what it got back."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
App = Callable[..., Awaitable[None]]


class Exchange:
    """The two ends of one ASGI request.

    `body(...)` and `disconnect()` are the client's doing; `status`, `headers` and `content` what it
    received.
    """

    def __init__(
        self, method: str = "POST", path: str = "/", headers: dict[str, str] | None = None
    ) -> None:
        self.scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(k.lower().encode(), v.encode()) for k, v in (headers or {}).items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
        }
        self._incoming: asyncio.Queue[Message] = asyncio.Queue()
        self.sent: list[Message] = []

    def body(self, data: bytes, *, more: bool = False) -> None:
        self._incoming.put_nowait({"type": "http.request", "body": data, "more_body": more})

    def disconnect(self) -> None:
        self._incoming.put_nowait({"type": "http.disconnect"})

    async def through(self, app: App) -> "Exchange":
        async with asyncio.timeout(10):
            await app(self.scope, self._receive, self._send)
        return self

    async def _receive(self) -> Message:
        return await self._incoming.get()

    async def _send(self, message: Message) -> None:
        self.sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self.disconnect()  # as a server does once the reply is out

    @property
    def status(self) -> int | None:
        return self.sent[0]["status"] if self.sent else None

    @property
    def headers(self) -> dict[str, str]:
        return {k.decode(): v.decode() for k, v in self.sent[0]["headers"]}

    @property
    def content(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])
