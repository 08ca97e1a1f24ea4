"""How Mask R-CNN learns and is judged."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from models import checkpoint
from models.mask_rcnn.config import MaskRcnnConfig
from models.mask_rcnn.loss import Objects, losses
from models.mask_rcnn.model import MaskRcnn
from models.mask_rcnn.preprocess import preprocess
from models.mask_rcnn.published_names import to_new_name
from models.ops.resize import resize_nearest
from models.outputs import InstanceMasks
from models.predictor import ImagePredictor
from models.training.examples import Example
from models.training.metrics import Findings, average_precision, box_ious, mask_ious

_CLASS_LAYERS = ("roi_heads.box_predictor.", "roi_heads.mask_predictor.mask_fcn_logits.")
_FROZEN_WITH_START = ("backbone.body.conv1", "backbone.body.bn1", "backbone.body.layer1")


@dataclass(frozen=True)
class Batch:
    """What one step trains on.

    Attributes:
        images: [b, 3, h, w] float32, normalised and padded.
        image_sizes: [b, 2] float32, (height, width) of each picture in the input, unpadded.
        objects: of each picture, in the network's frame.
    """

    images: Tensor
    image_sizes: Tensor
    objects: list[Objects]


@dataclass(frozen=True)
class CanvasBatcher:
    """Makes batches on square canvases; see `MaskRcnnRecipe`."""

    config: MaskRcnnConfig
    canvases: tuple[tuple[float, int], ...]

    def __call__(self, examples: Sequence[Example], progress: float) -> Batch:
        """Resize pictures and masks so that the longer side fills the canvas of this progress."""
        side = [side for share, side in self.canvases if progress >= share][-1]
        return resized_batch(examples, replace(self.config, min_size=side, max_size=side))


@dataclass(frozen=True)
class MaskRcnnRecipe:
    """Mask R-CNN on square canvases that grow while it learns: most is learnt on small ones.

    Attributes:
        config: the variant.
        canvases: (share of the run, side in pixels, a multiple of 32), rising shares; a canvas is
            used from its share on.
        start: weights to start from by name, None for fresh ones. Published recipes then leave
            the trunk's stem and first stage as they are, and so does this one.
    """

    config: MaskRcnnConfig
    canvases: tuple[tuple[float, int], ...]
    start: Mapping[str, Tensor] | None = None

    def build(self) -> nn.Module:
        """Return the network in training mode."""
        model = MaskRcnn(self.config)
        if self.start is not None:
            # Copies: the averaged network is built from the same weights.
            checkpoint.load_strict(model, checkpoint.read(self.start))
            for name in _FROZEN_WITH_START:
                model.get_submodule(name).requires_grad_(requires_grad=False)
        return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def batcher(self) -> CanvasBatcher:
        """Return what makes batches; resizing needs no names of categories."""
        return CanvasBatcher(replace(self.config, categories={}), self.canvases)

    def losses(self, model: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        """Return the five losses."""
        if not isinstance(model, MaskRcnn):
            raise TypeError(f"expected a MaskRcnn, got {type(model).__name__}")
        device = next(model.parameters()).device
        objects = [
            Objects(*(part.to(device) for part in (truth.boxes_xyxy, truth.labels, truth.masks)))
            for truth in batch.objects
        ]
        return losses(model, batch.images.to(device), batch.image_sizes.to(device), objects)


def resized_batch(examples: Sequence[Example], config: MaskRcnnConfig) -> Batch:
    """Return the examples in the network's frame, as the config's input rule has it."""
    network_input = preprocess(
        [torch.from_numpy(np.array(example.image)) for example in examples], config
    )
    sizes = network_input.image_sizes.int().tolist()
    objects = [
        _resized(example, (height, width))
        for example, (height, width) in zip(examples, sizes, strict=True)
    ]
    return Batch(network_input.images, network_input.image_sizes, objects)


def fitting_weights(
    weights: Mapping[str, Tensor], config: MaskRcnnConfig, *, is_same_world: bool
) -> dict[str, Tensor]:
    """Return weights to start from.

    Args:
        weights: [any] floating, under the published names, old or new.
        config: of the network that starts from them.
        is_same_world: the categories are those that the weights know; for others, the layers that
            name a class start from nothing.
    """
    renamed = {to_new_name(name): tensor for name, tensor in weights.items()}
    if is_same_world:
        return renamed
    kept = {name: value for name, value in renamed.items() if not name.startswith(_CLASS_LAYERS)}
    fresh = MaskRcnn(config).state_dict()
    return kept | {name: fresh[name] for name in fresh if name.startswith(_CLASS_LAYERS)}


def evaluate(predictor: ImagePredictor, examples: Iterable[Example]) -> dict[str, float]:
    """Return mask and box AP of a predictor, in [0, 1], over the examples."""
    mask_findings, box_findings = [], []
    for example in examples:
        (found,) = predictor.predict([example.image])
        overlap = mask_ious(found.masks(), example.masks)
        mask_findings.append(_findings(found, example, overlap))
        overlap = box_ious(found.boxes_xyxy.numpy(), example.boxes_xyxy)
        box_findings.append(_findings(found, example, overlap))
    masks, boxes = average_precision(mask_findings), average_precision(box_findings)
    by_label = {
        f"mask_ap_{predictor.categories[label].name}": value
        for label, value in masks.by_label.items()
    }
    return {
        "mask_ap": masks.ap,
        "mask_ap50": masks.ap50,
        "mask_ap75": masks.ap75,
        "box_ap": boxes.ap,
        "box_ap50": boxes.ap50,
        "box_ap75": boxes.ap75,
        **by_label,
    }


def _findings(found: InstanceMasks, example: Example, ious: np.ndarray) -> Findings:
    scores = found.scores.double().numpy()
    return Findings(ious, scores, found.labels.numpy(), example.labels)


def _resized(example: Example, size: tuple[int, int]) -> Objects:
    """An example's objects on a picture of another size."""
    masks = torch.from_numpy(example.masks)
    ratios = torch.tensor(size) / torch.tensor(masks.shape[1:])
    boxes = torch.from_numpy(example.boxes_xyxy) * ratios.flip(0).repeat(2)
    return Objects(boxes, torch.from_numpy(example.labels), resize_nearest(masks, size))
