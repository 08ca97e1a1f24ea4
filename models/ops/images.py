"""Pictures as callers hand them over."""

import numpy as np
import torch
from torch import Tensor


def to_tensor(image: np.ndarray) -> Tensor:
    """Return a picture as a tensor, a copy only where torch cannot share the memory.

    Args:
        image: [h, w, 3] uint8.

    Returns:
        [h, w, 3] uint8.

    Raises:
        ValueError: another shape or dtype, or no pixels.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(f"[h, w, 3] uint8 expected, got {list(image.shape)} {image.dtype}")
    return torch.from_numpy(np.require(image, requirements=["C", "W"]))
