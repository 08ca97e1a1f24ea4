"""Connections of clients that never come to a request, or never read a reply."""

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from time import sleep
from typing import Any

import anyio.to_thread
import pytest
import uvicorn

from service.connection import MAX_HEAD_BYTES, Connection
from tests.e2e.listening import WAIT_S, listening

BEGUN = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nA: "
WHOLE = BEGUN + b"\r\n\r\nabc"
LONG_S, SHORT_S = 60.0, 0.2


class Answering:
    """An app that answers when it may.

    Args:
        content: of its replies.
    """

    def __init__(self, content: bytes = b"ok") -> None:
        self._content = content
        self.may_answer = threading.Event()
        self.may_answer.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        del scope
        while (await receive()).get("more_body"):
            pass
        await anyio.to_thread.run_sync(self.may_answer.wait)
        length = str(len(self._content)).encode()
        headers = [(b"content-length", length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self._content})


@contextmanager
def connected(
    app: Answering, *, head_s: float = LONG_S, reading_s: float = LONG_S
) -> Iterator[socket.socket]:
    """A client's end of a connection to a server of the app."""
    kind: Any = partial(Connection, head_s=head_s, reading_s=reading_s)
    config = uvicorn.Config(app, http=kind, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=[[listener]])
        thread.start()
        try:
            with socket.create_connection(listener.getsockname(), timeout=WAIT_S) as client:
                yield client
        finally:
            app.may_answer.set()
            server.should_exit = server.force_exit = True
            thread.join(WAIT_S)


def reply_on(client: socket.socket) -> tuple[int, bytes]:
    reply = http.client.HTTPResponse(client)
    reply.begin()
    return reply.status, reply.read()


def problem_on(client: socket.socket) -> tuple[int, str]:
    """What a refusal says; the connection ends with it."""
    status, content = reply_on(client)
    problem = json.loads(content)
    assert problem["status"] == status
    assert client.recv(1) == b""
    return status, problem["code"]


@pytest.mark.parametrize(
    ("begun", "piece"), [(b"GET /", b"a"), (BEGUN, b"a"), (BEGUN, b"a\r\nA: ")]
)
def test_a_head_without_end_is_refused(begun: bytes, piece: bytes) -> None:
    with connected(Answering()) as client:
        client.sendall(WHOLE + begun)
        assert reply_on(client)[0] == 200
        client.sendall((piece * 2 * MAX_HEAD_BYTES)[: MAX_HEAD_BYTES + 1])
        assert problem_on(client) == (431, "head-too-large")


def test_a_head_as_long_as_may_be_is_read() -> None:
    with connected(Answering()) as client:
        for _ in range(2):
            client.sendall(BEGUN + b"a" * (MAX_HEAD_BYTES - len(WHOLE)) + b"\r\n\r\nabc")
            assert reply_on(client) == (200, b"ok")


def test_a_long_body_is_no_long_head() -> None:
    with connected(Answering()) as client:
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
        for size in (3 * MAX_HEAD_BYTES, 3):
            client.sendall(head % size + bytes(size))
            assert reply_on(client) == (200, b"ok")


def test_a_head_that_dribbles_is_cut_off() -> None:
    with connected(Answering(), head_s=SHORT_S) as client:
        client.sendall(BEGUN)
        assert problem_on(client) == (408, "slow-upload")


def test_a_connection_on_which_nothing_comes_is_closed_without_a_word() -> None:
    with connected(Answering(), head_s=SHORT_S) as client:
        assert client.recv(1) == b""


def test_time_counts_from_the_first_byte_of_each_further_head() -> None:
    with connected(Answering(), head_s=SHORT_S) as client:
        client.sendall(WHOLE)
        assert reply_on(client)[0] == 200
        client.settimeout(3 * SHORT_S)
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.settimeout(WAIT_S)
        client.sendall(BEGUN)
        assert problem_on(client) == (408, "slow-upload")


def test_a_slow_head_does_not_cut_the_reply_before_it() -> None:
    app = Answering()
    app.may_answer.clear()
    with connected(app, head_s=SHORT_S) as client:
        client.sendall(WHOLE + BEGUN)
        client.settimeout(3 * SHORT_S)
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.settimeout(WAIT_S)
        app.may_answer.set()
        assert reply_on(client) == (200, b"ok")
        assert problem_on(client) == (408, "slow-upload")


def test_a_reply_that_nobody_reads_is_given_up() -> None:
    content = bytes(20_000_000)  # more than sockets hold back
    with connected(Answering(content), reading_s=SHORT_S) as client:
        client.sendall(WHOLE)
        client.recv(1)
        sleep(4 * SHORT_S)
        received = 0
        while piece := client.recv(1_000_000):
            received += len(piece)
    assert received < len(content)


def test_a_reply_that_is_read_slowly_arrives() -> None:
    content = bytes(20_000_000)
    with connected(Answering(content), reading_s=2 * SHORT_S) as client:
        client.sendall(WHOLE)
        reply = http.client.HTTPResponse(client)
        reply.begin()
        for _ in range(20):
            assert len(reply.read(1_000_000)) == 1_000_000
            sleep(SHORT_S / 2)


def test_what_is_no_http_is_told_so_with_a_problem() -> None:
    with connected(Answering()) as client:
        client.sendall(b"\x16\x03\x01\x00\xff no http at all\r\n\r\n")
        assert problem_on(client) == (400, "malformed-request")


def test_a_body_that_is_no_http_is_told_so_too() -> None:
    with connected(Answering()) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
        assert problem_on(client) == (400, "malformed-request")


UPGRADE = b"Upgrade: websocket\r\nConnection: Upgrade\r\n"


@pytest.mark.parametrize(
    "head",
    [
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\n" + UPGRADE,
        b"GET / HTTP/1.1\r\n" + UPGRADE + b"A: " + b"a" * 10_000 + b"\r\n",
        b"GET / HTTP/1.1\r\n" + UPGRADE + b"A: a\r\n" * 200,
    ],
)
def test_a_handshake_that_cannot_be_read_is_refused(head: bytes) -> None:
    with connected(Answering()) as client:
        client.sendall(head + b"\r\n")
        assert problem_on(client) == (400, "malformed-request")


def test_the_service_bounds_heads_by_its_deadline() -> None:
    with listening(deadline_s=SHORT_S) as service, service.connect() as client:
        client.sendall(BEGUN)
        assert problem_on(client) == (408, "slow-upload")
