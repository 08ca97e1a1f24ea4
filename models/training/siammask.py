"""How SiamMask learns and is judged."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from models.ops.boxes import iou_matrix
from models.predictor import VideoPredictor
from models.siammask.config import SiamMaskConfig
from models.siammask.loss import Pairs, losses
from models.siammask.model import SiamMask
from models.siammask.preprocess import (
    Box,
    Colour,
    border_colour,
    centre_and_size,
    context_side,
    crop,
    to_input,
)
from models.training.examples import Clip
from models.training.scenes import tight_boxes
from models.training.video_metrics import region_similarity

_MIN_PIXELS = 40  # of an object that is shown or looked for
_OTHERS = 0.2  # share of pairs whose search shows another object
_MASK_CELLS = 4  # of a pair
_SUCCESS = 0.5  # overlap of boxes (Wu et al. 2013)


@dataclass(frozen=True)
class PairBatcher:
    """Makes batches of pairs; see `SiamMaskRecipe`."""

    config: SiamMaskConfig
    sides: tuple[tuple[float, int], ...]
    pairs_per_clip: int

    def __call__(self, examples: Sequence[Clip], progress: float) -> Pairs:
        """Cut templates out of the clips' first frames and searches out of their last.

        A clip whose objects are all outside of the frame at first has no template to give.
        """
        side = [side for share, side in self.sides if progress >= share][-1]
        rng = np.random.default_rng(int(progress * 2**31))
        templates, searches, is_other = [], [], []
        for clip in (clip for clip in examples if clip.object_count):
            for _ in range(self.pairs_per_clip):
                target, sought = _choose(clip, rng)
                is_other.append(target != sought)
                templates.append(self._cut(_View.of(clip, 0, target), self._template(), rng))
                searches.append(self._cut(_View.of(clip, -1, sought), self._search(side), rng))
        masks = torch.stack([search[:, :, 3] > 127 for search in searches])
        is_seen = masks.flatten(1).any(1)
        boxes_xyxy = torch.zeros(len(masks), 4)
        boxes_xyxy[is_seen] = torch.from_numpy(tight_boxes(masks[is_seen].numpy()))
        like = torch.zeros(())
        return Pairs(
            to_input([template[:, :, :3] for template in templates], like),
            to_input([search[:, :, :3] for search in searches], like),
            boxes_xyxy,
            masks,
            torch.tensor(is_other) | ~is_seen,
        )

    def _cut(self, view: "_View", square: "_Square", rng: np.random.Generator) -> Tensor:
        """The square around an object, somewhat beside it and somewhat too large or small."""
        position, size = centre_and_size(view.box_xyxy)
        swell = math.exp(rng.uniform(-square.swell, square.swell))
        context = context_side((size[0] * swell, size[1] * swell), self.config)
        pixel = context / self.config.template_size
        x, y = (place + pixel * rng.uniform(-square.shift, square.shift) for place in position)
        return crop(
            view.image, (x, y), (max(2, round(pixel * square.side)), square.side), view.border
        )

    def _template(self) -> "_Square":
        return _Square(self.config.template_size, 4.0, 0.05)

    def _search(self, side: int) -> "_Square":
        return _Square(side, (side - self.config.template_size) / 2, 0.18)


@dataclass(frozen=True)
class _Square:
    """What is cut out for the network, and how inexactly.

    Attributes:
        side: pixels.
        shift: from the object's centre at most, pixels of the square.
        swell: of the object's size at most, natural logarithm.

    Source: SiamMask: experiments/siammask_base/config.json; differs: shifts of smaller searches are
        smaller.
    """

    side: int
    shift: float
    swell: float


@dataclass(frozen=True)
class _View:
    """An object on a frame.

    Attributes:
        image: [h, w, 4] uint8, the last channel is 255 on the object.
        border: what lies outside.
        box_xyxy: around the object, or around where it was first seen.
    """

    image: Tensor
    border: Colour
    box_xyxy: Box

    @classmethod
    def of(cls, clip: Clip, frame: int, number: int) -> "_View":
        """An object on a frame of a clip."""
        mask = clip.owners[frame] == number
        shown = mask if mask.any() else clip.owners[0] == number
        image = torch.from_numpy(np.dstack([clip.images[frame], np.uint8(255) * mask]))
        border = border_colour(torch.from_numpy(clip.images[0]))
        left, top, right, bottom = tight_boxes(shown[None])[0].tolist()
        return cls(image, (*border, 0), (left, top, right, bottom))


@dataclass(frozen=True)
class SiamMaskRecipe:
    """SiamMask on pairs from one clip, at first on small searches: in one stage, masks included.

    Attributes:
        config: the variant.
        sides: (share of the run, side of the search in pixels), rising shares; a side is used from
            its share on. Sides are multiples of 8 less 1.
        pairs_per_clip: targets of each clip.
    """

    config: SiamMaskConfig
    sides: tuple[tuple[float, int], ...]
    pairs_per_clip: int = 2

    def build(self) -> nn.Module:
        """Return the network in training mode."""
        model = SiamMask(self.config)
        return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def batcher(self) -> PairBatcher:
        """Return what makes batches."""
        return PairBatcher(self.config, self.sides, self.pairs_per_clip)

    def losses(self, model: nn.Module, batch: Pairs) -> Mapping[str, Tensor]:
        """Return the losses of class scores, boxes and masks."""
        if not isinstance(model, SiamMask):
            raise TypeError(f"expected a SiamMask, got {type(model).__name__}")
        device = next(model.parameters()).device
        pairs = replace(
            batch, templates=batch.templates.to(device), searches=batch.searches.to(device)
        )
        return losses(model, pairs, torch.default_generator, _MASK_CELLS)


def evaluate(predictor: VideoPredictor, clips: Iterable[Clip]) -> dict[str, float]:
    """Return how well objects told by their first boxes are followed, where they are seen.

    The means are over all objects and frames but the first. Names: `mean_iou` of masks, `success`,
    the share of boxes that overlap the true one by more than half, `found`, the share of seen
    objects that are reported as visible.
    """
    scores = [score for clip in clips for score in _follow(predictor, clip)]
    mean_iou, success, found = np.mean(scores, axis=0).tolist()
    return {"mean_iou": mean_iou, "success": success, "found": found}


def _follow(predictor: VideoPredictor, clip: Clip) -> Iterator[tuple[float, bool, bool]]:
    """Overlap of masks, success and visibility of each seen object on each later frame."""
    numbers = range(1, clip.object_count + 1)
    boxes_xyxy = tight_boxes(np.stack([clip.owners[0] == number for number in numbers]))
    state, _ = predictor.start(clip.images[0], dict(zip(numbers, boxes_xyxy, strict=True)))
    for image, owners in zip(clip.images[1:], clip.owners[1:], strict=True):
        (step,) = predictor.step([state], [image])
        state, masks = step.state, step.masks()
        for tracked in step.objects:
            true = owners == tracked.id
            if true.any():
                box_xyxy = torch.tensor([tracked.box_xyxy])
                overlap = iou_matrix(box_xyxy, torch.from_numpy(tight_boxes(true[None])))
                is_success = overlap.item() > _SUCCESS
                yield region_similarity(masks[tracked.id], true), is_success, tracked.is_visible


def _choose(clip: Clip, rng: np.random.Generator) -> tuple[int, int]:
    """The object of the template and that of the search; the same but for some pairs."""
    first, last = (np.bincount(clip.owners[frame].ravel(), minlength=256) for frame in (0, -1))
    numbers = np.arange(1, clip.object_count + 1)
    shown = numbers[first[numbers] >= _MIN_PIXELS]
    target = int(rng.choice(shown if len(shown) else numbers))
    others = [int(number) for number in numbers if last[number] >= _MIN_PIXELS and number != target]
    if others and (rng.random() < _OTHERS or last[target] < _MIN_PIXELS):
        return target, int(rng.choice(others))
    return target, target
