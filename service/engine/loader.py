"""Where predictors come from: the zoo, with checkpoints from the weights folder or included."""

from pathlib import Path
from typing import Protocol

from models import zoo
from models.predictor import ImagePredictor, VideoPredictor
from service.settings import Settings

_SUFFIXES = (".safetensors", ".pth")


class EngineStartError(Exception):
    """The engine cannot start; the message is one line that says why."""


class UnknownModel(KeyError):
    """No variant of this name, and no weights that have it as a name of their own."""

    def __str__(self) -> str:
        name, path = self.args
        missing = f"{name} is no variant, and there are no weights of that name at {path}"
        return f"{missing}; variants are {', '.join(zoo.available())}"


class MissingWeights(Exception):
    """A published variant whose weights were not fetched."""


class Loader(Protocol):
    """Makes predictors from names."""

    def variant(self, name: str) -> str:
        """Return the variant whose network a model has: its own name, or what its file says.

        Raises:
            KeyError: there is no such variant.
        """
        ...

    def task(self, name: str) -> str:
        """Return what a model does, as the routes call it.

        Raises:
            KeyError: there is no such variant.
        """
        ...

    def load(self, name: str, device: str) -> ImagePredictor | VideoPredictor:
        """Return the variant's predictor on a device; called off the event loop, many at once.

        Raises:
            Exception: it cannot be loaded; the message tells why.
        """
        ...


class ZooLoader:
    """Variants of `models.zoo`, and weights that `maskd weights import` gave a name of their own.

    Weights are `<variant>.safetensors` or `.pth` of the weights folder, else those included.

    Args:
        settings: `weights_dir` and `dtype`.
    """

    def __init__(self, settings: Settings) -> None:
        self._weights_dir = Path(settings.weights_dir)
        self._dtype = settings.dtype

    def variant(self, name: str) -> str:
        """See `Loader`."""
        if name in zoo.available():
            return name
        path = self._weights_dir / f"{Path(name).name}.safetensors"
        origin = zoo.read_origin(path)
        if origin is None or origin.variant not in zoo.available():
            raise UnknownModel(name, path)
        return origin.variant

    def task(self, name: str) -> str:
        """See `Loader`."""
        return zoo.available()[self.variant(name)].task

    def load(self, name: str, device: str) -> ImagePredictor | VideoPredictor:
        """See `Loader`."""
        checkpoint = self._checkpoint(name)
        if checkpoint is None and name in zoo.available() and zoo.available()[name].files:
            get = f"`maskd weights fetch {name}` gets them"
            raise MissingWeights(f"its weights are not in {self._weights_dir}: {get}")
        return zoo.load(self.variant(name), checkpoint, device, dtype=self._dtype)

    def _checkpoint(self, name: str) -> Path | None:
        """The variant's file in the weights folder, if there is one."""
        paths = (self._weights_dir / f"{name}{suffix}" for suffix in _SUFFIXES)
        return next((path for path in paths if path.is_file()), None)
