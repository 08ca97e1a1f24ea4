"""Batch normalisation: trained, frozen, or folded into the convolution before it."""

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

NormKind = Literal["batch", "frozen"]
BuildNorm = Callable[[int], nn.Module]
# In place and piece by piece: copies of whole weights would leave holes in the process's memory.
_CHANNELS_AT_A_TIME = 4


class FrozenBatchNorm2d(nn.Module):
    """Batch normalisation by constants: a scale and a shift a channel, never trained.

    Args:
        channels: of the input.
        eps: added to the variance. Some published files need 0.

    Source: torchvision FrozenBatchNorm2d; differs: none.
    """

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.register_buffer("weight", torch.ones(channels))
        self.register_buffer("bias", torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, features: Tensor) -> Tensor:
        """Normalise features, [b, c, h, w] floating; the same shape and dtype come back."""
        scale = self.weight * (self.running_var + self.eps).rsqrt()
        shift = self.bias - self.running_mean * scale
        return features * scale[:, None, None] + shift[:, None, None]


def build_norm(kind: NormKind, eps: float) -> BuildNorm:
    """Return what makes a norm for a number of channels."""
    return partial(FrozenBatchNorm2d if kind == "frozen" else nn.BatchNorm2d, eps=eps)


def fold_batch_norms(module: nn.Module) -> None:
    """Fold every norm into the convolution before it, in place; the answers stay the same.

    A norm belongs to the convolution that its parent module declares just before it. In its place
    an identity remains. Meant for inference: statistics are constants afterwards.
    """
    previous: nn.Module | None = None
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d | FrozenBatchNorm2d):
            if not isinstance(previous, nn.Conv2d):
                raise TypeError(f"no convolution before the norm {name!r}")
            _fold(previous, child)
            setattr(module, name, nn.Identity())
        else:
            fold_batch_norms(child)
        previous = child


@torch.no_grad()
def _fold(conv: nn.Conv2d, norm: nn.BatchNorm2d | FrozenBatchNorm2d) -> None:
    """Give `conv` the weight and bias that equal conv, then norm; in double precision."""
    dtype = conv.weight.dtype
    fixed = {name: tensor.double() for name, tensor in norm.state_dict().items()}
    scale = fixed["weight"] / (fixed["running_var"] + norm.eps).sqrt()
    shift = fixed["bias"] - fixed["running_mean"] * scale
    if conv.bias is not None:
        shift = shift + conv.bias * scale
    parts = (torch.split(tensor, _CHANNELS_AT_A_TIME) for tensor in (conv.weight, scale))
    for weight, factors in zip(*parts, strict=True):
        weight.copy_(weight * factors[:, None, None, None])
    conv.bias = nn.Parameter(shift.to(dtype))
