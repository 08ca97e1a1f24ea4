"""Resizing of pictures and masks in floats to an explicit size, the way the publications did it."""

import torch
import torch.nn.functional as F
from torch import Tensor


def fit_size(image_size: tuple[int, int], min_size: int, max_size: int) -> tuple[int, int]:
    """Return the size whose shorter side is `min_size`, or whose longer side is `max_size`.

    The smaller of the two scales counts; sides are cut down to whole pixels, not rounded, so the
    shorter side sometimes ends one pixel below `min_size`. No side falls below one pixel.

    Args:
        image_size: (height, width), pixels.
        min_size: wanted shorter side, pixels.
        max_size: limit of the longer side, pixels.

    Source: torchvision GeneralizedRCNNTransform.resize; differs: none.
    """
    scale = min(min_size / min(image_size), max_size / max(image_size))
    return max(1, int(image_size[0] * scale)), max(1, int(image_size[1] * scale))


def resize_bilinear(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Return a picture resampled bilinearly, pixel centres at halves, never antialiased.

    Only the pixels that count are turned into floats: the memory it takes grows with the result,
    not with the picture.

    Args:
        image: [h, w, c] uint8 or floating.
        size: wanted (height, width), pixels.

    Returns:
        [size, c] float32, in the picture's own range.
    """
    (top, bottom), down = bilinear_taps(image.shape[0], size[0], image.device)
    (left, right), across = bilinear_taps(image.shape[1], size[1], image.device)
    above, below = image.index_select(0, top), image.index_select(0, bottom)
    if size[1] < image.shape[1]:
        columns, places = torch.unique(torch.cat([left, right]), return_inverse=True)
        above, below = above.index_select(1, columns), below.index_select(1, columns)
        left, right = places.chunk(2)
    lines = torch.lerp(above.float(), below.float(), down[:, None, None])
    return torch.lerp(lines.index_select(1, left), lines.index_select(1, right), across[:, None])


def resize_nearest(masks: Tensor, size: tuple[int, int]) -> Tensor:
    """Return masks resampled by taking the source pixel at floor(index * old / new).

    Args:
        masks: [n, h, w] uint8 or bool.
        size: wanted (height, width), pixels.

    Returns:
        [n, size] uint8.
    """
    if not len(masks):
        return masks.new_zeros((0, *size), dtype=torch.uint8)
    return F.interpolate(masks[None].byte(), size, mode="nearest")[0]


def bilinear_taps(
    old_length: int, new_length: int, device: torch.device, part: slice = slice(None)
) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """One axis: the two source indices of each new one of a part, and the weight of the second."""
    centres = torch.arange(*part.indices(new_length), device=device, dtype=torch.float32) + 0.5
    positions = (centres * (old_length / new_length) - 0.5).clamp(min=0)
    low = positions.long().clamp(max=old_length - 1)
    return (low, (low + 1).clamp(max=old_length - 1)), positions - low
