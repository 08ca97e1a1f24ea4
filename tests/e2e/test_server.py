"""A listening service, real sockets: rude clients, signals, models that are lost."""

import http.client
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from service.engine.engine import Engine
from tests.api.serving import png
from tests.e2e.listening import WAIT_S, Listening, listening

PNG = png()
HEAD = b"POST /segment HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"


def post(service: Listening, **options: Any) -> httpx.Response:
    headers = {"content-type": "image/png"}
    url = f"{service.url}/segment"
    return httpx.post(url, content=PNG, headers=headers, timeout=WAIT_S, **options)


def reply_on(client: socket.socket) -> tuple[int, dict[str, Any]]:
    reply = http.client.HTTPResponse(client)
    reply.begin()
    return reply.status, json.loads(reply.read())


def test_a_picture_sent_over_a_socket_is_answered() -> None:
    with listening() as service:
        reply = post(service)
    assert reply.status_code == 200
    assert reply.json()["instances"][0]["label"] == "circle"
    assert "server" not in reply.headers


@pytest.mark.parametrize("path", ["/", "/livez", "/models", "/static/index.html"])
def test_what_can_be_got_can_be_asked_for_its_headers_alone(path: str) -> None:
    with listening() as service, httpx.Client(base_url=service.url) as client:
        whole, head = client.get(path), client.head(path)
        assert head.status_code == 200
        assert head.content == b""
        assert head.headers["content-length"] == str(len(whole.content))
        assert client.get(path).content == whole.content


def test_a_client_killed_while_uploading_leaves_nothing_behind() -> None:
    with listening() as service:
        client = service.connect()
        client.sendall(HEAD + b"Content-Length: 1000\r\n\r\n" + PNG[:20])
        client.close()
        service.log.wait_for("POST /segment", status=499, reason="client-gone")
        service.in_loop(service.app.state.services.activity.wait_idle())
        assert post(service).status_code == 200


def test_a_client_killed_while_waiting_takes_its_job_out_of_the_queue() -> None:
    with listening() as service, ThreadPoolExecutor(1) as threads:
        service.close_gate()
        before = len(service.model.calls)
        first = threads.submit(post, service)
        service.model.wait_asked()
        service.gate.wait_arrival()
        client = service.connect()
        client.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(PNG) + PNG)
        service.model.wait_asked()
        client.close()
        service.log.wait_for("POST /segment", status=499, reason="client-gone")
        service.gate.open()
        assert first.result().status_code == 200
        assert len(service.model.calls) == before + 1


def test_a_body_said_to_be_too_large_is_refused_before_it_is_sent() -> None:
    with listening(max_body_bytes=1000) as service, service.connect() as client:
        client.sendall(HEAD + b"Content-Length: 1001\r\nExpect: 100-continue\r\n\r\n")
        status, body = reply_on(client)
        assert (status, body["code"]) == (413, "too-large")
        assert client.recv(1) == b""  # and the connection is closed


def test_a_client_that_sends_too_much_still_learns_why() -> None:
    def endless() -> Any:
        for _ in range(400):
            yield bytes(100_000)

    with listening(max_body_bytes=1_000_000) as service:
        reply = httpx.post(f"{service.url}/segment", content=endless(), timeout=WAIT_S)
    assert reply.status_code == 413


def test_a_client_that_dribbles_is_cut_off() -> None:
    with listening(deadline_s=0.2) as service, service.connect() as client:
        client.sendall(HEAD + b"Content-Length: 1000\r\n\r\n" + PNG[:20])
        status, body = reply_on(client)
        assert (status, body["code"]) == (408, "slow-upload")
        assert client.recv(1) == b""


def test_garbage_on_the_wire_harms_nobody() -> None:
    with listening() as service:
        with service.connect() as client:
            client.sendall(b"\x16\x03\x01\x00\xff no http at all\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 400")
        assert post(service).status_code == 200


def test_a_signal_turns_ready_off_first_and_closes_after_the_last_answer() -> None:
    with listening() as service, ThreadPoolExecutor(1) as threads:
        service.close_gate()
        running = threads.submit(post, service)
        service.gate.wait_arrival()
        service.signal()
        service.log.wait_for("draining")
        assert httpx.get(f"{service.url}/livez").status_code == 200
        assert httpx.get(f"{service.url}/readyz").status_code == 503
        refused = post(service)
        assert (refused.status_code, refused.json()["code"]) == (503, "not-ready")
        assert "retry-after" in refused.headers
        assert service.thread.is_alive()
        service.gate.open()
        assert running.result().status_code == 200
        assert service.has_ended()
        assert not service.server.has_failed
        with pytest.raises(OSError, match="refused"):
            service.connect()


def test_an_idle_service_closes_on_the_first_signal() -> None:
    with listening() as service:
        service.signal()
        assert service.has_ended()


def test_work_that_outlasts_the_drain_is_refused_and_the_service_closes() -> None:
    with listening(drain_s=0.2) as service, ThreadPoolExecutor(1) as threads:
        service.close_gate()
        running = threads.submit(post, service)
        service.gate.wait_arrival()
        service.signal()
        reply = running.result()
        assert (reply.status_code, reply.json()["code"]) == (503, "not-ready")
        service.gate.open()
        assert service.has_ended()


def test_a_second_signal_closes_at_once() -> None:
    with listening() as service, ThreadPoolExecutor(1) as threads:
        service.close_gate()
        running = threads.submit(post, service)
        service.gate.wait_arrival()
        service.signal()
        service.log.wait_for("draining")
        service.signal()
        service.gate.open()
        assert service.has_ended()
        assert running.exception() or running.result().status_code in (200, 503)


def test_a_model_that_cannot_load_ends_the_service_with_one_line() -> None:
    with listening(ValueError("the file is torn"), wait="cannot start") as service:
        assert service.has_ended()
        assert service.server.has_failed
        said = service.log.wait_for("cannot start").getMessage()
    assert "fake" in said
    assert "the file is torn" in said
    assert "\n" not in said


def test_an_engine_that_fails_in_an_unforeseen_way_ends_the_service_too() -> None:
    class Broken(Engine):
        async def start(self) -> None:
            raise ZeroDivisionError

    with listening(engine_kind=Broken, wait="cannot start") as service:
        assert service.has_ended()
        assert service.server.has_failed


def test_a_model_that_loses_its_devices_ends_the_service() -> None:
    async def lose() -> None:
        service.engine.failed.set()

    with listening() as service:
        service.in_loop(lose())
        assert service.has_ended()
        assert service.server.has_failed


def test_many_clients_at_once_all_get_an_answer() -> None:
    with listening(max_queue_images=16) as service, ThreadPoolExecutor(32) as threads:
        barrier = threading.Barrier(32)

        def one(_: int) -> int:
            barrier.wait(WAIT_S)
            return post(service).status_code

        statuses = set(threads.map(one, range(32)))
    assert 200 in statuses
    assert statuses <= {200, 429}
