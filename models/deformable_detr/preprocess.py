"""Pictures to the network's input: resize, normalise, pad."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.deformable_detr.config import DeformableDetrConfig
from models.ops.resize_uint8 import resize_pillow


@dataclass(frozen=True)
class NetworkInput:
    """A batch as the network takes it, with what it needs to find the way back.

    Attributes:
        images: [b, 3, h, w] float32, normalised, channels last in memory; each picture in the
            top-left corner, zeros (the mean colour) elsewhere.
        padding_mask: [b, h, w] bool, True = padding.
        original_sizes: [b, 2] float32, (height, width) of each picture as given.
    """

    images: Tensor
    padding_mask: Tensor
    original_sizes: Tensor


def input_shape(image_size: tuple[int, int], config: DeformableDetrConfig) -> tuple[int, int]:
    """Return the (height, width) in which the network sees a lone picture, pixels.

    The limit of the longer side is applied to the shorter one, in whole pixels; so the longer side
    can stay below it, or exceed it: by one, and by up to its double where the shorter one is a few
    pixels. Then both are rounded to multiples of the divisor. No side falls below one divisor.

    Args:
        image_size: (height, width), pixels.
        config: the input rule.

    Source: Deformable-DETR datasets/transforms.py, get_size_with_aspect_ratio; differs: the
        divisor, 1 there, and pictures so narrow that a side would vanish.
    """
    divisor = config.size_divisor
    height, width = _limited(image_size, config)
    return (
        max(1, round(height / divisor)) * divisor,
        max(1, round(width / divisor)) * divisor,
    )


def _limited(image_size: tuple[int, int], config: DeformableDetrConfig) -> tuple[int, int]:
    """The size between the limits, its shape kept."""
    short, long = min(image_size), max(image_size)
    wanted = config.min_size
    height, width = image_size
    if long / short * wanted > config.max_size:
        wanted = round(config.max_size * short / long)
    if not wanted:
        return min(height, config.max_size), min(width, config.max_size)
    if wanted == short:
        return image_size
    if width < height:
        return int(wanted * height / width), wanted
    return wanted, int(wanted * width / height)


def preprocess(images: Sequence[Tensor], config: DeformableDetrConfig) -> NetworkInput:
    """Return one batch of all pictures, as large as the largest of them needs.

    Args:
        images: each [h, w, 3] uint8, RGB, on the CPU.
        config: the input rule.

    Source: Deformable-DETR datasets/coco.py and util/misc.py, nested_tensor_from_tensor_list;
        differs: none.
    """
    original_sizes = [(image.shape[0], image.shape[1]) for image in images]
    shapes = [input_shape(size, config) for size in original_sizes]
    height, width = (max(sides) for sides in zip(*shapes, strict=True))
    batch = torch.zeros(len(images), height, width, 3)
    padding_mask = torch.ones(len(images), height, width, dtype=torch.bool)
    mean, std = torch.tensor(config.image_mean), torch.tensor(config.image_std)
    for index, (image, shape) in enumerate(zip(images, shapes, strict=True)):
        resized = resize_pillow(image, shape)
        batch[index, : shape[0], : shape[1]] = (resized / 255 - mean) / std
        padding_mask[index, : shape[0], : shape[1]] = False
    return NetworkInput(
        batch.permute(0, 3, 1, 2),
        padding_mask,
        torch.tensor(original_sizes, dtype=torch.float32),
    )
