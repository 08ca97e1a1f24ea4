"""Streams over real sockets: rude clients, large messages, the shutdown."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.api.test_sessions import MASK, picture
from tests.e2e.listening import WAIT_S, Listening, listening
from tests.fake_tracker import FakeVideoPredictor


@contextmanager
def streaming(**settings: Any) -> Iterator[tuple[Listening, str, ClientConnection]]:
    """A service that listens, the path of a session of it, and a stream of that."""
    with listening(others={"track": FakeVideoPredictor()}, **settings) as service:
        reply = httpx.post(
            f"{service.url}/sessions",
            files={"image": picture()},
            data={"objects": json.dumps([MASK])},
            timeout=WAIT_S,
        )
        where = reply.headers["location"]
        with connected(service, where) as client:
            yield service, where, client


def connected(service: Listening, where: str, **options: Any) -> ClientConnection:
    url = service.url.replace("http", "ws") + f"{where}/stream"
    return connect(url, open_timeout=WAIT_S, compression=None, **options)


def hear(client: ClientConnection) -> Any:
    return json.loads(client.recv(timeout=WAIT_S))


def test_frames_and_edits_are_answered_over_a_socket() -> None:
    with streaming() as (service, where, client):
        client.send(picture(1))
        client.send(json.dumps({"objects": [MASK]}))
        client.send(picture(2))
        assert hear(client)["frame_index"] == 1
        assert len(hear(client)["objects"]) == 2
        assert hear(client)["frame_index"] == 2
        client.close()
        line = service.log.wait_for("WEBSOCKET /sessions", status=101, model="track")
        assert line.fields["reason"] is None
        assert httpx.get(f"{service.url}{where}").json()["frame_index"] == 2


def test_a_message_larger_than_a_body_may_be_ends_the_stream_alone() -> None:
    with streaming(max_body_bytes=5000) as (service, where, client):
        client.send(bytes(5001))
        with pytest.raises(ConnectionClosed) as closed:
            hear(client)
        assert closed.value.rcvd.code == 1009
        with connected(service, where) as other:
            other.send(picture(1))
            assert hear(other)["frame_index"] == 1


def test_the_shutdown_closes_streams_at_once() -> None:
    with streaming(drain_s=60) as (service, _, client):
        service.signal()
        with pytest.raises(ConnectionClosed) as closed:
            hear(client)
        assert closed.value.rcvd.code == 1012
        assert service.has_ended()


def test_a_client_that_is_killed_takes_its_stream_along() -> None:
    with streaming() as (service, where, client):
        client.send(picture(1))
        hear(client)
        client.socket.shutdown(socket.SHUT_RDWR)
        service.log.wait_for("WEBSOCKET /sessions", status=101)
        with connected(service, where) as other:
            other.send(picture(2))
            assert hear(other)["frame_index"] == 2


def test_what_is_no_websocket_or_has_no_such_path_is_refused() -> None:
    with streaming() as (service, where, _):
        assert httpx.get(f"{service.url}{where}/stream").status_code == 404
        with pytest.raises(Exception, match="403"):
            connect(service.url.replace("http", "ws") + "/nothing", open_timeout=WAIT_S)
