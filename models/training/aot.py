"""How AOT learns and is judged."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.aot.config import AotConfig
from models.aot.loss import IGNORED, Clips, Schedule, losses, shuffle_identities
from models.aot.model import STRIDE, Aot
from models.aot.preprocess import preprocess
from models.ops.resize import resize_nearest
from models.predictor import VideoPredictor
from models.training.examples import Clip, clip_of
from models.training.video_metrics import follow_scores

_HALF = 0.5  # of the run: from there on the network is fed by itself, and the worst pixels count
_MAX_ASPECT = 2.0
_MISTAKEN = 0.15  # of the frames


@dataclass(frozen=True)
class Batch:
    """What one step trains on.

    Attributes:
        clips: of equal size.
        schedule: of the step.
    """

    clips: Clips
    schedule: Schedule


@dataclass(frozen=True)
class ClipBatcher:
    """Makes batches of clips of one size; see `AotRecipe`."""

    config: AotConfig
    sides: tuple[tuple[float, int], ...]

    def __call__(self, examples: Sequence[Clip], progress: float) -> Batch:
        """Cut out the middle of each clip and resize it; shape and identities are of the step."""
        side = [side for share, side in self.sides if progress >= share][-1]
        rng = np.random.default_rng(int(progress * 2**31))
        size = _draw_size(rng, side)
        clips = [_resize(clip, size) for clip in examples]
        config = replace(self.config, min_long_edge=0, max_long_edge=max(size))
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        return Batch(
            Clips(
                torch.stack([preprocess(images, config) for images, _ in clips], dim=1),
                torch.stack([torch.from_numpy(clip.owners) for _, clip in clips], dim=1),
                [clip.object_count for _, clip in clips],
                shuffle_identities(len(examples), self.config.group_objects + 1, generator),
                _draw_mistakes(
                    rng, len(clips[0][0]), [clip.object_count for _, clip in clips], size
                ),
            ),
            schedule(progress),
        )


@dataclass(frozen=True)
class AotRecipe:
    """AOT on frames of many shapes that grow while it learns: most is learnt on small ones.

    Attributes:
        config: the variant.
        sides: (share of the run, side in pixels of the square that frames are about as large as),
            rising shares; a side is used from its share on.
    """

    config: AotConfig
    sides: tuple[tuple[float, int], ...]

    def build(self) -> nn.Module:
        """Return the network in training mode; what is where speaks as loudly as what it is."""
        model = Aot(self.config)
        nn.init.normal_(model.patch_wise_id_bank.weight, std=1 / (STRIDE + 1))
        return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def batcher(self) -> ClipBatcher:
        """Return what makes batches."""
        return ClipBatcher(self.config, self.sides)

    def losses(self, model: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        """Return the losses of the drawn first frame and of those that follow it."""
        if not isinstance(model, Aot):
            raise TypeError(f"expected an Aot, got {type(model).__name__}")
        clips = batch.clips.to(next(model.parameters()).device)
        frames = losses(model, clips, batch.schedule).frames
        return {
            "reference": batch.schedule.reference_weight * frames[0].mean(),
            "followed": frames[1:].mean(),
        }


def schedule(progress: float) -> Schedule:
    """Return what the loss is like when a share of the run, in [0, 1), is done.

    Source: aot-benchmark: networks/managers/trainer.py, Trainer.sequential_training; differs: none.
    """
    return Schedule(
        reference_weight=1 - progress,
        bootstrap=min(progress / _HALF, 1.0),
        is_self_fed=progress >= _HALF,
    )


def evaluate(predictor: VideoPredictor, clips: Iterable[Clip]) -> dict[str, float]:
    """Return J, F and their mean of a predictor, in [0, 1], over all objects and frames."""
    scores = [
        score
        for clip in clips
        for score in follow_scores(follow(predictor, clip), clip.owners, clip.object_count)
    ]
    j, f = np.mean(scores, axis=0).tolist()
    return {"j_and_f": (j + f) / 2, "j": j, "f": f}


def follow(predictor: VideoPredictor, clip: Clip) -> np.ndarray:
    """Return [t, h, w] uint8: the object each pixel is taken for, 0 for none; the first is given.

    Args:
        predictor: that takes masks.
        clip: with the first frame's objects.
    """
    numbers = range(1, clip.object_count + 1)
    state, _ = predictor.start(
        clip.images[0], {number: clip.owners[0] == number for number in numbers}
    )
    found = [clip.owners[0]]
    for image in clip.images[1:]:
        (step,) = predictor.step([state], [image])
        state = step.state
        label_map = np.zeros_like(clip.owners[0])
        for number, mask in step.masks().items():
            label_map[mask] = number
        found.append(label_map)
    return np.stack(found)


def _draw_size(rng: np.random.Generator, side: int) -> tuple[int, int]:
    """A (height, width) about as large as the square, multiples of 16 plus 1."""
    stretch = _MAX_ASPECT ** (rng.uniform(-1, 1) / 2)
    height, width = (round(side * factor / STRIDE) for factor in (stretch, 1 / stretch))
    return height * STRIDE + 1, width * STRIDE + 1


def _draw_mistakes(
    rng: np.random.Generator, frames: int, object_counts: Sequence[int], size: tuple[int, int]
) -> Tensor:
    """For some frames a rectangle in which all objects are one and the same, or nothing."""
    mistakes = np.full((frames, len(object_counts), *size), IGNORED, dtype=np.uint8)
    for frame, clip in np.argwhere(rng.random(mistakes.shape[:2]) < _MISTAKEN):
        part = tuple(_draw_slice(rng, length) for length in size)
        mistakes[(frame, clip, *part)] = rng.integers(object_counts[clip] + 1)
    return torch.from_numpy(mistakes)


def _draw_slice(rng: np.random.Generator, length: int) -> slice:
    """A fifth to four of a side, anywhere."""
    part = round(length * rng.uniform(0.2, 0.8))
    start = int(rng.integers(length - part + 1))
    return slice(start, start + part)


def _resize(clip: Clip, size: tuple[int, int]) -> tuple[list[Tensor], Clip]:
    """The middle of a clip, resized: [h, w, 3] float32 each, and the clip without its images."""
    height, width = clip.owners.shape[1:]
    scale = min(height / size[0], width / size[1])
    rows, columns = (
        _middle(old, round(new * scale)) for old, new in zip((height, width), size, strict=True)
    )
    images = torch.from_numpy(clip.images[:, rows, columns]).permute(0, 3, 1, 2).float()
    resized = F.interpolate(images, size, mode="bicubic", align_corners=False)
    owners = resize_nearest(torch.from_numpy(clip.owners[:, rows, columns]), size)
    return [*resized.permute(0, 2, 3, 1)], clip_of(clip.images[:, :0, :0], owners.numpy())


def _middle(length: int, part: int) -> slice:
    start = (length - part) // 2
    return slice(start, start + part)
