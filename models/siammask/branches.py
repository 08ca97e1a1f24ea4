"""The branches that slide the template over the search features and read the result."""

from torch import Tensor, nn

from models.layers.conv import conv_relu
from models.layers.norm import BuildNorm
from models.ops.correlation import correlate_depthwise


class CorrelationBranch(nn.Module):
    """A kernel from the template, its correlation with the search, and a head for every cell.

    Args:
        channels: of features, kernel and correlation.
        out_channels: of the head.
        norm: makes the norm after a convolution.

    Source: SiamMask: models/rpn.py, DepthCorr; differs: the kernel is returned, not kept.
    """

    def __init__(self, channels: int, out_channels: int, norm: BuildNorm) -> None:
        super().__init__()
        self.conv_kernel = _conv(channels, channels, 3, norm)
        self.conv_search = _conv(channels, channels, 3, norm)
        self.head = nn.Sequential(
            *_conv(channels, channels, 1, norm), nn.Conv2d(channels, out_channels, 1)
        )

    def kernel(self, template: Tensor) -> Tensor:
        """Turn template features [b, c, h, w] floating into kernels [b, c, h - 2, w - 2]."""
        return conv_relu(self.conv_kernel[0], self.conv_kernel[1], template)

    def correlate(self, search: Tensor, kernels: Tensor) -> Tensor:
        """Compare search features with the template at every cell.

        Args:
            search: [b, c, h, w] floating.
            kernels: [b, c, k, k] of the same dtype.

        Returns:
            [b, c, h - k - 1, w - k - 1] of the same dtype.
        """
        features = conv_relu(self.conv_search[0], self.conv_search[1], search)
        return correlate_depthwise(features, kernels)

    def read(self, correlation: Tensor) -> Tensor:
        """Turn [b, c, h, w] floating into [b, out_channels, h, w], every cell by itself."""
        return self.head[3](conv_relu(self.head[0], self.head[1], correlation))


class Rpn(nn.Module):
    """Class scores and box deltas of every anchor."""

    def __init__(self, channels: int, anchors: int, norm: BuildNorm) -> None:
        super().__init__()
        self.cls = CorrelationBranch(channels, 2 * anchors, norm)
        self.loc = CorrelationBranch(channels, 4 * anchors, norm)


class MaskModel(nn.Module):
    """A small mask for every cell."""

    def __init__(self, channels: int, mask_size: int, norm: BuildNorm) -> None:
        super().__init__()
        self.mask = CorrelationBranch(channels, mask_size**2, norm)


def _conv(in_channels: int, out_channels: int, kernel_size: int, norm: BuildNorm) -> nn.Sequential:
    """Not padded, with norm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, bias=False),
        norm(out_channels),
        nn.ReLU(inplace=True),
    )
