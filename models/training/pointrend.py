"""How PointRend learns and is judged."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from models.ops.images import to_tensor
from models.pointrend.config import PointRendConfig
from models.pointrend.loss import losses
from models.pointrend.model import PointRend
from models.pointrend.preprocess import preprocess
from models.predictor import ImagePredictor
from models.training.examples import Example
from models.training.semantic_metrics import Confusion, border_band

BAND = 3  # pixels to both sides of a border


@dataclass(frozen=True)
class Batch:
    """What one step trains on.

    Attributes:
        images: [b, 3, h, w] float32, normalised.
        labels: [b, h, w] int64, channels of the logits.
    """

    images: Tensor
    labels: Tensor


@dataclass(frozen=True)
class SquareBatcher:
    """Makes batches of square pictures; see `PointRendRecipe`."""

    config: PointRendConfig
    sides: tuple[tuple[float, int], ...]

    def __call__(self, examples: Sequence[Example], progress: float) -> Batch:
        """Cut the middle square out of each picture and resize it to the side of this progress."""
        side = [side for share, side in self.sides if progress >= share][-1]
        config = replace(self.config, min_size=side, max_size=side)
        images = [to_tensor(_middle_square(example.image)) for example in examples]
        labels = [_resized(_middle_square(label_map(example)), side) for example in examples]
        return Batch(preprocess(images, config).images, torch.from_numpy(np.stack(labels)))


@dataclass(frozen=True)
class PointRendRecipe:
    """PointRend on squares that grow while it learns: most is learnt on small ones.

    Attributes:
        config: the variant.
        sides: (share of the run, side in pixels), rising shares; a side is used from its share on.
    """

    config: PointRendConfig
    sides: tuple[tuple[float, int], ...]

    def build(self) -> nn.Module:
        """Return the network in training mode."""
        model = PointRend(self.config)
        return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def batcher(self) -> SquareBatcher:
        """Return what makes batches."""
        config = replace(self.config, categories=dict(self.config.categories))
        return SquareBatcher(config, self.sides)

    def losses(self, model: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        """Return the losses of the coarse logits and of the points."""
        if not isinstance(model, PointRend):
            raise TypeError(f"expected a PointRend, got {type(model).__name__}")
        device = next(model.parameters()).device
        return losses(model, batch.images.to(device), batch.labels.to(device))


def label_map(example: Example) -> npt.NDArray[np.int64]:
    """Return [h, w] int64: the label of the last object on a pixel, 0 where there is none."""
    labels = np.zeros(example.image.shape[:2], dtype=np.int64)
    for label, mask in zip(example.labels, example.masks, strict=True):
        labels[mask] = label
    return labels


def evaluate(predictor: ImagePredictor, examples: Iterable[Example]) -> dict[str, float]:
    """Return the mean IoU of a predictor, in [0, 1]: everywhere, near borders, with what for which.

    Names beginning with `coarse` belong to the coarse head's answer, enlarged.
    """
    class_count = max(predictor.categories) + 1
    everywhere, near = (
        {refine: Confusion(class_count) for refine in (True, False)} for _ in range(2)
    )
    for example in examples:
        true = label_map(example)
        band = border_band(true, BAND)
        for refine in (True, False):
            (found,) = predictor.predict([example.image], refine=refine)
            labels = found.label_map.numpy()
            everywhere[refine].add(labels, true)
            near[refine].add(labels[band], true[band])
    by_label = {
        f"iou_{category.name}": float(everywhere[True].ious()[label])
        for label, category in predictor.categories.items()
    }
    return {
        "miou": everywhere[True].mean_iou(),
        f"border_{BAND}px_miou": near[True].mean_iou(),
        "coarse_miou": everywhere[False].mean_iou(),
        f"coarse_border_{BAND}px_miou": near[False].mean_iou(),
        **by_label,
    }


def _middle_square(picture: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return np.ascontiguousarray(picture[top : top + side, left : left + side])


def _resized(labels: npt.NDArray[np.generic], side: int) -> npt.NDArray[np.generic]:
    """The label at the middle of each new pixel: where a resized picture has its pixels too."""
    middles = ((np.arange(side) + 0.5) * len(labels) / side).astype(np.int64)
    return labels[middles[:, None], middles]
