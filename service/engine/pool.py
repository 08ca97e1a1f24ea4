"""Which models are loaded: each with what it is, whom it lets in, and its queue."""

from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol, TypeVar

from models.predictor import BoxSegmenter, Category, ImagePredictor, Prompt
from service.engine.admission import Admission
from service.engine.batcher import Batcher
from service.engine.job import Answer, Bucket
from service.engine.query import Query
from service.errors import InvalidOptions, NotFound, NotReady

_SHOWN = 60  # characters of a caller's own words that an error repeats


@dataclass(frozen=True)
class ModelStatus:
    """A loaded model as others may see it.

    Attributes:
        name: what callers say for it.
        variant: whose network it has; its name, unless the weights have a name of their own.
        task: what it does, as the routes call it.
        devices: where its living replicas are.
        state: "ready", or "failed" once all its devices are lost.
        categories: label as found in outputs -> category, in rising label order.
        input_shape: (height, width) of a picture -> those in which the network sees it, pixels.
        memory_bytes: of its weights, by the devices where living replicas hold them.
        prompts: what may tell it an object: one to follow, or one of the picture.
    """

    name: str
    variant: str
    task: str
    devices: tuple[str, ...]
    state: Literal["ready", "failed"]
    categories: Mapping[int, Category]
    input_shape: Callable[[tuple[int, int]], tuple[int, int]]
    memory_bytes: Mapping[str, int]
    prompts: frozenset[Prompt] = frozenset()

    def find_labels(self, option: str, names: Sequence[str]) -> tuple[int, ...]:
        """Return the labels that are meant, in order.

        Args:
            option: that names them, for the error.
            names: or ids of categories.

        Raises:
            InvalidOptions: the model knows no category of such a name or id.
        """
        known = {category.name: label for label, category in self.categories.items()}
        known |= {str(category.id): label for label, category in self.categories.items()}
        unknown = [name for name in names if name.lower() not in known]
        if unknown:
            raise InvalidOptions(f"{option}: {self.name} knows no category {unknown[0]!r}.")
        return tuple(known[name.lower()] for name in names)


class Loaded(Protocol):
    """What the pool knows of a model of any kind."""

    @property
    def name(self) -> str:
        """What callers say for it."""
        ...

    @property
    def task(self) -> str:
        """What it does, as the routes call it."""
        ...

    @property
    def status(self) -> ModelStatus:
        """What others may see of it now."""
        ...

    def admit(self, pixels: int, left_s: float) -> AbstractContextManager[None]:
        """Hold room for one picture as long as the block runs."""
        ...

    def close(self, reason: str) -> None:
        """Fail whatever waits or runs, with `reason` for the callers."""
        ...


Kind = TypeVar("Kind", bound=Loaded)


@dataclass(frozen=True)
class LoadedModel:
    """An image model with its bound and its queue.

    Attributes:
        name: what callers say for it.
        variant: whose network it has.
        task: what it does, as the routes call it.
        predictor: any of its replicas', for what does not depend on the device.
        admission: its bound.
        batcher: its queue and replicas.
    """

    name: str
    variant: str
    task: str
    predictor: ImagePredictor
    admission: Admission
    batcher: Batcher[Query, Any]

    @cached_property
    def prompts(self) -> frozenset[Prompt]:
        """What may tell it an object of the picture."""
        return frozenset({"box"} if isinstance(self.predictor, BoxSegmenter) else ())

    @property
    def status(self) -> ModelStatus:
        """What others may see of it now."""
        devices = self.batcher.devices
        state: Literal["ready", "failed"] = "ready" if devices else "failed"
        return ModelStatus(
            name=self.name,
            variant=self.variant,
            task=self.task,
            devices=devices,
            state=state,
            categories=self.predictor.categories,
            input_shape=self.predictor.input_shape,
            memory_bytes=dict.fromkeys(devices, self.predictor.nbytes),
            prompts=self.prompts,
        )

    @contextmanager
    def admit(self, pixels: int, left_s: float) -> Iterator[None]:
        """Hold room for one picture as long as the block runs; see `Admission.room`.

        Raises:
            NotReady: all devices are lost.
            Overloaded: there is no room.
        """
        self.batcher.check_open()
        with self.admission.room(pixels, left_s):
            yield

    async def predict(
        self, query: Query, options: Mapping[str, Hashable], deadline: float
    ) -> Answer[Any]:
        """Return the answer for one picture; see `Batcher.run` for what it raises.

        Args:
            query: the picture; prompts are its own, so they travel with it, outside the bucket.
            options: of the pass, see `service.engine.query.answer`.
            deadline: by the engine's clock.
        """
        height, width = query.image.shape[:2]
        shape = self.predictor.input_shape((height, width)), query.prompts is not None
        return await self.batcher.run(query, Bucket.of(shape, options), deadline)

    def close(self, reason: str) -> None:
        """Fail whatever waits or runs, with `reason` for the callers."""
        self.batcher.close(reason)


class Pool:
    """The loaded models.

    State, on the event loop only: `_models` by name; none before all configured ones are loaded.
    """

    def __init__(self) -> None:
        self._models: dict[str, Loaded] = {}

    def fill(self, models: Sequence[Loaded]) -> None:
        """Make loaded models known; the first of a task is its default."""
        self._models = {model.name: model for model in models}

    def add(self, model: Loaded) -> None:
        """Make one more model known."""
        self._models[model.name] = model

    def check_spare(self, name: str) -> None:
        """Do nothing if a model may go.

        Raises:
            NotReady: models are still loading.
            NotFound: it is not loaded.
            InvalidOptions: it is the only one.
        """
        self.get(name)
        if len(self._models) == 1:
            raise InvalidOptions("The only loaded model cannot be unloaded.")

    def remove(self, name: str, reason: str) -> None:
        """Forget a model, and fail whatever waits for it, with `reason` for the callers.

        Args:
            name: of a model that is loaded.
            reason: one sentence.
        """
        self._models.pop(name).close(reason)

    @property
    def statuses(self) -> tuple[ModelStatus, ...]:
        """Of every model, in the order that they came in."""
        return tuple(model.status for model in self._models.values())

    def names(self) -> Collection[str]:
        """Return the names of all loaded models.

        Raises:
            NotReady: models are still loading.
        """
        return self._loaded().keys()

    def get(self, name: str) -> Loaded:
        """Return the model of that name.

        Raises:
            NotReady: models are still loading.
            NotFound: it is not loaded; the message names those that are.
        """
        models = self._loaded()
        if name not in models:
            loaded = ", ".join(models)
            raise NotFound(f"No model {name[:_SHOWN]} is loaded; loaded are {loaded}.")
        return models[name]

    def get_as(self, kind: type[Kind], name: str) -> Kind:
        """Return the model of that name, which must be of a kind.

        Raises:
            NotReady: models are still loading.
            NotFound: it is not loaded.
            InvalidOptions: it is of another kind.
        """
        model = self.get(name)
        if not isinstance(model, kind):
            raise InvalidOptions(f"The model {name} can {model.task}, which is not asked here.")
        return model

    def of_kind(self, kind: type[Kind]) -> tuple[Kind, ...]:
        """Return the models of a kind, in the order of the settings.

        Raises:
            NotReady: models are still loading.
        """
        return tuple(model for model in self._loaded().values() if isinstance(model, kind))

    def find(self, task: str, name: str | None) -> Loaded:
        """Return the model of that name, or the task's first.

        Raises:
            NotReady: models are still loading.
            NotFound: there is none.
            InvalidOptions: it does another task.
        """
        if name is None:
            return self._default(task)
        model = self.get(name)
        if model.task != task:
            raise InvalidOptions(f"The model {name} can {model.task}, not {task}.")
        return model

    def close(self, reason: str) -> None:
        """Fail whatever waits or runs, with `reason` for the callers."""
        for model in self._models.values():
            model.close(reason)

    def _default(self, task: str) -> Loaded:
        for model in self._loaded().values():
            if model.task == task:
                return model
        raise NotFound(f"No model that can {task} is loaded.")

    def _loaded(self) -> dict[str, Loaded]:
        if not self._models:
            raise NotReady("Models are still loading.")
        return self._models
