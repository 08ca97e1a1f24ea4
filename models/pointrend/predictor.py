"""Pictures in, label maps out: preprocess, network, subdivision, postprocess."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from models import checkpoint
from models.layers import inference
from models.outputs import SemanticMap
from models.pointrend.config import PointRendConfig
from models.pointrend.model import CoarseOutputs, PointRend
from models.pointrend.postprocess import label_map, way_back
from models.pointrend.preprocess import input_shape, preprocess
from models.pointrend.published_names import recognise, translate
from models.predictor import Category


class PointRendPredictor:
    """A PointRend on its device; see `models.predictor.ImagePredictor`.

    Args:
        model: ready for inference; its parameters' device and dtype are where and in what it runs.
            Logits and points are float32 whatever the dtype.
    """

    def __init__(self, model: PointRend) -> None:
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
        """Return the padded (height, width) in which the network sees a picture, pixels."""
        return input_shape(image_size, self._config)

    def predict(self, images: Sequence[np.ndarray], *, refine: bool = True) -> list[SemanticMap]:
        """Return the label map of each picture, in order.

        Pictures of one input shape run as one batch and others by themselves, so that none sees
        more padding than it would alone.

        Args:
            images: each [h, w, 3] uint8, RGB.
            refine: ask the point head about uncertain borders; otherwise the coarse logits are
                only enlarged.

        Raises:
            ValueError: an image of another shape or dtype, or without pixels.
        """
        return inference.run_in_buckets(
            images, self.input_shape, lambda bucket: self._run(bucket, refine=refine)
        )

    @torch.inference_mode()
    def _run(self, tensors: list[Tensor], *, refine: bool) -> list[SemanticMap]:
        """Label maps of pictures of one input shape; full-size logits exist of one at a time."""
        batch = preprocess(tensors, self._config)
        images = batch.images.to(device=self._device, dtype=self._dtype)
        outputs = self._model(images)
        shape = (images.shape[2], images.shape[3])
        is_refined = refine and self._model.point_head is not None
        maps = []
        for index, sizes in enumerate(zip(batch.image_sizes, batch.original_sizes, strict=True)):
            picture = CoarseOutputs(
                outputs.coarse_logits[index, None], outputs.fine_features[index, None]
            )
            logits = picture.coarse_logits
            if is_refined:
                logits = self._model.refine(picture, shape[1])
            labels = label_map(logits[0], way_back(shape, *sizes))
            maps.append(SemanticMap(labels.cpu(), is_refined))
        return maps


def load_network(config: PointRendConfig, weights: Mapping[str, Tensor]) -> PointRend:
    """Return the network with the given weights, as trained.

    Args:
        config: of the network.
        weights: [any] floating, under the names of one publication or under ours. Those of
            torchvision's DeepLabV3 may lack the point head; answers then stay coarse.

    Raises:
        CheckpointError: the weights do not fit.
    """
    naming = recognise(weights)
    ours = translate(weights, naming)
    if naming.may_lack_point_head and not any(name.startswith("point_head.") for name in ours):
        config = replace(config, has_point_head=False)
    with checkpoint.unfilled():
        model = PointRend(config)
    checkpoint.load_strict(model, ours)
    return model
