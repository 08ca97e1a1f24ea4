"""The whole service in this process, without a port."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from models import zoo
from models.published import INCLUDED
from service.app import create_app
from service.cli import CommandFailed
from service.client import AsyncClient
from service.engine.engine import Engine
from service.engine.loader import EngineStartError, UnknownModel, ZooLoader
from service.settings import Settings

_PATIENCE_S = 24 * 3600.0  # nobody else waits, and large networks are slow without a GPU


@asynccontextmanager
async def running(
    settings: Settings, models: tuple[str, ...], *, engine: Engine | None = None
) -> AsyncIterator[AsyncClient]:
    """A client of a service with these models, once they are ready.

    Args:
        settings: of the service, but for its models and deadline.
        models: their names.
        engine: None: one that loads the models.

    Raises:
        CommandFailed: one cannot be loaded.
    """
    app = create_app(
        settings.model_copy(update={"models": models, "deadline_s": _PATIENCE_S}), engine=engine
    )
    async with app.router.lifespan_context(app):
        try:
            await app.state.loading
        except EngineStartError as error:
            raise CommandFailed(str(error)) from error
        transport = httpx.ASGITransport(app=app)
        async with AsyncClient("http://maskd", transport=transport) as client:
            yield client


def choose(settings: Settings, task: str, model: str | None) -> str:
    """Return the model that is asked for, the first configured one of a task, or an included one.

    Raises:
        CommandFailed: there is none, or the model that is asked for does another task.
    """
    loader = ZooLoader(settings)
    names = settings.models if model is None else (model,)
    try:
        tasks = {name: loader.task(name) for name in names}
    except UnknownModel as error:
        raise CommandFailed(str(error)) from error
    able = [name for name in names if tasks[name] == task]
    if model is not None:
        if not able:
            raise CommandFailed(f"--model {model}: it can {tasks[model]}, not {task}")
        return model
    variants = zoo.available().values()
    included = [one.name for one in variants if (one.task, one.checkpoint) == (task, INCLUDED)]
    found = next(iter((*able, *included)), None)
    if found is None:
        raise CommandFailed(
            f"no model that can {task} is in MASKD_MODELS or included; name one with --model "
            "(maskd weights list shows them)"
        )
    return found
