"""Models come and go while others serve."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from service.app import create_app
from service.engine.engine import Engine
from service.settings import Settings
from tests.api.conversation import Conversation
from tests.api.serving import Client, png, running
from tests.api.test_sessions import MASK, advance, open_session, picture
from tests.api.test_stream import Gated
from tests.api.test_track import Reader
from tests.fake_tracker import FakeVideoPredictor
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


async def change(client: Client, **what: Any) -> httpx.Response:
    return await client.post("/admin/models", json=what, headers=TOKEN)


async def segment(client: Client, model: str) -> int:
    return (await client.segment(png(), model=model)).status_code


def names(reply: httpx.Response) -> list[str]:
    return [model["name"] for model in reply.json()["models"]]


@pytest.mark.parametrize("body", [b"{", b"[" * 100_000, b"\xff", b"9" * 5000, b"[]"])
async def test_what_is_no_json_is_told_to_those_who_may_ask(body: bytes) -> None:
    async with serving() as client:
        for headers, status, code in ((TOKEN, 400, "malformed-body"), ({}, 401, "unauthorized")):
            reply = await client.post("/admin/models", content=body, headers=headers)
            assert (reply.status_code, reply.json()["code"]) == (status, code)


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
        ({"load": "a", "force": True}, 422, "force is for unload"),
        ({"load": 3}, 422, "load"),
        ({"laod": "first"}, 422, "laod"),
    ],
)
async def test_a_change_that_cannot_be_is_refused(
    what: dict[str, Any], status: int, detail: str
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


@asynccontextmanager
async def following(tracker: FakeVideoPredictor) -> AsyncIterator[Client]:
    """A model and a tracker loaded."""
    settings = Settings(models=("first", "tracker"), devices=("cpu",), admin_token=WORDS)
    loader = FakeLoader({"first": FakeModel(), "tracker": tracker}, {"tracker": "track"})
    async with running(create_app(settings, engine=Engine(settings, loader=loader))) as client:
        yield client


async def test_a_tracker_with_open_sessions_goes_only_by_force() -> None:
    async with following(FakeVideoPredictor()) as client:
        where, other = [(await open_session(client)).headers["location"] for _ in range(2)]
        refused = await change(client, unload="tracker")
        assert (refused.status_code, refused.json()["code"]) == (409, "model-in-use")
        assert refused.json()["open_sessions"] == 2
        assert (await advance(client, where)).status_code == 200
        assert (await client.delete(other)).status_code == 204
        assert names(await change(client, unload="tracker", force=True)) == ["first"]
        for reply in (await advance(client, where), await client.get(where)):
            assert (reply.status_code, reply.json()["reason"]) == (410, "unloaded")
        assert (await client.get(other)).json()["reason"] == "closed"
        assert (await client.get("/sessions")).json() == {"sessions": []}
        assert (await open_session(client)).status_code == 404
        assert client.metric("maskd_sessions_ended_total", reason="unloaded") == 1
        assert names(await change(client, load="tracker")) == ["first", "tracker"]
        assert (await open_session(client)).status_code == 201


async def test_without_open_sessions_a_tracker_goes_unforced() -> None:
    async with following(FakeVideoPredictor()) as client:
        where = (await open_session(client)).headers["location"]
        await client.delete(where)
        assert names(await change(client, unload="tracker")) == ["first"]


class Expectant(Gated):
    """A gated tracker that tells when a frame is about to be queued."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Semaphore(0)

    def input_shape(self, image_size: tuple[int, int]) -> tuple[int, int]:
        self.asked.release()
        return super().input_shape(image_size)

    async def queued(self, count: int) -> None:
        for _ in range(count):
            assert await asyncio.to_thread(self.asked.acquire, timeout=10)


@pytest.mark.parametrize("last", [picture(2), {"objects": [MASK]}], ids=["frame", "edit"])
async def test_whoever_waits_for_a_tracker_that_goes_is_told(last: Any) -> None:
    tracker = Expectant()
    async with following(tracker) as client:
        where, streamed = [(await open_session(client)).headers["location"] for _ in range(2)]
        tracker.close()
        await tracker.queued(1)  # the warm-up
        video, stream = Reader(), Conversation(f"{streamed}/stream")
        async with stream.with_app(client.app), video.with_app(client.app) as tracking:
            await video.read(2)  # the head and the first line
            await tracker.queued(1)
            frame = asyncio.ensure_future(advance(client, where))
            stream.say(picture(1))
            await tracker.queued(2)
            unload = asyncio.ensure_future(change(client, unload="tracker", force=True))
            reply = await frame
            assert (reply.status_code, reply.json()["detail"]) == (503, "The model was unloaded.")
            assert (await stream.hear())["code"] == "not-ready"
            stream.say(last)
            assert (await stream.hear())["reason"] == "unloaded"
            assert await stream.hear_end() == 4410
            await video.read(1)
            await asyncio.wait_for(tracking, 10)
            assert video.lines()[-1]["problem"]["code"] == "not-ready"
            tracker.gate.open()
            assert names(await unload) == ["first"]
