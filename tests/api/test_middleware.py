"""What surrounds every request: id, log line, figures, the body's guard, the last resort."""

import asyncio
import json
import logging
from typing import Any

import pytest
from anyio.lowlevel import checkpoint
from fastapi import FastAPI, Request
from prometheus_client import CollectorRegistry
from starlette.background import BackgroundTask
from starlette.responses import Response, StreamingResponse

from service.api import problems, record
from service.api.intake import BodyBounds, BodyIntake, BufferBudget
from service.api.metrics import HttpMetrics
from service.api.middleware import Activity, RequestEnvelope
from service.settings import Settings
from tests.api.exchange import Exchange


class Service:
    """An app of a few routes inside the real middleware, with all that they count."""

    def __init__(self, **settings: Any) -> None:
        self.registry = CollectorRegistry()
        self.activity = Activity()
        self.settings = Settings(**settings)
        self.budget = BufferBudget(self.settings.max_buffered_bytes)
        self.reached = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.app = FastAPI()
        problems.install(self.app)
        self.bounds = BodyBounds(
            self.settings.max_body_bytes, self.settings.deadline_s, self.budget
        )
        self.app.add_middleware(BodyIntake, bounds=self.bounds)
        self.app.add_middleware(
            RequestEnvelope, metrics=HttpMetrics(self.registry), activity=self.activity
        )
        for name in ("echo", "hang", "fail", "stream", "ignore", "later"):
            self.app.add_api_route(f"/{name}", getattr(self, name), methods=["GET", "POST"])

    async def echo(self, request: Request) -> dict[str, int]:
        with record.of(request.scope).timed("decode"):
            return {"size": len(await request.body())}

    async def hang(self, request: Request) -> None:
        await request.body()
        self.reached.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def fail(self) -> None:
        raise RuntimeError("the secret at /etc/passwd")

    async def later(self, request: Request) -> Response:
        await request.body()
        return Response("answered", background=BackgroundTask(self.tidy))

    async def tidy(self) -> None:
        for _ in range(10):
            await checkpoint()
        self.reached.set()

    async def ignore(self) -> str:
        return "unread"

    async def stream(self) -> StreamingResponse:
        async def pieces() -> Any:
            yield b"half"
            raise RuntimeError("in mid-stream")

        return StreamingResponse(pieces())

    async def post(self, path: str, *pieces: bytes, **headers: str) -> Exchange:
        exchange = Exchange(path=path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        for piece in pieces:
            exchange.body(piece, more=True)
        exchange.body(b"")
        return await exchange.through(self.app)

    def sample(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


def problem(exchange: Exchange) -> dict[str, Any]:
    assert exchange.headers["content-type"] == "application/problem+json"
    return json.loads(exchange.content)


async def test_a_sane_request_id_is_kept() -> None:
    exchange = await Service().post("/echo", x_request_id="order-7.a")
    assert exchange.headers["x-request-id"] == "order-7.a"


@pytest.mark.parametrize("theirs", ["", "a b", "x" * 129, "\u00e9", "a\tb", "-rm"])
async def test_an_odd_request_id_is_replaced(theirs: str) -> None:
    exchange = await Service().post("/echo", x_request_id=theirs)
    assert len(exchange.headers["x-request-id"]) == 32


async def test_every_reply_tells_its_timing() -> None:
    service = Service()
    timing = (await service.post("/echo")).headers["server-timing"]
    assert timing.startswith("decode;dur=")
    assert ", total;dur=" in timing
    assert "total;dur=" in (await service.post("/nowhere")).headers["server-timing"]


async def test_the_log_line_tells_the_request(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "maskd.access")
    trace = "0af7651916cd43dd8448eb211c80319c"
    await Service().post("/echo", b"x", traceparent=f"00-{trace}-b7ad6b7169203331-01")
    (line,) = caplog.records
    assert line.getMessage() == "POST /echo"
    assert line.fields["status"] == 200
    assert line.fields["route"] == "/echo"
    assert line.fields["trace_id"] == trace
    assert line.fields["ms"] >= 0


async def test_requests_are_counted_by_route_and_status() -> None:
    service = Service()
    await service.post("/echo")
    await service.post("/nowhere/at/all")
    count = "http_server_request_duration_seconds_count"
    labels = {"http_request_method": "POST", "http_route": "/echo"}
    assert service.sample(count, **labels, http_response_status_code="200") == 1
    labels["http_route"] = "unmatched"
    assert service.sample(count, **labels, http_response_status_code="404") == 1
    assert service.sample("http_server_active_requests") == 0


async def test_an_unforeseen_error_says_nothing_of_itself(caplog: pytest.LogCaptureFixture) -> None:
    exchange = await Service().post("/fail", x_request_id="abc")
    assert exchange.status == 500
    assert problem(exchange)["code"] == "internal-error"
    assert problem(exchange)["request_id"] == exchange.headers["x-request-id"] == "abc"
    assert b"passwd" not in exchange.content
    assert "passwd" in caplog.text


async def test_an_error_in_mid_reply_breaks_the_connection() -> None:
    with pytest.raises(ExceptionGroup):
        await Service().post("/stream")


async def test_activity_waits_for_the_last_request() -> None:
    service = Service()
    exchange = Exchange(path="/hang")
    exchange.body(b"")
    running = asyncio.create_task(exchange.through(service.app))
    await service.reached.wait()
    waiting = asyncio.create_task(service.activity.wait_idle())
    await checkpoint()
    assert not waiting.done()
    exchange.disconnect()
    await running
    async with asyncio.timeout(5):
        await waiting


async def test_a_body_up_to_the_limit_passes() -> None:
    exchange = await Service(max_body_bytes=10).post("/echo", b"12345", b"67890")
    assert json.loads(exchange.content) == {"size": 10}


async def test_a_declared_length_over_the_limit_is_refused_unread() -> None:
    exchange = Exchange(path="/echo", headers={"content-length": "11"})
    await exchange.through(Service(max_body_bytes=10).app)  # no byte of the body ever comes
    assert exchange.status == 413
    assert problem(exchange)["limit"] == 10
    assert problem(exchange)["actual"] == 11
    assert exchange.headers["connection"] == "close"


async def test_a_stream_over_the_limit_is_cut_where_it_passes_it() -> None:
    exchange = Exchange(path="/echo", headers={"transfer-encoding": "chunked"})
    exchange.body(b"1234567890", more=True)
    exchange.body(b"1", more=True)
    await exchange.through(Service(max_body_bytes=10).app)
    assert exchange.status == 413
    assert exchange.headers["connection"] == "close"


async def test_a_body_that_does_not_arrive_in_time_is_cut() -> None:
    exchange = Exchange(path="/echo", headers={"content-length": "9"})
    exchange.body(b"1", more=True)
    await exchange.through(Service(deadline_s=0.05).app)
    assert exchange.status == 408
    assert problem(exchange)["code"] == "slow-upload"
    assert problem(exchange)["retryable"] is True


async def test_bodies_of_all_requests_share_one_bound() -> None:
    service = Service(max_body_bytes=10, max_buffered_bytes=15)
    first = Exchange(path="/hang")
    first.body(b"1234567890")
    running = asyncio.create_task(first.through(service.app))
    await service.reached.wait()
    refused = await service.post("/echo", b"1234567890")
    assert refused.status == 429
    assert refused.headers["retry-after"] == "1"
    assert (await service.post("/echo", b"12345")).status == 200
    first.disconnect()
    await running
    assert (await service.post("/echo", b"1234567890")).status == 200


async def test_a_client_that_leaves_while_waiting_cancels_its_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "maskd.access")
    service = Service()
    exchange = Exchange(path="/hang")
    exchange.body(b"x")
    running = asyncio.create_task(exchange.through(service.app))
    await service.reached.wait()
    exchange.disconnect()
    await running
    assert service.cancelled.is_set()
    assert exchange.sent == []
    assert caplog.records[-1].fields["status"] == 499
    assert caplog.records[-1].fields["reason"] == "client-gone"
    assert service.sample("maskd_client_disconnects_total", http_route="/hang") == 1


async def test_a_client_that_leaves_while_uploading_cancels_its_request() -> None:
    service = Service()
    exchange = Exchange(path="/echo")
    exchange.body(b"x", more=True)
    exchange.disconnect()
    await exchange.through(service.app)
    assert exchange.sent == []
    assert service.sample("maskd_client_disconnects_total", http_route="/echo") == 1


async def test_a_client_that_leaves_with_its_reply_interrupts_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "maskd.access")
    service = Service()
    exchange = await service.post("/later", b"x")
    assert exchange.content == b"answered"
    assert service.reached.is_set()
    assert caplog.records[-1].fields["reason"] is None


async def test_a_connection_whose_body_was_read_is_kept() -> None:
    exchange = await Service().post("/echo", b"12345", content_length="5")
    assert "connection" not in exchange.headers


async def test_a_reply_sent_before_the_body_was_read_ends_the_connection() -> None:
    unread = Exchange(path="/ignore", headers={"content-length": "5"})
    assert (await unread.through(Service().app)).headers["connection"] == "close"
    bodiless = Exchange("GET", "/ignore")
    assert "connection" not in (await bodiless.through(Service().app)).headers
