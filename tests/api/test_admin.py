"""Models come and go while others serve."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from service.app import create_app
from service.engine.engine import Engine
from service.settings import Settings
from tests.api.serving import Client, png, running
from tests.fakes import FakeLoader, FakeModel, Gate

WORDS = "open sesame"
TOKEN = {"authorization": f"Bearer {WORDS}"}


@asynccontextmanager
async def serving(**more: Any) -> AsyncIterator[Client]:
    """One model loaded, others to be had."""
    settings = Settings(models=("first",), devices=("cpu",), admin_token=WORDS)
    app = create_app(
        settings, engine=Engine(settings, loader=FakeLoader({"first": FakeModel(), **more}))
    )
    async with running(app) as client:
        yield client


async def change(client: Client, **what: str) -> httpx.Response:
    return await client.post("/admin/models", json=what, headers=TOKEN)


async def segment(client: Client, model: str) -> int:
    return (await client.segment(png(), model=model)).status_code


def names(reply: httpx.Response) -> list[str]:
    return [model["name"] for model in reply.json()["models"]]


async def test_a_model_is_loaded_answers_and_is_let_go() -> None:
    async with serving(second=FakeModel()) as client:
        assert await segment(client, "second") == 404
        assert names(await change(client, load="second")) == ["first", "second"]
        assert names(await change(client, load="second")) == ["first", "second"]
        assert await segment(client, "second") == 200
        assert names(await change(client, unload="second")) == ["first"]
        assert await segment(client, "second") == 404
        assert names(await change(client, load="second")) == ["first", "second"]
        assert await segment(client, "second") == 200


async def test_others_answer_while_a_model_loads() -> None:
    gate = Gate()
    settings = Settings(models=("first",), devices=("cpu",), admin_token=WORDS)
    models = {"first": FakeModel(), "second": FakeModel()}
    loader = FakeLoader(models, before=gate.pass_through)
    async with running(create_app(settings, engine=Engine(settings, loader=loader))) as client:
        await asyncio.to_thread(gate.wait_arrival)  # of the first
        gate.close()
        load = asyncio.ensure_future(change(client, load="second"))
        await asyncio.to_thread(gate.wait_arrival)
        assert await segment(client, "first") == 200
        assert (await client.get("/readyz")).status_code == 200
        assert not load.done()
        gate.open()
        assert names(await load) == ["first", "second"]


async def test_what_waits_for_a_model_that_is_let_go_is_refused() -> None:
    gate = Gate()
    async with serving(second=FakeModel(gate=gate)) as client:
        await change(client, load="second")
        await asyncio.to_thread(gate.wait_arrival)  # the warm-up
        gate.close()
        first = asyncio.ensure_future(client.segment(png(), model="second"))
        await asyncio.to_thread(gate.wait_arrival)
        unload = asyncio.ensure_future(change(client, unload="second"))
        reply = await first
        gate.open()
        assert names(await unload) == ["first"]
        assert (reply.status_code, reply.json()["detail"]) == (503, "The model was unloaded.")


@pytest.mark.parametrize(
    ("what", "status", "detail"),
    [
        ({"load": "third"}, 404, "third cannot be loaded; the log says why."),
        ({"load": "broken"}, 404, "broken cannot be loaded; the log says why."),
        ({"unload": "third"}, 404, "No model third is loaded; loaded are first."),
        ({"unload": "first"}, 422, "The only loaded model cannot be unloaded."),
        ({}, 422, "either load or unload is expected"),
        ({"load": "a", "unload": "b"}, 422, "either load or unload is expected"),
        ({"load": 3}, 422, "load"),
        ({"laod": "first"}, 422, "laod"),
    ],
)
async def test_a_change_that_cannot_be_is_refused(
    what: dict[str, str], status: int, detail: str
) -> None:
    async with serving(broken=OSError("/secret/path")) as client:
        reply = await change(client, **what)
        assert reply.status_code == status
        assert detail in reply.json()["detail"]
        assert "secret" not in reply.text
        assert await segment(client, "first") == 200


@pytest.mark.parametrize(
    "headers",
    [{}, {"authorization": "Bearer x"}, {"authorization": "Basic open sesame"}, {"token": "x"}],
)
async def test_without_the_token_nothing_changes(headers: dict[str, str]) -> None:
    async with serving(second=FakeModel()) as client:
        reply = await client.post("/admin/models", json={"load": "second"}, headers=headers)
        assert (reply.status_code, reply.json()["code"]) == (401, "unauthorized")
        assert names(await client.get("/models")) == ["first"]


async def test_without_a_token_in_the_settings_there_is_no_such_route() -> None:
    async with running(create_app(Settings()), ready=False) as client:
        reply = await client.post("/admin/models", json={"load": "x"}, headers=TOKEN)
        assert reply.status_code == 404
    assert "sesame" not in repr(Settings(admin_token=WORDS))
