"""The contract between a loaded network and whoever runs it; nothing here knows a family."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np


@dataclass(frozen=True)
class Category:
    """What a label of the network means.

    Attributes:
        id: the published category id (COCO: 1 to 90 with gaps).
        name: the published name, lower case.
        colour: (red, green, blue) in which the data set draws it, None if it has none.
    """

    id: int
    name: str
    colour: tuple[int, int, int] | None = None


@runtime_checkable
class ImagePredictor(Protocol):
    """A network on its device: uint8 pictures in, one output a picture out.

    It holds no picture and no request: calls from one thread at a time, any order, give the same
    answers.
    """

    @property
    def categories(self) -> Mapping[int, Category]:
        """Label as found in outputs -> category, in rising label order."""
        ...

    def input_shape(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """Return the (height, width) that a picture of `image_size` has when the network sees it.

        Pictures of equal input shape can share a forward pass without changing one another.
        """
        ...

    def predict(self, images: Sequence[np.ndarray], *_: Any, **options: Any) -> list[Any]:
        """Return one output of `models.outputs` for each picture, in order.

        Args:
            images: each [h, w, 3] uint8, RGB.
            options: the family's own, equal for all pictures of the call.
        """
        ...
