"""Which models are loaded, each with its queue and its replicas."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from models.predictor import Category


@dataclass(frozen=True)
class ModelStatus:
    """One loaded model, as others may see it.

    Attributes:
        name: its variant.
        task: what it does, as the routes call it.
        devices: where its replicas are.
        state: "ready", or "failed" once all its devices are lost.
        categories: label as found in outputs -> category, in rising label order.
    """

    name: str
    task: str
    devices: tuple[str, ...]
    state: Literal["ready", "failed"]
    categories: Mapping[int, Category]


class Pool: ...
