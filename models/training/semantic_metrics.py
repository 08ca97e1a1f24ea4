"""Mean intersection over union of label maps, everywhere and along borders."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

LabelMap = npt.NDArray[np.integer]
Counts = npt.NDArray[np.int64]


def border_band(label_map: LabelMap, reach: int) -> npt.NDArray[np.bool_]:
    """Return where another label is near.

    Args:
        label_map: [h, w] int.
        reach: pixels, along rows and columns, up to which a label is near.

    Returns:
        [h, w] bool.

    Source: Kohli et al. 2009, section 5 (the trimap around borders); differs: square, not round.
    """
    labels = torch.from_numpy(label_map.astype(np.float32))[None]
    highest, lowest = (_highest_near(sign * labels, reach) for sign in (1, -1))
    return (highest != -lowest)[0].numpy()


def _highest_near(labels: torch.Tensor, reach: int) -> torch.Tensor:
    """[1, h, w]: maxima over squares, one axis after the other."""
    size = 2 * reach + 1
    rows = F.max_pool2d(labels, (size, 1), stride=1, padding=(reach, 0))
    return F.max_pool2d(rows, (1, size), stride=1, padding=(0, reach))


@dataclass
class Confusion:
    """How often which label was found where another is; grows with each picture.

    Attributes:
        class_count: labels are 0 to class_count - 1.
        pixels: [k, k] int64, of each true label (rows) and found label (columns).
    """

    class_count: int
    pixels: Counts = field(init=False)

    def __post_init__(self) -> None:
        """Begin with no pixel."""
        self.pixels = np.zeros((self.class_count, self.class_count), dtype=np.int64)

    def add(self, found: LabelMap, true: LabelMap) -> None:
        """Count pixels.

        Args:
            found: [...] int.
            true: [...] int, of the same shape.
        """
        pairs = true.astype(np.int64).ravel() * self.class_count + found.astype(np.int64).ravel()
        self.pixels += np.bincount(pairs, minlength=self.class_count**2).reshape(self.pixels.shape)

    def ious(self) -> npt.NDArray[np.float64]:
        """Return [k] float64, in [0, 1]: intersection over union; nan for labels never met."""
        common = self.pixels.diagonal()
        union = self.pixels.sum(axis=0) + self.pixels.sum(axis=1) - common
        return np.where(union, common / np.maximum(union, 1), np.nan)

    def mean_iou(self) -> float:
        """Return the mean over the labels that were met; -1 if none was."""
        return float(np.nanmean(self.ious())) if self.pixels.any() else -1.0
