"""How well objects are followed, as DAVIS has it: region similarity J and boundary accuracy F."""

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

Mask = npt.NDArray[np.bool_]

_TOLERANCE = 0.008  # of the frame's diagonal


def region_similarity(found: Mask, true: Mask) -> float:
    """Return J, intersection over union, in [0, 1]; 1 if both masks are empty.

    Args:
        found: [h, w] bool.
        true: [h, w] bool.

    Source: Perazzi et al. 2016, section 5.1; davis2017-evaluation: metrics.py, db_eval_iou;
        differs: none.
    """
    union = np.count_nonzero(found | true)
    return np.count_nonzero(found & true) / union if union else 1.0


def boundary_accuracy(found: Mask, true: Mask) -> float:
    """Return F, the harmonic mean of the boundaries' precision and recall, in [0, 1].

    A pixel of one boundary is right if the other has one within 0.8 % of the frame's diagonal.

    Args:
        found: [h, w] bool.
        true: [h, w] bool.

    Source: Perazzi et al. 2016, section 5.1; davis2017-evaluation: metrics.py, f_measure; differs:
        none.
    """
    ours, theirs = boundary(found), boundary(true)
    if not ours.any() or not theirs.any():
        return float(ours.any() == theirs.any())
    reach = math.ceil(_TOLERANCE * math.hypot(*true.shape))
    precision = _dilate(theirs, reach)[ours].mean()
    recall = _dilate(ours, reach)[theirs].mean()
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


def boundary(mask: Mask) -> Mask:
    """Return [h, w] bool: the pixels that differ from the next one to the right, below or both.

    Args:
        mask: [h, w] bool.
    """
    padded = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    right, below, across = padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
    edges: Mask = (mask ^ right) | (mask ^ below) | (mask ^ across)
    return edges


def follow_scores(
    found: npt.NDArray[np.uint8], owners: npt.NDArray[np.uint8], object_count: int
) -> Iterator[tuple[float, float]]:
    """Yield (J, F) of every object on every frame of a clip but the first and the last.

    The first is given, the last has never counted.

    Args:
        found: [t, h, w] uint8, the object that each pixel was taken for, 0 for none.
        owners: [t, h, w] uint8, the one it shows.
        object_count: objects are 1 to this.

    Source: davis2017-evaluation: evaluation.py, evaluate; differs: none.
    """
    for ours, theirs in zip(found[1:-1], owners[1:-1], strict=True):
        for number in range(1, object_count + 1):
            masks = ours == number, theirs == number
            yield region_similarity(*masks), boundary_accuracy(*masks)


def _dilate(mask: Mask, reach: int) -> Mask:
    """The pixels within `reach` of the mask's, by straight distance."""
    steps = torch.arange(-reach, reach + 1)
    disk = (steps[:, None] ** 2 + steps**2 <= reach**2).float()
    near = F.conv2d(torch.from_numpy(mask).float()[None, None], disk[None, None], padding=reach)
    grown: Mask = (near[0, 0] > 0.5).numpy()
    return grown
