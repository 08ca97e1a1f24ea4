"""One WebSocket driven by hand: what a server would pass to an app, and what it got back."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.api.exchange import App, Message


class Conversation:
    """The client's end of one WebSocket.

    `accepted` is how the app let it in.
    """

    def __init__(self, path: str, query: str = "") -> None:
        self.scope: dict[str, Any] = {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
            "subprotocols": [],
        }
        self._incoming: asyncio.Queue[Message] = asyncio.Queue()
        self._outgoing: asyncio.Queue[Message] = asyncio.Queue()
        self.accepted: Message = {}
        self.is_gone = False
        self._incoming.put_nowait({"type": "websocket.connect"})

    @property
    def unread(self) -> int:
        """Messages that the app has not asked for yet."""
        return self._incoming.qsize()

    def say(self, content: bytes | str | Any) -> None:
        """Send a frame, a text, or anything else as JSON."""
        if isinstance(content, bytes):
            self._incoming.put_nowait({"type": "websocket.receive", "bytes": content})
        else:
            text = content if isinstance(content, str) else json.dumps(content)
            self._incoming.put_nowait({"type": "websocket.receive", "text": text})

    def leave(self) -> None:
        self.is_gone = True
        self._incoming.put_nowait({"type": "websocket.disconnect", "code": 1006})

    async def hear(self) -> Any:
        """Return the next answer."""
        message = await asyncio.wait_for(self._outgoing.get(), 10)
        assert message["type"] == "websocket.send", message
        return json.loads(message["text"])

    async def hear_end(self) -> int:
        """Return the code that the app closes with."""
        message = await asyncio.wait_for(self._outgoing.get(), 10)
        assert message["type"] == "websocket.close", message
        return message["code"]

    @asynccontextmanager
    async def with_app(self, app: App) -> AsyncIterator["Conversation"]:
        """Talk to an app while the block runs; leave at its end."""
        task = asyncio.create_task(app(self.scope, self._receive, self._send))
        try:
            self.accepted = await asyncio.wait_for(self._outgoing.get(), 10)
            yield self
        finally:
            self.leave()
            await asyncio.wait_for(task, 10)

    async def _receive(self) -> Message:
        return await self._incoming.get()

    async def _send(self, message: Message) -> None:
        if self.is_gone:
            raise OSError
        self._outgoing.put_nowait(message)
