"""Resizing of pictures and masks in floats to an explicit size, the way the publications did it."""

import torch
import torch.nn.functional as F
from torch import Tensor

_BAND_VALUES = 1 << 17  # of the rows between bytes and result, half a megabyte (measured)


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

    Band by band: on the way from the picture's bytes to the result there are floats of a few rows
    only, which stay in a CPU's cache however large the picture is.

    Args:
        image: [h, w, c] uint8 or floating.
        size: wanted (height, width), pixels.

    Returns:
        [size, c] float32, in the picture's own range.
    """
    (above, below), share = bilinear_taps(image.shape[0], size[0], image.device)
    resized = torch.empty(*size, image.shape[2], device=image.device)
    is_cached = image.device.type == "cpu"
    rows = max(1, _BAND_VALUES // image[0].numel()) if is_cached else size[0]
    parts = (torch.split(part, rows) for part in (resized, above, below, share[:, None, None]))
    for band, *taps, shares in zip(*parts, strict=True):
        upper, lower = (image.index_select(0, tap).float() for tap in taps)
        lines = upper.lerp_(lower, shares).permute(2, 0, 1)[None]
        widened = F.interpolate(lines, band.shape[:2], mode="bilinear", align_corners=False)
        band.copy_(widened[0].permute(1, 2, 0))
    return resized


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
    old_length: int,
    new_length: int,
    device: torch.device,
    part: slice = slice(None),
    *,
    aligns_corners: bool = False,
) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """One axis: the two source indices of each new one of a part, and the weight of the second.

    Pixel centres lie at halves, or the first and the last pixels on one another.
    """
    positions = torch.arange(*part.indices(new_length), device=device, dtype=torch.float32)
    if aligns_corners:
        positions = positions * ((old_length - 1) / max(new_length - 1, 1))
    else:
        positions = ((positions + 0.5) * (old_length / new_length) - 0.5).clamp(min=0)
    low = positions.long().clamp(max=old_length - 1)
    return (low, (low + 1).clamp(max=old_length - 1)), positions - low


def mix_rows(
    planes: Tensor,
    taps: tuple[Tensor, Tensor],
    shares: Tensor,
    width: int,
    *,
    aligns_corners: bool = False,
) -> Tensor:
    """Return new rows of planes, resampled bilinearly along their rows as well.

    Args:
        planes: [k, h, w] float32.
        taps: [r] int64 each, the two rows that each new one lies between.
        shares: [r] float32, in [0, 1], of the second.
        width: wanted, pixels.
        aligns_corners: as for `bilinear_taps`.

    Returns:
        [k, r, width] float32.
    """
    upper, lower = (planes.index_select(1, tap) for tap in taps)
    lines = upper.lerp_(lower, shares[:, None])
    size = (lines.shape[1], width)
    return F.interpolate(lines[None], size, mode="bilinear", align_corners=aligns_corners)[0]
