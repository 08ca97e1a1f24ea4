"""`create_app`: the only place that constructs and wires."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from service import __version__
from service.api import playground, problems
from service.api.codec_pool import CodecPool
from service.api.dependencies import Services
from service.api.intake import BodyBounds, BodyIntake, BufferBudget
from service.api.metrics import HttpMetrics
from service.api.middleware import Activity, RequestEnvelope
from service.api.routes import (
    admin,
    detect,
    health,
    metrics,
    models,
    root,
    segment,
    semantic,
    sessions,
    stream,
    track,
)
from service.engine.engine import Engine
from service.settings import Settings


def create_app(settings: Settings, *, engine: Engine | None = None) -> FastAPI:
    """Return the service as an ASGI app; its lifespan loads the models and lets them go.

    The app answers while models load: `app.state.loading` is the task that loads them, and tells
    of its failure. `app.state.services` are its parts.

    Args:
        settings: the operator's choices.
        engine: None: one with the models of `settings`.
    """
    engine = engine or Engine(settings)
    services = Services(
        settings=settings,
        engine=engine,
        codec=CodecPool(settings.codec_threads),
        activity=Activity(),
        buffers=BufferBudget(settings.max_buffered_bytes),
        registry=engine.registry,
    )
    app = FastAPI(
        title="maskd",
        version=__version__,
        description="Pictures in, masks out.",
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.services = services
    problems.install(app)
    app.add_middleware(
        BodyIntake,
        bounds=BodyBounds(settings.max_body_bytes, settings.deadline_s, services.buffers),
        bounds_by_path={track.PATH: _video_bounds(settings)},
    )
    app.add_middleware(
        RequestEnvelope, metrics=HttpMetrics(services.registry), activity=services.activity
    )
    pictures = (segment, semantic, detect)
    for routes in (root, health, metrics, models, *pictures, sessions, stream, track):
        app.include_router(routes.router)
    app.mount("/static", playground.files())
    if settings.admin_token.get_secret_value():
        app.include_router(admin.router)
    return app


def _video_bounds(settings: Settings) -> BodyBounds:
    """Bounds of videos: so much longer may one take to arrive as it may be larger."""
    max_s = settings.deadline_s * settings.max_video_bytes / settings.max_body_bytes
    budget = BufferBudget(settings.max_buffered_video_bytes)
    return BodyBounds(settings.max_video_bytes, max(max_s, settings.deadline_s), budget)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Begin to load the models, and close the engine at the end."""
    engine: Engine = app.state.services.engine
    app.state.loading = asyncio.create_task(engine.start())
    try:
        yield
    finally:
        app.state.loading.cancel()
        await asyncio.wait([app.state.loading])
        await engine.aclose()
