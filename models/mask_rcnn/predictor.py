"""Pictures in, instances out: preprocess, network, postprocess."""

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from models import checkpoint
from models.layers import inference
from models.mask_rcnn import box_prompts
from models.mask_rcnn.config import MaskRcnnConfig
from models.mask_rcnn.model import MaskRcnn
from models.mask_rcnn.postprocess import Selection, detect, to_instances
from models.mask_rcnn.preprocess import input_shape, preprocess
from models.mask_rcnn.published_names import to_new_name
from models.ops.images import to_tensor
from models.outputs import InstanceMasks
from models.predictor import BoxPrompts, Category


class MaskRcnnPredictor:
    """A Mask R-CNN on its device; see `models.predictor.BoxSegmenter`.

    Args:
        model: ready for inference; its parameters' device and dtype are where and in what it runs.
            Boxes, scores and their arithmetic are float32 whatever the dtype.
    """

    def __init__(self, model: MaskRcnn) -> None:
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

    def predict(
        self,
        images: Sequence[np.ndarray],
        *,
        score_threshold: float | None = None,
        max_detections: int | None = None,
        labels: Collection[int] | None = None,
    ) -> list[InstanceMasks]:
        """Return the instances of each picture, in order.

        Pictures of one input shape run as one batch and others by themselves, so that none sees
        more padding than it would alone.

        Args:
            images: each [h, w, 3] uint8, RGB.
            score_threshold: scores must be above it; None: the config's 0.05.
            max_detections: at most so many a picture; None: the config's 100.
            labels: only these; None: those with a category. A COCO network has outputs for ids
                without one, too, which were never trained.

        Raises:
            ValueError: an image of another shape or dtype, or without pixels.
        """
        config = self._config
        selection = Selection(
            config.box_score_thresh if score_threshold is None else score_threshold,
            config.box_detections_per_img if max_detections is None else max_detections,
            config.categories if labels is None else labels,
        )
        return inference.run_in_buckets(
            images, self.input_shape, lambda bucket: self._run(bucket, selection)
        )

    def segment_boxes(
        self,
        images: Sequence[np.ndarray],
        prompts: Sequence[BoxPrompts],
        *,
        labels: Collection[int] | None = None,
    ) -> list[InstanceMasks]:
        """Return one instance a box of each picture, in the order of the boxes.

        The second stage runs on the boxes as they are: box head and mask head, no proposals, no
        correction of the box, no suppression. Pictures run in batches as in `predict`.

        Args:
            images: each [h, w, 3] uint8, RGB.
            prompts: one record a picture.
            labels: where a box comes without a label, it is the likeliest of these; None: of all.

        Raises:
            ValueError: an image of another shape or dtype, or without pixels; something else than
                boxes of some area; unknown labels, or not one for each box or picture.
        """
        choices = set(self.categories) if labels is None else set(self.categories) & {*labels}
        if not choices:
            raise ValueError("labels: none of them has a category")
        for one in prompts:
            box_prompts.check(one, self.categories)
        return inference.in_buckets(
            list(zip(map(to_tensor, images), prompts, strict=True)),
            lambda asked: self.input_shape((asked[0].shape[0], asked[0].shape[1])),
            lambda bucket: self._run_boxes(bucket, choices),
        )

    def _run(self, tensors: list[Tensor], selection: Selection) -> list[InstanceMasks]:
        """Instances of pictures of one input shape, in tensors that may be changed."""
        batch = preprocess([tensor.to(self._device) for tensor in tensors], self._config)
        with torch.inference_mode():
            outputs = self._model(batch.images.to(self._dtype), batch.image_sizes)
            detections = detect(outputs, batch.image_sizes, selection, self._config)
            mask_scores = self._model.mask_scores(
                outputs.features,
                [found.boxes_xyxy for found in detections],
                torch.cat([found.labels for found in detections]),
            )
        return to_instances(detections, mask_scores, batch.image_sizes, batch.original_sizes)

    def _run_boxes(
        self, asked: list[tuple[Tensor, BoxPrompts]], choices: Collection[int]
    ) -> list[InstanceMasks]:
        """Instances of the boxes of pictures of one input shape."""
        batch = preprocess([tensor.to(self._device) for tensor, _ in asked], self._config)
        prompts = [one for _, one in asked]
        boxes_xyxy = box_prompts.to_input(prompts, batch)
        with torch.inference_mode():
            features = self._model.backbone(batch.images.to(self._dtype))
            class_logits, _ = self._model.roi_heads.box_branch(features, boxes_xyxy)
            found = box_prompts.judge(prompts, boxes_xyxy, class_logits, choices)
            labels = torch.cat([one.labels for one in found])
            mask_scores = self._model.mask_scores(features, boxes_xyxy, labels)
        return to_instances(found, mask_scores, batch.image_sizes, batch.original_sizes)


def load_network(config: MaskRcnnConfig, weights: Mapping[str, Tensor]) -> MaskRcnn:
    """Return the network with the given weights, as trained.

    Args:
        config: of the network.
        weights: [any] floating, under the published names, old or new.

    Raises:
        CheckpointError: the weights do not fit.
    """
    with checkpoint.unfilled():
        model = MaskRcnn(config)
    checkpoint.load_strict(model, weights, to_new_name)
    return model
