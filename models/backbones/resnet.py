"""Residual networks of bottleneck blocks (He et al. 2016) and how publications vary them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from models.layers.conv import conv_relu
from models.layers.norm import BuildNorm

_EXPANSION = 4


@dataclass(frozen=True)
class Layout:
    """Where a trunk differs from the usual one.

    Attributes:
        stem: "7x7" with stride 2; "3x3" without stride, so that all strides are half as large;
            "deep", three 3x3 convolutions in place of the 7x7 (He et al. 2019, ResNet-C).
        dilated_stages: how many of the last stages widen their kernels' reach instead of striding
            (Chen et al. 2017); a stage's first block keeps the reach of the stage before.
        has_stride_first: stride in a block's first 1x1 convolution, as He et al. 2016 had it, not
            in its 3x3.
        is_unpadded: no padding in the 7x7 stem and where a stage strides, and 3x3 shortcuts in all
            stages but the first (Wang et al. 2019).
    """

    stem: Literal["7x7", "3x3", "deep"] = "7x7"
    dilated_stages: int = 0
    has_stride_first: bool = False
    is_unpadded: bool = False


@dataclass(frozen=True)
class Spacing:
    """How a block samples its input.

    Attributes:
        stride: of one convolution and of the shortcut.
        dilation: of the 3x3 convolution.
        has_stride_first: stride in the first 1x1 convolution, not in the 3x3.
        padding: of the 3x3 convolution.
        shortcut: kernel and padding of the shortcut.
    """

    stride: int = 1
    dilation: int = 1
    has_stride_first: bool = False
    padding: int = 1
    shortcut: tuple[int, int] = (1, 0)


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions around a shortcut.

    Args:
        in_channels: of the input.
        mid_channels: of the 3x3 convolution; the output has four times as many.
        spacing: stride and dilation.
        build_norm: makes the norm after each convolution.

    Source: torchvision Bottleneck; differs: the stride may be in the first convolution.
    """

    def __init__(
        self, in_channels: int, mid_channels: int, spacing: Spacing, build_norm: BuildNorm
    ) -> None:
        super().__init__()
        out_channels = mid_channels * _EXPANSION
        stride, dilation = spacing.stride, spacing.dilation
        kernel, padding = spacing.shortcut
        strides = (stride, 1) if spacing.has_stride_first else (1, stride)
        self.conv1 = nn.Conv2d(in_channels, mid_channels, 1, strides[0], bias=False)
        self.bn1 = build_norm(mid_channels)
        self.conv2 = nn.Conv2d(
            mid_channels, mid_channels, 3, strides[1], spacing.padding, dilation, bias=False
        )
        self.bn2 = build_norm(mid_channels)
        self.conv3 = nn.Conv2d(mid_channels, out_channels, 1, bias=False)
        self.bn3 = build_norm(out_channels)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, kernel, stride, padding, bias=False),
                build_norm(out_channels),
            )

    def forward(self, features: Tensor) -> Tensor:
        """Turn [b, in_channels, h, w] floating into [b, out_channels, h / stride, w / stride].

        In inference a block whose shortcut is its input writes its output there.
        """
        shortcut = self.downsample(features)
        hidden = conv_relu(self.conv1, self.bn1, features)
        hidden = conv_relu(self.conv2, self.bn2, hidden)
        return conv_relu(self.conv3, self.bn3, hidden, shortcut)


class ResNet(nn.Module):
    """A trunk without its classifier.

    Args:
        stem_channels: after the stem.
        mid_channels: of the blocks of each stage.
        block_counts: blocks of each stage.
        build_norm: makes the norm after each convolution.
        layout: where it differs from the usual.

    Source: torchvision resnet50; differs: widths, depths and the layout are free.
    """

    def __init__(
        self,
        stem_channels: int,
        mid_channels: Sequence[int],
        block_counts: Sequence[int],
        build_norm: BuildNorm,
        layout: Layout | None = None,
    ) -> None:
        super().__init__()
        layout = layout or Layout()
        self.conv1, self.bn1 = _build_stem(stem_channels, layout, build_norm)
        self.out_channels = [channels * _EXPANSION for channels in mid_channels]
        widths = pairwise([stem_channels, *self.out_channels])
        spacings = _stage_spacings(len(mid_channels), layout)
        for index, (in_channels, out_channels) in enumerate(widths):
            first, others = spacings[index]
            blocks = [Bottleneck(in_channels, mid_channels[index], first, build_norm)]
            blocks += [
                Bottleneck(out_channels, mid_channels[index], others, build_norm)
                for _ in range(block_counts[index] - 1)
            ]
            self.add_module(f"layer{index + 1}", nn.Sequential(*blocks))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def stem(self, images: Tensor) -> Tensor:
        """Return the features before the first stage.

        Args:
            images: [b, 3, h, w] floating, normalised.

        Returns:
            [b, stem_channels, h / 4, w / 4] of the same dtype; h / 2, w / 2 with the 3x3 stem.
        """
        features = conv_relu(self.conv1, self.bn1, images)
        return F.max_pool2d(features, 3, stride=2, padding=1)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return the features of every stage.

        Args:
            images: [b, 3, h, w] floating, normalised.

        Returns:
            "c2" to "c5" -> [b, c, h / stride, w / stride] of the same dtype, strides 4, 8, 16, 32
            unless the layout says otherwise.
        """
        features = {}
        hidden = self.stem(images)
        for index in range(len(self.out_channels)):
            hidden = self.get_submodule(f"layer{index + 1}")(hidden)
            features[f"c{index + 2}"] = hidden
        return features


def _build_stem(
    channels: int, layout: Layout, build_norm: BuildNorm
) -> tuple[nn.Module, nn.Module]:
    """The convolution before the first ReLU, and its norm, which a deep stem holds itself."""
    if layout.stem == "7x7":
        padding = 0 if layout.is_unpadded else 3
        return nn.Conv2d(3, channels, 7, 2, padding, bias=False), build_norm(channels)
    if layout.stem == "3x3":
        return nn.Conv2d(3, channels, 3, padding=1, bias=False), build_norm(channels)
    half = channels // 2
    layers: list[nn.Module] = []
    for in_channels, out_channels, stride in ((3, half, 2), (half, half, 1), (half, channels, 1)):
        layers += [
            nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False),
            build_norm(out_channels),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers[:-1]), nn.Identity()


def _stage_spacings(stages: int, layout: Layout) -> list[tuple[Spacing, Spacing]]:
    """For each stage the spacing of its first block and of the others."""
    spacings, dilation = [], 1
    for index in range(stages):
        is_dilated = index >= stages - layout.dilated_stages
        stride = 1 if index == 0 or is_dilated else 2
        padding = 0 if layout.is_unpadded and stride > 1 else dilation
        shortcut = (3, padding) if layout.is_unpadded and index else (1, 0)
        first = Spacing(stride, dilation, layout.has_stride_first, padding, shortcut)
        dilation *= 2 if is_dilated else 1
        spacings.append((first, Spacing(dilation=dilation, padding=dilation)))
    return spacings
