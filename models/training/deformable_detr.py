"""How Deformable DETR learns and is judged."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from models.deformable_detr.config import DeformableDetrConfig
from models.deformable_detr.loss import Objects, losses
from models.deformable_detr.model import DeformableDetr
from models.deformable_detr.preprocess import preprocess
from models.ops.boxes import xyxy_to_cxcywh
from models.ops.images import to_tensor
from models.predictor import ImagePredictor
from models.training.examples import Example
from models.training.metrics import Findings, average_precision, box_ious


@dataclass(frozen=True)
class Batch:
    """What one step trains on.

    Attributes:
        images: [b, 3, h, w] float32, normalised and padded.
        padding_mask: [b, h, w] bool, True = padding.
        objects: of each picture.
    """

    images: Tensor
    padding_mask: Tensor
    objects: list[Objects]


@dataclass(frozen=True)
class CanvasBatcher:
    """Makes batches on canvases; see `DeformableDetrRecipe`."""

    config: DeformableDetrConfig
    canvases: tuple[tuple[float, int], ...]

    def __call__(self, examples: Sequence[Example], progress: float) -> Batch:
        """Resize pictures so that the longer side is as long as the canvas of this progress."""
        side = [side for share, side in self.canvases if progress >= share][-1]
        config = replace(self.config, min_size=side, max_size=side)
        batch = preprocess([to_tensor(example.image) for example in examples], config)
        objects = [_objects(example) for example in examples]
        return Batch(batch.images, batch.padding_mask, objects)


@dataclass(frozen=True)
class DeformableDetrRecipe:
    """Deformable DETR on canvases that grow while it learns: most is learnt on small ones.

    Attributes:
        config: the variant.
        canvases: (share of the run, side in pixels), rising shares; a canvas is used from its share
            on.
    """

    config: DeformableDetrConfig
    canvases: tuple[tuple[float, int], ...]

    def build(self) -> nn.Module:
        """Return the network in training mode."""
        model = DeformableDetr(self.config)
        return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def batcher(self) -> CanvasBatcher:
        """Return what makes batches; resizing needs no names of categories."""
        return CanvasBatcher(replace(self.config, categories={}), self.canvases)

    def losses(self, model: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        """Return the losses of all layers, and of the proposals if there are any."""
        if not isinstance(model, DeformableDetr):
            raise TypeError(f"expected a DeformableDetr, got {type(model).__name__}")
        device = next(model.parameters()).device
        objects = [
            Objects(truth.labels.to(device), truth.boxes_cxcywh_norm.to(device))
            for truth in batch.objects
        ]
        return losses(model, batch.images.to(device), batch.padding_mask.to(device), objects)


def evaluate(predictor: ImagePredictor, examples: Iterable[Example]) -> dict[str, float]:
    """Return the box AP of a predictor, in [0, 1], over the examples."""
    findings = []
    for example in examples:
        (found,) = predictor.predict([example.image])
        overlap = box_ious(found.boxes_xyxy.numpy(), example.boxes_xyxy)
        scores = found.scores.double().numpy()
        findings.append(Findings(overlap, scores, found.labels.numpy(), example.labels))
    boxes = average_precision(findings)
    by_label = {
        f"box_ap_{predictor.categories[label].name}": value
        for label, value in boxes.by_label.items()
    }
    return {"box_ap": boxes.ap, "box_ap50": boxes.ap50, "box_ap75": boxes.ap75, **by_label}


def _objects(example: Example) -> Objects:
    """An example's objects, their boxes as shares of the picture."""
    height, width = example.image.shape[:2]
    sides = np.array([width, height, width, height], dtype=np.float32)
    boxes = torch.from_numpy(example.boxes_xyxy / sides)
    return Objects(torch.from_numpy(example.labels), xyxy_to_cxcywh(boxes))
