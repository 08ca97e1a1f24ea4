"""The whole service in this process, over networks that are stand-ins."""

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import FastAPI
from PIL import Image

from service.app import create_app
from service.engine.engine import Engine
from service.settings import Settings
from tests.fakes import FakeLoader, FakeModel

NAME = "fake"


class Client(httpx.AsyncClient):
    """A client of an app in this process, with the app and its first model at hand."""

    def __init__(self, app: FastAPI, model: Any) -> None:
        transport = httpx.ASGITransport(app=app)
        super().__init__(transport=transport, base_url="http://service", timeout=20)
        self.app = app
        self.model = model
        self.warm_up_calls = len(getattr(model, "calls", ()))

    async def segment(
        self, image: bytes, kind: str = "image/png", **options: Any
    ) -> httpx.Response:
        headers = {"content-type": kind}
        return await self.post("/segment", content=image, headers=headers, params=options)

    def metric(self, name: str, **labels: str) -> float | None:
        return self.app.state.services.registry.get_sample_value(name, labels)


@asynccontextmanager
async def serving(
    model: Any = None, *, ready: bool = True, task: str = "segment", **settings: Any
) -> AsyncIterator[Client]:
    """A client of a service with one model, by default once that is ready."""
    model = model or FakeModel()
    chosen = Settings(models=(NAME,), devices=("cpu",), **settings)
    loader = FakeLoader({NAME: model}, tasks={NAME: task})
    app = create_app(chosen, engine=Engine(chosen, loader=loader))
    async with running(app, model, ready=ready) as client:
        yield client


@asynccontextmanager
async def running(app: FastAPI, model: Any = None, *, ready: bool = True) -> AsyncIterator[Client]:
    """A client of an app, by default once its models are ready."""
    async with app.router.lifespan_context(app):
        if ready:
            await app.state.loading
        async with Client(app, model) as client:
            yield client


def png(width: int = 64, height: int = 48) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), (90, 120, 150)).save(file, "PNG")
    return file.getvalue()
