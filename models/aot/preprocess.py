"""Frames to the network's input: size rule, cubic resize, normalise."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from models.aot.config import AotConfig
from models.aot.model import STRIDE


def input_shape(frame_size: tuple[int, int], config: AotConfig) -> tuple[int, int]:
    """Return the (height, width) in which the network sees a frame, multiples of 16 plus 1.

    Args:
        frame_size: (height, width), pixels.
        config: the input rule.

    Source: aot-benchmark: dataloaders/video_transforms.py, MultiRestrictSize; differs: frames may
        be enlarged. Sides are cut down to whole pixels before they are rounded, and halves go to
        the even multiple.
    """
    longest = max(frame_size)
    scale = max(config.min_long_edge / longest, min(1.0, config.max_long_edge / longest))
    height, width = (round((int(side * scale) - 1) / STRIDE) * STRIDE + 1 for side in frame_size)
    return height, width


def grid_size(frame_size: tuple[int, int], config: AotConfig) -> tuple[int, int]:
    """Return the (height, width) of a frame in cells, one token each."""
    height, width = input_shape(frame_size, config)
    return height // STRIDE + 1, width // STRIDE + 1


def preprocess(frames: Sequence[Tensor], config: AotConfig) -> Tensor:
    """Return frames of one input shape as a batch.

    The cubic kernel has a = -0.75; what it overshoots below 0 and above 255 is kept.

    Args:
        frames: each [h, w, 3] uint8, RGB, all on one device.
        config: the input rule.

    Returns:
        [b, 3, h, w] float32, normalised.

    Source: aot-benchmark: dataloaders/video_transforms.py, MultiRestrictSize and MultiToTensor;
        differs: none.
    """
    batch = []
    for frame in frames:
        image = frame.permute(2, 0, 1)[None].float()
        size = input_shape((image.shape[2], image.shape[3]), config)
        if size != image.shape[2:]:
            image = F.interpolate(image, size, mode="bicubic", align_corners=False)
        batch.append(image)
    images = torch.cat(batch)
    mean, std = (
        torch.tensor(values, device=images.device)[:, None, None]
        for values in (config.image_mean, config.image_std)
    )
    return (images / 255 - mean) / std
