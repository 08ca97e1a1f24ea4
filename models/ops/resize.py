"""Resizing of pictures and masks to an explicit size, the way the publications did it."""

import torch.nn.functional as F
from torch import Tensor


def fit_size(image_size: tuple[int, int], min_size: int, max_size: int) -> tuple[int, int]:
    """Return the size whose shorter side is `min_size`, or whose longer side is `max_size`.

    The smaller of the two scales counts; sides are cut down to whole pixels, not rounded, so the
    shorter side sometimes ends one pixel below `min_size`.

    Args:
        image_size: (height, width), pixels.
        min_size: wanted shorter side, pixels.
        max_size: limit of the longer side, pixels.

    Source: torchvision GeneralizedRCNNTransform.resize; differs: none.
    """
    scale = min(min_size / min(image_size), max_size / max(image_size))
    return max(1, int(image_size[0] * scale)), max(1, int(image_size[1] * scale))


def resize_bilinear(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Return pictures resampled bilinearly, pixel centres at halves, never antialiased.

    Args:
        images: [b, c, h, w] floating.
        size: wanted (height, width), pixels.

    Returns:
        [b, c, size] of the same dtype.
    """
    return F.interpolate(images, size, mode="bilinear", align_corners=False)


def resize_nearest(masks: Tensor, size: tuple[int, int]) -> Tensor:
    """Return masks resampled by taking the source pixel at floor(index * old / new).

    Args:
        masks: [n, h, w] uint8 or bool.
        size: wanted (height, width), pixels.

    Returns:
        [n, size] uint8.
    """
    return F.interpolate(masks[None].byte(), size, mode="nearest")[0]
