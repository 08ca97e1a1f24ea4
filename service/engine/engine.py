"""The facade that routes and sessions see: which models there are, room for a picture, answers."""

import asyncio
import logging
import textwrap
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from prometheus_client import CollectorRegistry

from models.predictor import BoxPrompts
from service.engine.admission import Ticket
from service.engine.assembly import Assembly
from service.engine.clock import Clock, MonotonicClock
from service.engine.loader import EngineStartError, Loader, ZooLoader
from service.engine.pool import LoadedModel, ModelStatus, Pool
from service.engine.query import Query
from service.engine.sessions.sessions import Sessions
from service.engine.stats import Stats
from service.errors import DeadlineExceeded, ModelInUse, NotFound, NotReady
from service.settings import Settings

_log = logging.getLogger("maskd.engine")


@dataclass(frozen=True)
class Prediction:
    """One picture's answer.

    Attributes:
        output: of `models.outputs`, by the model's task.
        model: the variant that made it.
        queue_wait_s: seconds from `predict` to the start of its batch.
        run_s: seconds that its batch ran.
        batch_size: pictures in the forward pass that made it.
    """

    output: Any
    model: str
    queue_wait_s: float
    run_s: float
    batch_size: int


class Engine:
    """Loaded models behind queues.

        await engine.start()
        model = engine.find("segment", options.model)
        with engine.admit(model.name, pixels, deadline) as ticket:
            image = await decode(upload)
            prediction = await engine.predict(ticket, image, {"score_threshold": 0.5})

    State, on the event loop only: `draining`; `_changing`, held while a model comes or goes.

    Args:
        settings: models, devices and limits.
        registry: where the engine's metrics are registered; None: one of its own.
        loader: makes predictors from names; None: `models.zoo`.
        clock: None: the machine's.

    Attributes:
        registry: what `/metrics` renders.
        sessions: objects followed through videos.
        draining: set once new work is refused for good.
        failed: set once a model has lost all its devices; only a new process mends that.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        registry: CollectorRegistry | None = None,
        loader: Loader | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.registry = registry or CollectorRegistry()
        self.draining = asyncio.Event()
        self.failed = asyncio.Event()
        self._clock = clock or MonotonicClock()
        self._names = settings.models
        self._pool = Pool()
        self._assembly = Assembly(
            settings,
            loader or ZooLoader(settings),
            self._clock,
            Stats(self.registry),
            self.failed.set,
        )
        self.sessions = Sessions(settings, self._pool, self._clock, self.registry)
        self._changing = asyncio.Lock()

    async def start(self) -> None:
        """Load and warm up every configured model; return once all are ready.

        Raises:
            EngineStartError: one of them cannot be loaded or run; the message is one line.
        """
        models = await self._assembly.load(self._names)
        await self.sessions.start()
        self._pool.fill(models)

    async def load(self, name: str) -> None:
        """Load and warm up one more model while the others go on; one at a time.

        Nothing happens to a model that is loaded already.

        Args:
            name: a variant, or weights with a name of their own.

        Raises:
            NotReady: the configured models are still loading.
            NotFound: there is no such model, or it cannot be loaded; the log says why.
        """
        async with self._changing:
            if name in self._pool.names():
                return
            try:
                model = await self._assembly.load_one(name)
            except EngineStartError as error:
                _log.warning("not loaded: %s", error)
                shown = textwrap.shorten(name, 60)
                raise NotFound(f"{shown} cannot be loaded; the log says why.") from error
            self._pool.add(model)

    async def unload(self, name: str, *, ends_sessions: bool = False) -> None:
        """Let a loaded model go while the others go on; whatever waits for it is refused.

        Args:
            name: of the model.
            ends_sessions: its open sessions may end.

        Raises:
            NotReady: the configured models are still loading.
            NotFound: it is not loaded.
            InvalidOptions: it is the only one.
            ModelInUse: it has open sessions, which may not end.
        """
        async with self._changing:
            self._pool.check_spare(name)
            sessions = self.sessions.count(name)
            if sessions and not ends_sessions:
                raise ModelInUse(name, sessions)
            self._pool.remove(name, "The model was unloaded.")
            self.sessions.leave(name)
            await self._assembly.release(name)
            _log.info("%s is unloaded, %d sessions of it ended", name, sessions)

    @property
    def is_ready(self) -> bool:
        """Whether every configured model takes work."""
        models = self.models()
        is_able = bool(models) and all(model.state == "ready" for model in models)
        return is_able and not self.is_draining

    @property
    def is_draining(self) -> bool:
        """Whether new work is refused for good."""
        return self.draining.is_set()

    def models(self) -> tuple[ModelStatus, ...]:
        """Return what is loaded, in the order of the settings; nothing before all is."""
        return self._pool.statuses

    def find(self, task: str, name: str | None = None) -> ModelStatus:
        """Return the named model, or the task's first.

        Raises:
            NotFound: it is not loaded; the message names those that are.
            InvalidOptions: it does another task.
            NotReady: models are still loading.
        """
        return self._pool.find(task, name).status

    @contextmanager
    def admit(self, model: str, pixels: int, deadline: float) -> Iterator[Ticket]:
        """Hold room for one picture; refuse at once where there is none.

        To be entered before the picture is decoded, so that memory stays bounded, and left once
        it is answered.

        Args:
            model: name of a loaded model.
            pixels: of the picture, as its header says.
            deadline: monotonic seconds.

        Raises:
            NotFound: no such model is loaded.
            NotReady: draining, still loading, or the model's devices are lost.
            DeadlineExceeded: it has passed already.
            Overloaded: too many pictures or pixels are admitted, or those ahead would take longer
                than the deadline leaves; carries when to come back.
        """
        if self.is_draining:
            raise NotReady("The service is shutting down.")
        left_s = deadline - self._clock.now()
        if left_s <= 0:
            raise DeadlineExceeded("The deadline passed before the picture was decoded.")
        with self._pool.get(model).admit(pixels, left_s):
            yield Ticket(model, deadline)

    async def predict(
        self,
        ticket: Ticket,
        image: np.ndarray,
        options: Mapping[str, Hashable],
        prompts: BoxPrompts | None = None,
    ) -> Prediction:
        """Return the answer for the ticket's picture.

        Args:
            ticket: from `admit`, still held.
            image: [h, w, 3] uint8, RGB.
            options: the family's own, as its predictor's `predict` takes them (with prompts, its
                `segment_boxes`); hashable values.
            prompts: boxes that shall become instances; None: whatever the network finds.

        Raises:
            DeadlineExceeded: the deadline passed first.
            OutOfMemory: the device cannot hold even this one picture.
            InferenceFailed: the network, or its device, failed on it.
            NotReady: the engine was closed, or the model lost its devices, while it waited.
        """
        asked = self._clock.now()
        model = self._pool.get_as(LoadedModel, ticket.model)
        answer = await model.predict(Query(image, prompts), options, ticket.deadline)
        return Prediction(
            output=answer.output,
            model=ticket.model,
            queue_wait_s=answer.started - asked,
            run_s=answer.run_s,
            batch_size=answer.batch_size,
        )

    def drain(self) -> None:
        """Turn not ready and refuse new work; what is admitted goes on."""
        self.draining.set()
        self.sessions.drain()

    async def aclose(self) -> None:
        """Refuse new work, fail what waits or runs, let the devices go; safe to call twice.

        A pass that runs cannot be stopped: its thread ends with it.
        """
        self.drain()
        self._pool.close("The service is shutting down.")
        await self.sessions.aclose()
        self._assembly.close()
