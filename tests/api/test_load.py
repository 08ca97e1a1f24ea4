"""More requests than there is room, callers that leave, answers that come too late."""

import asyncio
import collections
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio.to_thread
import pytest

from tests.api.exchange import Exchange
from tests.api.serving import Client, png, serving
from tests.fakes import FakeModel, Gate

PNG = png()


@asynccontextmanager
async def gated(**settings: Any) -> AsyncIterator[tuple[Client, Gate]]:
    """A service whose network, once warm, waits at a gate; it opens when the block ends."""
    gate = Gate()
    model = Expectant(gate)
    async with serving(model, **settings) as client:
        for _ in range(client.warm_up_calls):
            gate.wait_arrival()
        while not model.asked.empty():
            model.asked.get_nowait()
        gate.close()
        try:
            yield client, gate
        finally:
            gate.open()


async def arrival(gate: Gate) -> None:
    await anyio.to_thread.run_sync(gate.wait_arrival)


class Expectant(FakeModel):
    """A network that tells when a decoded picture is about to be queued."""

    def __init__(self, gate: Gate) -> None:
        super().__init__(gate=gate)
        self.asked: asyncio.Queue[None] = asyncio.Queue()

    def input_shape(self, image_size: tuple[int, int]) -> tuple[int, int]:
        self.asked.put_nowait(None)
        return super().input_shape(image_size)


async def test_a_flood_is_answered_or_refused_and_none_is_lost() -> None:
    async with gated(max_queue_images=8, max_batch_size=4) as (client, gate):
        posts = [asyncio.create_task(client.segment(PNG)) for _ in range(200)]
        await arrival(gate)
        await asyncio.wait(posts, return_when=asyncio.FIRST_COMPLETED)
        gate.open()
        replies = await asyncio.gather(*posts)
        admitted = client.metric("maskd_admitted_images", model="fake")
    statuses = collections.Counter(reply.status_code for reply in replies)
    assert set(statuses) == {200, 429}
    assert statuses[200] >= 8
    assert admitted == 0
    for reply in replies:
        if reply.status_code == 429:
            assert int(reply.headers["retry-after"]) >= 1
            assert reply.json()["retryable"] is True
            assert reply.json()["limit"] == 8


async def test_a_full_service_refuses_before_it_decodes() -> None:
    async with gated(max_queue_images=1) as (client, gate):
        first = asyncio.create_task(client.segment(PNG))
        await arrival(gate)
        header_alone = PNG[: len(PNG) // 2]  # decoding it would fail
        refused = await client.segment(header_alone)
        assert refused.status_code == 429
        gate.open()
        assert (await first).status_code == 200
        assert (await client.segment(header_alone)).status_code == 400


async def test_pixels_are_bounded_as_well_as_pictures() -> None:
    async with gated(max_queue_megapixels=0.0032, max_image_megapixels=0.0032) as (client, gate):
        first = asyncio.create_task(client.segment(PNG))
        await arrival(gate)
        refused = await client.segment(png(16, 16))
        assert refused.status_code == 429
        assert refused.json()["limit"] == 3200
        gate.open()
        assert (await first).status_code == 200


async def test_an_answer_that_would_come_too_late_is_not_waited_for() -> None:
    async with gated() as (client, gate):
        reply = await client.segment(PNG, timeout_s=0.2)
        gate.open()
    assert reply.status_code == 504
    assert reply.json()["code"] == "deadline-exceeded"


async def test_a_caller_can_shorten_the_deadline_but_not_lengthen_it() -> None:
    async with gated(deadline_s=0.2) as (client, gate):
        reply = await client.segment(PNG, timeout_s=60)
        gate.open()
    assert reply.status_code == 504


async def test_a_caller_that_leaves_while_queued_takes_its_job_along() -> None:
    async with gated() as (client, gate):
        first = asyncio.create_task(client.segment(PNG))
        await arrival(gate)
        await client.model.asked.get()
        exchange = Exchange(path="/segment", headers={"content-type": "image/png"})
        exchange.body(PNG)
        second = asyncio.create_task(exchange.through(client.app))
        await client.model.asked.get()
        assert client.metric("maskd_queue_images", model="fake") == 1
        exchange.disconnect()
        await second
        assert exchange.sent == []
        assert client.metric("maskd_queue_images", model="fake") == 0
        assert client.metric("maskd_admitted_images", model="fake") == 1
        gate.open()
        assert (await first).status_code == 200
        assert len(client.model.calls) == client.warm_up_calls + 1
        assert client.metric("maskd_jobs_total", model="fake", outcome="cancelled") == 1
        assert client.metric("maskd_client_disconnects_total", http_route="/segment") == 1


async def test_running_work_is_answered_while_the_service_drains() -> None:
    async with gated() as (client, gate):
        services = client.app.state.services
        running = asyncio.create_task(client.segment(PNG))
        await arrival(gate)
        services.engine.drain()
        assert (await client.segment(PNG)).status_code == 503
        idle = asyncio.create_task(services.activity.wait_idle())
        gate.open()
        assert (await running).status_code == 200
        await asyncio.wait_for(idle, 5)


async def test_who_cannot_be_answered_is_told_before_the_upload() -> None:
    async with serving() as client:
        client.app.state.services.engine.drain()
        exchange = Exchange(path="/segment", headers={"content-length": "1000"})
        await exchange.through(client.app)  # no byte of the body ever comes
    assert exchange.status == 503
    assert exchange.headers["connection"] == "close"


async def test_work_that_outlasts_the_drain_is_told_so() -> None:
    async with gated() as (client, gate):
        running = asyncio.create_task(client.segment(PNG))
        await arrival(gate)
        await client.app.state.services.engine.aclose()
        reply = await running
        gate.open()
    assert reply.status_code == 503
    assert reply.json()["code"] == "not-ready"


@pytest.mark.parametrize("threads", [1, 4])
async def test_decoding_waits_for_a_thread_no_longer_than_the_deadline(threads: int) -> None:
    async with serving(codec_threads=threads) as client:
        gate = Gate()
        gate.close()
        codec = client.app.state.services.codec
        work = partial(gate.pass_through)
        busy = [asyncio.create_task(codec.run(work, float("inf"))) for _ in range(threads)]
        for _ in range(threads):
            await arrival(gate)
        reply = await client.segment(PNG, timeout_s=0.2)
        gate.open()
        await asyncio.gather(*busy)
        assert reply.status_code == 504
        assert (await client.segment(PNG)).status_code == 200
