"""What a job asks of an image model, and the pass that answers many of them at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.predictor import BoxPrompts, BoxSegmenter, ImagePredictor


@dataclass(frozen=True)
class Query:
    """One picture, and what is asked about it alone.

    Attributes:
        image: [h, w, 3] uint8, RGB.
        prompts: boxes that shall become instances; None: whatever the network finds.
    """

    image: np.ndarray
    prompts: BoxPrompts | None = None


def answer(predictor: ImagePredictor, queries: Sequence[Query], **options: Any) -> list[Any]:
    """Return one output a query, in order.

    Args:
        predictor: that runs.
        queries: all with prompts, or all without.
        options: of the predictor's `predict` or, with prompts, of its `segment_boxes`.

    Raises:
        TypeError: there are prompts, but the predictor takes none.
    """
    images = [query.image for query in queries]
    prompts = [query.prompts for query in queries if query.prompts is not None]
    if not prompts:
        return predictor.predict(images, **options)
    if not isinstance(predictor, BoxSegmenter):
        raise TypeError("the predictor takes no boxes")
    return predictor.segment_boxes(images, prompts, **options)
