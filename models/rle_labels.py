"""COCO run-length masks of all classes of a label map, in one pass over its pixels."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from models import rle
from models.rle import Rle


def encode_labels(label_map: npt.NDArray[np.integer], labels: Iterable[int]) -> list[Rle]:
    """Encode the mask of each label, as `rle.encode(label_map == label)` would.

    The map is cut into runs of one label once; no full-size mask is made.

    Args:
        label_map: [h, w] int, at least one pixel.
        labels: in any order; one that the map lacks gets an empty mask.

    Returns:
        One mask a label, in their order.
    """
    size = [int(side) for side in label_map.shape]
    flat = np.ascontiguousarray(label_map.T).ravel()
    borders = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts = np.concatenate(([0], borders))
    ends = np.append(borders, flat.size)
    run_labels = flat[starts]
    order = np.argsort(run_labels, kind="stable")
    wanted = np.array(list(labels), dtype=np.int64)
    first, last = (np.searchsorted(run_labels[order], wanted, side) for side in ("left", "right"))
    runs = [order[slice(*bounds)] for bounds in zip(first, last, strict=True)]
    return [rle.from_runs(starts[chosen], ends[chosen], size) for chosen in runs]
