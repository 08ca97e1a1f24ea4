"""Pictures to the network's input: resize as the publication did, normalise, pad."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

from models.ops.resize_uint8 import resize_opencv, resize_pillow
from models.pointrend.config import PointRendConfig

Size = tuple[int, int]


@dataclass(frozen=True)
class NetworkInput:
    """A batch as the network takes it, with what it needs to find the way back.

    Attributes:
        images: [b, 3, h, w] float32, normalised, channels last in memory; each picture in the
            top-left corner, zeros (the mean colour) elsewhere.
        image_sizes: (height, width) of each picture in the input.
        original_sizes: (height, width) of each picture as given.
    """

    images: Tensor
    image_sizes: list[Size]
    original_sizes: list[Size]


def input_shape(image_size: Size, config: PointRendConfig) -> Size:
    """Return the padded (height, width) in which the network sees a lone picture, pixels."""
    height, width = resized_size(image_size, config)
    return _round_up(height, config.size_divisor), _round_up(width, config.size_divisor)


def resized_size(image_size: Size, config: PointRendConfig) -> Size:
    """Return the (height, width) to which a picture is resized; no side falls below one pixel.

    Args:
        image_size: (height, width), pixels.
        config: rule and limits.

    Source: torchvision: transforms/functional.py, _compute_resized_output_size; detectron2:
        data/transforms/augmentation_impl.py, ResizeShortestEdge.get_output_shape; mmcv:
        image/geometric.py, rescale_size; differs: torchvision's rule has no upper limit there.
    """
    height, width = _SIZE_RULES[config.resize_rule](image_size, config.min_size, config.max_size)
    return max(height, 1), max(width, 1)


def preprocess(images: Sequence[Tensor], config: PointRendConfig) -> NetworkInput:
    """Return one batch of all pictures, as large as the largest of them needs.

    Args:
        images: each [h, w, 3] uint8, RGB.
        config: the input rule.
    """
    original_sizes = [(image.shape[0], image.shape[1]) for image in images]
    image_sizes = [resized_size(size, config) for size in original_sizes]
    shapes = [input_shape(size, config) for size in original_sizes]
    height, width = (max(sides) for sides in zip(*shapes, strict=True))
    batch = torch.zeros(len(images), height, width, 3)
    for place, image, size in zip(batch, images, image_sizes, strict=True):
        place[: size[0], : size[1]] = _normalise(_resize(image, size, config), config)
    return NetworkInput(batch.permute(0, 3, 1, 2), image_sizes, original_sizes)


def _resize(image: Tensor, size: Size, config: PointRendConfig) -> Tensor:
    if tuple(image.shape[:2]) == size:
        return image
    resize = resize_opencv if config.resize_rule == "mmcv" else resize_pillow
    return resize(image, size)


def _normalise(image: Tensor, config: PointRendConfig) -> Tensor:
    """[h, w, 3] uint8 RGB to float32, channels in the network's order."""
    channels = (image.flip(-1) if config.is_bgr else image) / config.pixel_divisor
    return (channels - torch.tensor(config.image_mean)) / torch.tensor(config.image_std)


def _round_up(length: int, divisor: int) -> int:
    return -(-length // divisor) * divisor


def _torchvision_size(image_size: Size, min_size: int, max_size: int) -> Size:
    """The shorter side exactly, the longer cut down to whole pixels."""
    shorter, longer = min(image_size), max(image_size)
    wanted = (min_size, int(min_size * longer / shorter))
    if wanted[1] > max_size:
        wanted = (int(max_size * shorter / longer), max_size)
    return wanted if image_size[0] <= image_size[1] else (wanted[1], wanted[0])


def _detectron2_size(image_size: Size, min_size: int, max_size: int) -> Size:
    """Both sides rounded half up, after the limit."""
    scale = min_size / min(image_size)
    height, width = (
        float(min_size) if side == min(image_size) else scale * side for side in image_size
    )
    if max(height, width) > max_size:
        limit = max_size / max(height, width)
        height, width = height * limit, width * limit
    return int(height + 0.5), int(width + 0.5)


def _mmcv_size(image_size: Size, min_size: int, max_size: int) -> Size:
    """Both sides rounded half up, by the smaller of the two scales."""
    scale = min(max_size / max(image_size), min_size / min(image_size))
    return int(image_size[0] * scale + 0.5), int(image_size[1] * scale + 0.5)


_SIZE_RULES: Mapping[str, Callable[[Size, int, int], Size]] = MappingProxyType(
    {"torchvision": _torchvision_size, "detectron2": _detectron2_size, "mmcv": _mmcv_size}
)
