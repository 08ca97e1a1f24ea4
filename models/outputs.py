"""What networks answer: frozen records of tensors, in the picture's own pixels."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import overload

import numpy as np
import numpy.typing as npt
import torch

from models import rle
from models.rle import Rle


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
    """Objects found in one picture, best score first.

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
