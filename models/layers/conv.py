"""Convolutions that in inference on the CPU give the same answers in less time."""

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.ops import winograd

# On smaller maps and with fewer channels the transforms cost more than they save (measured).
_MIN_CHANNELS = 256
_MIN_CELLS = 2500


class Conv3x3(nn.Conv2d):
    """A convolution with stride 1 and a ring of zeros, which on large maps multiplies less.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        bias: whether it has one.
    """

    def __init__(self, in_channels: int, out_channels: int, *, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1, bias=bias)

    def forward(self, features: Tensor) -> Tensor:
        """Turn [b, c, h, w] floating into [b, k, h, w] of the same dtype."""
        if self._gains(features):
            return winograd.conv3x3(features, self.weight, self.bias)
        return super().forward(features)

    def _gains(self, features: Tensor) -> bool:
        # Of one picture, not of the batch: companions must not change how a picture is computed.
        cells = features.shape[2] * features.shape[3]
        return (
            cells >= _MIN_CELLS
            and min(self.in_channels, self.out_channels) >= _MIN_CHANNELS
            and features.dtype == torch.float32
            and features.device.type == "cpu"
            and not torch.is_grad_enabled()
        )


def conv_relu(
    conv: nn.Module, norm: nn.Module, features: Tensor, shortcut: Tensor | None = None
) -> Tensor:
    """Return ReLU(norm(conv(features)) + shortcut), in one pass over memory where that can be.

    Args:
        conv: a convolution.
        norm: what normalises it, or an identity if it was folded.
        features: [b, c, h, w] floating.
        shortcut: [b, k, h, w] floating, added before the ReLU, or None. In inference the result
            may be written over it.

    Returns:
        [b, k, h, w] of the features' dtype.
    """
    if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.Identity) and _can_fuse(features):
        return _fused(conv, features, shortcut)
    hidden = norm(conv(features))
    if shortcut is not None:
        hidden += shortcut
    return F.relu(hidden, inplace=True)


def _can_fuse(features: Tensor) -> bool:
    return (
        features.device.type == "cpu"
        and not torch.is_grad_enabled()
        and features.dtype in _fusable_dtypes()
    )


@cache
def _fusable_dtypes() -> frozenset[torch.dtype]:
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return frozenset()
    has_bfloat16 = torch.ops.mkldnn._is_mkldnn_bf16_supported()  # noqa: SLF001
    return frozenset({torch.float32} | ({torch.bfloat16} if has_bfloat16 else set()))


def _fused(conv: nn.Conv2d, features: Tensor, shortcut: Tensor | None) -> Tensor:
    """Convolve and do what follows by the operators of oneDNN that torch.compile uses."""
    layer = (conv.weight, conv.bias, conv.padding, conv.stride, conv.dilation, conv.groups)
    if shortcut is None:
        return torch.ops.mkldnn._convolution_pointwise(  # noqa: SLF001
            features, *layer, "relu", [], None
        )
    return torch.ops.mkldnn._convolution_pointwise_(
        shortcut, features, *layer, "add", 1.0, "relu", [], None
    )
