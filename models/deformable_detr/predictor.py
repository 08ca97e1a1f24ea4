"""Pictures in, detections out: preprocess, network, postprocess."""

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from models import checkpoint
from models.deformable_detr.config import DeformableDetrConfig
from models.deformable_detr.model import DeformableDetr
from models.deformable_detr.postprocess import Selection, to_detections
from models.deformable_detr.preprocess import input_shape, preprocess
from models.deformable_detr.published_names import to_own_names
from models.layers import inference
from models.outputs import Detections
from models.predictor import Category


class DeformableDetrPredictor:
    """A Deformable DETR on its device; see `models.predictor.ImagePredictor`.

    Args:
        model: ready for inference; its parameters' device and dtype are where and in what it runs.
            Boxes, sampling locations and scores are float32 whatever the dtype.
    """

    def __init__(self, model: DeformableDetr) -> None:
        self._model = model
        self._config = model.config
        parameter = next(model.parameters())
        self._device, self._dtype = parameter.device, parameter.dtype

    @property
    def categories(self) -> Mapping[int, Category]:
        """Label -> category, in rising label order."""
        return self._config.categories

    @cached_property
    def nbytes(self) -> int:
        """Bytes of the network's parameters and buffers."""
        return inference.nbytes(self._model)

    def input_shape(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """Return the (height, width) in which the network sees a picture, pixels."""
        return input_shape(image_size, self._config)

    def predict(
        self,
        images: Sequence[np.ndarray],
        *,
        score_threshold: float = 0.0,
        max_detections: int | None = None,
        labels: Collection[int] | None = None,
    ) -> list[Detections]:
        """Return the detections of each picture, in order.

        Pictures of one input shape run as one batch and others by themselves, so that none is
        padded: padding would change the answer.

        Args:
            images: each [h, w, 3] uint8, RGB.
            score_threshold: scores must be above it.
            max_detections: at most so many a picture; None: the config's 100.
            labels: only these; None: those with a category. A COCO network has outputs for ids
                without one, too, which were never trained.

        Raises:
            ValueError: an image of another shape or dtype, or without pixels.
        """
        config = self._config
        wanted = config.categories if labels is None else labels
        selection = Selection(
            score_threshold,
            config.max_detections if max_detections is None else max_detections,
            {label for label in wanted if 0 <= label < config.class_count},
        )
        return inference.run_in_buckets(
            images, self.input_shape, lambda bucket: self._run(bucket, selection)
        )

    def _run(self, tensors: list[Tensor], selection: Selection) -> list[Detections]:
        """Detections of pictures of one input shape, in tensors that may be changed."""
        batch = preprocess(tensors, self._config)
        images = batch.images.to(device=self._device, dtype=self._dtype)
        with torch.inference_mode():
            outputs = self._model(images, batch.padding_mask.to(self._device))
        return to_detections(outputs, batch.original_sizes, selection)


def load_network(config: DeformableDetrConfig, weights: Mapping[str, Tensor]) -> DeformableDetr:
    """Return the network with the given weights, as trained.

    Args:
        config: of the network.
        weights: [any] floating, under the authors' names or Hugging Face's.

    Raises:
        CheckpointError: the weights do not fit.
    """
    with checkpoint.unfilled():
        model = DeformableDetr(config)
    checkpoint.load_strict(model, to_own_names(weights, config))
    return model
