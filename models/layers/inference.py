"""A loaded network made ready to run."""

from typing import TypeVar

import torch
from torch import nn

from models.layers.norm import fold_batch_norms

Network = TypeVar("Network", bound=nn.Module)


def prepare(network: Network, device: str | torch.device, dtype: torch.dtype) -> Network:
    """Return the network, changed in place: norms folded, constants fixed, moved and converted.

    Args:
        network: with its weights.
        device: where it shall run.
        dtype: of convolutions and linear layers.
    """
    fold_batch_norms(network)
    network.eval().requires_grad_(requires_grad=False)
    # Convolutions are quicker with channels last in memory, on CPU and GPU.
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network.to(device=torch.device(device), dtype=dtype)
