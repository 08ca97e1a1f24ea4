"""Streams that the server has given up while the app would go on."""

import pytest

from tests.api.conversation import Conversation
from tests.api.exchange import Message
from tests.api.test_sessions import open_session, picture, tracking


class Cut(Conversation):
    """A conversation that the server has given up when the app would send such a message."""

    def __init__(self, path: str, query: str, kind: str) -> None:
        super().__init__(path, query)
        self._kind = kind

    async def _send(self, message: Message) -> None:
        if message["type"] == self._kind:
            raise RuntimeError("as uvicorn does")
        await super()._send(message)


@pytest.mark.parametrize(
    ("query", "kind"),
    [("", "websocket.send"), ("colour=red", "websocket.send"), ("colour=red", "websocket.close")],
)
async def test_a_stream_that_the_server_gave_up_ends_without_a_word(
    query: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with tracking() as client:
        where = (await open_session(client)).headers["location"]
        async with Cut(f"{where}/stream", query, kind).with_app(client.app) as stream:
            stream.say(picture(1))
            await client.app.state.services.activity.wait_idle()
    assert "unexpected error" not in caplog.text
