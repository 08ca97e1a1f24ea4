"""What networks answer: frozen records of tensors, in the picture's own pixels."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol, overload

import numpy as np
import numpy.typing as npt
import torch

from models import rle
from models.rle import Rle
from models.rle_labels import encode_labels


class Masks(Sequence[Rle]):
    """The masks of one picture's objects as COCO RLE, encoded on first use.

    Indexing gives RLE; calling it decodes them all: `masks()` is [n, h, w] bool. Encoding is put
    off so that the thread that runs the network need not wait for it.

    Args:
        count: number of masks.
        image_size: (height, width) of the picture.
        encode: makes the `count` RLEs, in order; called once at most.
    """

    def __init__(
        self, count: int, image_size: tuple[int, int], encode: Callable[[], list[Rle]]
    ) -> None:
        self._count = count
        self.image_size = image_size
        self._encode = encode

    @cached_property
    def _rles(self) -> list[Rle]:
        return self._encode()

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Rle: ...
    @overload
    def __getitem__(self, index: slice) -> list[Rle]: ...
    def __getitem__(self, index: int | slice) -> Rle | list[Rle]:
        return self._rles[index]

    def __iter__(self) -> Iterator[Rle]:
        return iter(self._rles)

    def __call__(self) -> npt.NDArray[np.bool_]:
        """Decode: [n, h, w] bool, True on the object."""
        if not self._count:
            return np.zeros((0, *self.image_size), dtype=bool)
        return np.stack([rle.decode(mask) for mask in self._rles])


@dataclass(frozen=True)
class InstanceMasks:
    """Objects of one picture: best score first, or in the order of the boxes that were given.

    Attributes:
        boxes_xyxy: [n, 4] float32, pixels of the picture.
        labels: [n] int64, keys of the predictor's `categories`.
        scores: [n] float32, in [0, 1].
        masks: n masks of the picture's size; `masks[i]` is COCO RLE, `masks()` [n, h, w] bool.
    """

    boxes_xyxy: torch.Tensor
    labels: torch.Tensor
    scores: torch.Tensor
    masks: Masks


@dataclass(frozen=True)
class Detections:
    """Boxes of objects found in one picture, best score first.

    Attributes:
        boxes_xyxy: [n, 4] float32, pixels of the picture; they may reach beyond it.
        labels: [n] int64, keys of the predictor's `categories`.
        scores: [n] float32, in [0, 1].
    """

    boxes_xyxy: torch.Tensor
    labels: torch.Tensor
    scores: torch.Tensor


@dataclass(frozen=True)
class SemanticMap:
    """One label for every pixel of a picture.

    Attributes:
        label_map: [h, w] uint8 on the CPU, keys of the predictor's `categories`.
        is_refined: borders were refined; false if that was not wanted, or if the weights cannot.
    """

    label_map: torch.Tensor
    is_refined: bool

    @cached_property
    def labels(self) -> torch.Tensor:
        """[n] int64, rising: the labels that some pixel has."""
        return torch.bincount(self.label_map.flatten()).nonzero()[:, 0]

    @cached_property
    def masks(self) -> Masks:
        """One mask a label of `labels`; every pixel is in exactly one."""
        height, width = self.label_map.shape
        labels = self.labels.tolist()
        return Masks(
            len(labels), (height, width), lambda: encode_labels(self.label_map.numpy(), labels)
        )


class TrackState(Protocol):
    """What a session knows at one frame: a value, never changed, only followed by another."""

    @property
    def frame(self) -> npt.NDArray[np.uint8]:
        """[h, w, 3] uint8, RGB: the frame it stands at."""
        ...

    @property
    def object_ids(self) -> tuple[int, ...]:
        """The objects that a step reports, in its order."""
        ...

    @property
    def nbytes(self) -> int:
        """Memory that it keeps alive, in bytes."""
        ...

    def dump(self) -> dict[str, torch.Tensor]:
        """Return all of it as [any] tensors of any dtype, on the CPU, by name."""
        ...


@dataclass(frozen=True)
class TrackedObject:
    """One object on one frame.

    Attributes:
        id: the caller's.
        box_xyxy: pixels of the frame; zeros for what a family that goes by masks does not see.
        score: how sure that is, in [0, 1].
        is_visible: false where it is hidden or lost.
        rotated_box: the (x, y) of four corners, one after the other, where the family has them.
        encode_mask: makes the mask; may be called from another thread.
    """

    id: int
    box_xyxy: tuple[float, float, float, float]
    score: float
    is_visible: bool
    rotated_box: tuple[tuple[float, float], ...] | None
    encode_mask: Callable[[], Rle] = field(repr=False)

    @cached_property
    def mask(self) -> Rle:
        """The mask of the frame's size, encoded on first use."""
        return self.encode_mask()


@dataclass(frozen=True)
class TrackStep:
    """What became of a session's objects on one frame.

    Attributes:
        objects: one record an object, in the order in which they came.
        state: the session after this frame; the next step starts from it.
    """

    objects: tuple[TrackedObject, ...]
    state: TrackState = field(repr=False)

    def masks(self) -> dict[int, npt.NDArray[np.bool_]]:
        """Decode: id -> [h, w] bool, True on the object."""
        return {tracked.id: rle.decode(tracked.mask) for tracked in self.objects}
