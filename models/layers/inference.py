"""A loaded network made ready to run, and pictures to it in batches."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from models.layers.norm import fold_batch_norms
from models.ops.images import to_tensor

Network = TypeVar("Network", bound=nn.Module)
Item = TypeVar("Item")
Output = TypeVar("Output")

LAYOUT = torch.channels_last  # in which convolutions are quicker, on CPU and GPU


def prepare(network: Network, device: str | torch.device, dtype: torch.dtype) -> Network:
    """Return the network, changed in place: norms folded, constants fixed, moved and converted.

    Args:
        network: with its weights.
        device: where it shall run.
        dtype: of convolutions and linear layers.
    """
    fold_batch_norms(network)
    network.eval().requires_grad_(requires_grad=False)
    network.to(memory_format=LAYOUT)  # type: ignore[call-overload]
    return network.to(device=torch.device(device), dtype=dtype)


def nbytes(network: nn.Module) -> int:
    """Return the bytes that a network's parameters and buffers take; what two share counts once."""
    held = (one.untyped_storage() for one in (*network.parameters(), *network.buffers()))
    return sum({storage.data_ptr(): storage.nbytes() for storage in held}.values())


def run_in_buckets(
    images: Sequence[np.ndarray],
    input_shape: Callable[[tuple[int, int]], tuple[int, int]],
    run: Callable[[list[Tensor]], list[Output]],
) -> list[Output]:
    """Return one output a picture, in order; those of one input shape run as one batch.

    Others run by themselves, so that none sees more padding than it would alone.

    Args:
        images: each [h, w, 3] uint8.
        input_shape: a picture's (height, width) -> that of the network's input.
        run: pictures of one input shape, [h, w, 3] uint8, to one output each.

    Raises:
        ValueError: an image of another shape or dtype, or without pixels.
    """
    tensors = [to_tensor(image) for image in images]
    return in_buckets(tensors, lambda tensor: input_shape((tensor.shape[0], tensor.shape[1])), run)


def in_buckets(
    items: Sequence[Item],
    bucket: Callable[[Item], Hashable],
    run: Callable[[list[Item]], list[Output]],
) -> list[Output]:
    """Return one output an item, in order; those of one bucket run as one batch.

    Args:
        items: of any kind.
        bucket: where an item belongs.
        run: items of one bucket to one output each.
    """
    buckets = defaultdict(list)
    for index, item in enumerate(items):
        buckets[bucket(item)].append(index)
    outputs: dict[int, Output] = {}
    for indices in buckets.values():
        outputs.update(zip(indices, run([items[index] for index in indices]), strict=True))
    return [outputs[index] for index in range(len(items))]
