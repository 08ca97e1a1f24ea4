"""Pictures to the network's input: resize, normalise, pad."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.mask_rcnn.config import MaskRcnnConfig
from models.ops.resize import fit_size, resize_bilinear


@dataclass(frozen=True)
class NetworkInput:
    """A batch as the network takes it, with what it needs to find the way back.

    Attributes:
        images: [b, 3, h, w] float32, normalised, channels last in memory; each picture in the
            top-left corner, zeros (the mean colour) elsewhere.
        image_sizes: [b, 2] float32, (height, width) of each picture in the input.
        original_sizes: [b, 2] float32, (height, width) of each picture as given.
    """

    images: Tensor
    image_sizes: Tensor
    original_sizes: Tensor


def input_shape(image_size: tuple[int, int], config: MaskRcnnConfig) -> tuple[int, int]:
    """Return the padded (height, width) in which the network sees a lone picture, pixels."""
    height, width = fit_size(image_size, config.min_size, config.max_size)
    return _round_up(height, config.size_divisor), _round_up(width, config.size_divisor)


def preprocess(images: Sequence[Tensor], config: MaskRcnnConfig) -> NetworkInput:
    """Return one batch of all pictures, as large as the largest of them needs.

    Args:
        images: each [h, w, 3] uint8, RGB, all on one device.
        config: the input rule.

    Source: torchvision GeneralizedRCNNTransform; differs: resizes before it normalises, which is
        the same and spares floats of the picture's own size.
    """
    original_sizes = [(image.shape[0], image.shape[1]) for image in images]
    sizes = [fit_size(size, config.min_size, config.max_size) for size in original_sizes]
    shapes = [input_shape(size, config) for size in original_sizes]
    height, width = (max(sides) for sides in zip(*shapes, strict=True))
    device = images[0].device
    batch = torch.zeros(len(images), height, width, 3, device=device)
    mean = torch.tensor(config.image_mean, device=device) * 255
    std = torch.tensor(config.image_std, device=device) * 255
    for index, (image, size) in enumerate(zip(images, sizes, strict=True)):
        batch[index, : size[0], : size[1]] = resize_bilinear(image, size).sub_(mean).div_(std)
    return NetworkInput(
        batch.permute(0, 3, 1, 2),
        torch.tensor(sizes, dtype=torch.float32, device=device),
        torch.tensor(original_sizes, dtype=torch.float32, device=device),
    )


def _round_up(length: int, divisor: int) -> int:
    return -(-length // divisor) * divisor
