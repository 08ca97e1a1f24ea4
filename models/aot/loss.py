"""AOT's training on clips: a drawn first frame, then frames that the network follows.

Sources: Yang et al. 2021, section 5 and appendix; aot-benchmark: networks/engines/aot_engine.py and
networks/layers/loss.py.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from models.aot.lstt import LsttOutput
from models.aot.model import Aot, FrameFeatures, one_hot
from models.aot.tokens import Memory, unstack

IGNORED = 255
_EPS = 1e-6


@dataclass(frozen=True)
class Clips:
    """What one step trains on.

    Attributes:
        images: [t, b, 3, h, w] float32, normalised; sides are multiples of 16 plus 1.
        labels: [t, b, h, w] uint8, 0 = background, 1 to the clip's object count, 255 = unknown.
        object_counts: of every clip.
        shuffles: [b, k, k] float32, for every clip which label is shown as which identity: one 1 in
            each row and column, the first where background stays background.
        mistakes: [t, b, h, w] uint8, labels that the short-term memory takes objects for, so that
            the long-term memory has something to put right; 255 = none. None: none at all.
    """

    images: Tensor
    labels: Tensor
    object_counts: Sequence[int]
    shuffles: Tensor
    mistakes: Tensor | None = None

    def to(self, device: torch.device) -> "Clips":
        """Return them on a device."""
        return replace(
            self,
            images=self.images.to(device),
            labels=self.labels.to(device),
            shuffles=self.shuffles.to(device),
            mistakes=None if self.mistakes is None else self.mistakes.to(device),
        )


@dataclass(frozen=True)
class Schedule:
    """What changes while the network learns.

    Attributes:
        reference_weight: of the first frame's loss.
        bootstrap: how far, in [0, 1], the loss has gone from all pixels to the worst.
        is_self_fed: memories hold what the network labelled, not the truth; identities then learn
            nothing.
    """

    reference_weight: float
    bootstrap: float
    is_self_fed: bool


@dataclass(frozen=True)
class ClipLosses:
    """Losses of a batch of clips.

    Attributes:
        frames: [t, b] float32, the drawn frame's first.
        total: [] float32, what is trained on.
    """

    frames: Tensor
    total: Tensor


def shuffle_identities(clips: int, identities: int, generator: torch.Generator) -> Tensor:
    """Return random `Clips.shuffles`, [b, k, k] float32.

    Args:
        clips: b.
        identities: k, background's included.
        generator: of the random numbers.
    """
    orders = [
        torch.cat([torch.zeros(1).long(), 1 + torch.randperm(identities - 1, generator=generator)])
        for _ in range(clips)
    ]
    return F.one_hot(torch.stack(orders), identities).float()


def losses(model: Aot, clips: Clips, schedule: Schedule) -> ClipLosses:
    """Return the losses of a batch.

    Args:
        model: in training mode.
        clips: of equal length and size.
        schedule: at this step.

    Source: aot-benchmark: networks/engines/aot_engine.py, AOTEngine.forward; differs: mistakes.
    """
    end = model.config.hard_share
    share = schedule.bootstrap * end + 1 - schedule.bootstrap
    frames = torch.stack(
        [
            _frame_losses(logits, labels, clips.object_counts, share)
            for logits, labels in zip(_follow(model, clips, schedule), clips.labels, strict=True)
        ]
    )
    total = schedule.reference_weight * frames[0].mean() + frames[1:].mean()
    return ClipLosses(frames, total)


def bootstrapped_cross_entropy(logits: Tensor, labels: Tensor, share: float) -> Tensor:
    """Return the mean cross-entropy of the worst pixels.

    Args:
        logits: [k, h, w] float32.
        labels: [h, w] uint8, below k; unknown pixels cost nothing, but count.
        share: of all pixels, in (0, 1].

    Returns:
        [] float32.

    Source: aot-benchmark: networks/layers/loss.py, CrossEntropyLoss; differs: none.
    """
    costs = F.cross_entropy(
        logits[None], labels[None].long(), ignore_index=IGNORED, reduction="none"
    )
    return costs.flatten().topk(int(share * costs.numel()), sorted=False).values.mean()


def soft_jaccard(logits: Tensor, labels: Tensor) -> Tensor:
    """Return one minus the overlap of probabilities and truth, mean of the labels that are there.

    Args:
        logits: [k, h, w] float32.
        labels: [h, w] uint8, below k; unknown pixels do not count.

    Returns:
        [] float32, in [0, 1]; 0 where all is unknown.

    Source: aot-benchmark: networks/layers/loss.py, SoftJaccordLoss; differs: none.
    """
    is_known = labels != IGNORED
    truth = torch.where(is_known, labels, 0).long().flatten()
    scores = (logits.softmax(0) * is_known).flatten(1)
    shared = scores.new_zeros(len(logits)).index_add(0, truth, scores.gather(0, truth[None])[0])
    areas = torch.bincount(truth, is_known.flatten(), minlength=len(logits)).to(scores.dtype)
    either = scores.sum(1) + areas - shared
    is_there = areas > 0
    return (1 - shared / (either + _EPS))[is_there].sum() / is_there.sum().clamp(min=1)


def _frame_losses(
    logits: Tensor, labels: Tensor, object_counts: Sequence[int], share: float
) -> Tensor:
    """Losses [b] of one frame of every clip."""
    costs = []
    for clip_logits, truth, count in zip(
        _upsample(logits, labels), labels, object_counts, strict=True
    ):
        used = clip_logits[: count + 1]
        costs.append(
            (bootstrapped_cross_entropy(used, truth, share) + soft_jaccard(used, truth)) / 2
        )
    return torch.stack(costs)


def _follow(model: Aot, clips: Clips, schedule: Schedule) -> Iterator[Tensor]:
    """Logits [b, k, h, w] of every frame, at stride 4."""
    features = _encode(model, clips.images)
    id_embedding = _embed(model, clips.labels[0], clips, schedule)
    output, long_term = model.LSTT.reference(features[0].embedding, id_embedding)
    yield _decode(model, output, features[0], clips)
    known, memory, age = clips.labels[0], long_term, 0
    for number, (frame, labels) in enumerate(zip(features[1:], clips.labels[1:], strict=True)):
        short_term = memory
        if clips.mistakes is not None:
            told = _mistake(known, clips.mistakes[number])
            id_embedding = _embed(model, told, clips, schedule)
            short_term = model.LSTT.remember(output.candidates, id_embedding)
        samples = [unstack(memory) for memory in long_term]
        output = model.LSTT.propagate(frame.embedding, samples, short_term)
        logits = _decode(model, output, frame, clips)
        yield logits
        known = _predict(logits, labels, clips.object_counts) if schedule.is_self_fed else labels
        id_embedding = _embed(model, known, clips, schedule)
        memory = model.LSTT.remember(output.candidates, id_embedding)
        age += 1
        if age >= model.config.long_term_gap_train:
            long_term, age = _join(memory, long_term), 0


def _mistake(labels: Tensor, mistakes: Tensor) -> Tensor:
    """Labels [b, h, w] with the mistakes made where they show an object."""
    is_object = (labels != 0) & (labels != IGNORED)
    return torch.where(is_object & (mistakes != IGNORED), mistakes, labels)


def _encode(model: Aot, images: Tensor) -> list[FrameFeatures]:
    """Features of all frames, encoded at once."""
    features = model.encode(images.flatten(0, 1))
    levels = [level.chunk(len(images)) for level in (*features.pyramid, features.embedding)]
    return [FrameFeatures(frame[:-1], frame[-1]) for frame in zip(*levels, strict=True)]


def _embed(model: Aot, labels: Tensor, clips: Clips, schedule: Schedule) -> Tensor:
    """Identity embedding [b, t, c] of labels [b, h, w]."""
    identities = one_hot(labels, clips.shuffles.shape[1]).to(clips.shuffles.dtype)
    shown = torch.einsum("bohw,boi->bihw", identities, clips.shuffles)
    id_embedding = model.embed_identities(shown)
    return id_embedding.detach() if schedule.is_self_fed else id_embedding


def _decode(model: Aot, output: LsttOutput, features: FrameFeatures, clips: Clips) -> Tensor:
    """Logits [b, k, h, w] of the labels, at stride 4."""
    logits = model.decode(output, features)
    return torch.einsum("bihw,boi->bohw", logits, clips.shuffles)


def _upsample(logits: Tensor, labels: Tensor) -> Tensor:
    """To the labels' height and width."""
    return F.interpolate(logits, labels.shape[1:], mode="bilinear", align_corners=True)


def _predict(logits: Tensor, labels: Tensor, object_counts: Sequence[int]) -> Tensor:
    """Labels [b, h, w] uint8 that the network would give."""
    channels = torch.arange(logits.shape[1], device=logits.device)
    counts = torch.tensor(object_counts, device=logits.device)
    is_unused = channels > counts[:, None]
    used = _upsample(logits, labels).masked_fill(is_unused[:, :, None, None], -torch.inf)
    return used.argmax(1).byte()


def _join(newer: Sequence[Memory], older: Sequence[Memory]) -> list[Memory]:
    """Memories of all layers, the newer frame's tokens first."""
    return [
        Memory(torch.cat([new.keys, old.keys], dim=1), torch.cat([new.values, old.values], dim=1))
        for new, old in zip(newer, older, strict=True)
    ]
