"""Residual networks of bottleneck blocks (He et al. 2016), stride in the 3x3 convolution."""

from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from models.layers.norm import BuildNorm

_EXPANSION = 4


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions around a shortcut.

    Args:
        in_channels: of the input.
        mid_channels: of the 3x3 convolution; the output has four times as many.
        stride: of the 3x3 convolution and the shortcut.
        build_norm: makes the norm after each convolution.

    Source: torchvision Bottleneck; differs: none.
    """

    def __init__(
        self, in_channels: int, mid_channels: int, stride: int, build_norm: BuildNorm
    ) -> None:
        super().__init__()
        out_channels = mid_channels * _EXPANSION
        self.conv1 = nn.Conv2d(in_channels, mid_channels, 1, bias=False)
        self.bn1 = build_norm(mid_channels)
        self.conv2 = nn.Conv2d(mid_channels, mid_channels, 3, stride, padding=1, bias=False)
        self.bn2 = build_norm(mid_channels)
        self.conv3 = nn.Conv2d(mid_channels, out_channels, 1, bias=False)
        self.bn3 = build_norm(out_channels)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                build_norm(out_channels),
            )

    def forward(self, features: Tensor) -> Tensor:
        """Turn [b, in_channels, h, w] floating into [b, out_channels, h / stride, w / stride]."""
        hidden = F.relu(self.bn1(self.conv1(features)), inplace=True)
        hidden = F.relu(self.bn2(self.conv2(hidden)), inplace=True)
        hidden = self.bn3(self.conv3(hidden))
        hidden += self.downsample(features)
        return F.relu(hidden, inplace=True)


class ResNet(nn.Module):
    """A trunk without its classifier.

    Args:
        stem_channels: after the first convolution.
        mid_channels: of the blocks of each stage.
        block_counts: blocks of each stage.
        build_norm: makes the norm after each convolution.

    Source: torchvision resnet50; differs: widths and depths are free.
    """

    def __init__(
        self,
        stem_channels: int,
        mid_channels: Sequence[int],
        block_counts: Sequence[int],
        build_norm: BuildNorm,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, stem_channels, 7, stride=2, padding=3, bias=False)
        self.bn1 = build_norm(stem_channels)
        self.out_channels = [channels * _EXPANSION for channels in mid_channels]
        widths = pairwise([stem_channels, *self.out_channels])
        for index, (in_channels, out_channels) in enumerate(widths):
            blocks = [
                Bottleneck(in_channels, mid_channels[index], 1 if index == 0 else 2, build_norm)
            ]
            blocks += [
                Bottleneck(out_channels, mid_channels[index], 1, build_norm)
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
            [b, stem_channels, h / 4, w / 4] of the same dtype.
        """
        features = F.relu(self.bn1(self.conv1(images)), inplace=True)
        return F.max_pool2d(features, 3, stride=2, padding=1)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return the features of every stage.

        Args:
            images: [b, 3, h, w] floating, normalised.

        Returns:
            "c2" to "c5" -> [b, c, h / stride, w / stride] of the same dtype, strides 4, 8, 16, 32.
        """
        features = {}
        hidden = self.stem(images)
        for index in range(len(self.out_channels)):
            hidden = self.get_submodule(f"layer{index + 1}")(hidden)
            features[f"c{index + 2}"] = hidden
        return features
