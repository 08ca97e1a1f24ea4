"""MobileNetV2 (Sandler et al. 2018): inverted residual blocks, the stride bounded by dilation."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from models.layers.norm import BuildNorm

_STEM_STRIDE = 2


@dataclass(frozen=True)
class Stage:
    """Blocks of one width.

    Attributes:
        expansion: channels inside a block over channels that enter it.
        channels: that leave every block.
        blocks: how many.
        stride: of the first; the others have 1.
    """

    expansion: int
    channels: int
    blocks: int
    stride: int


STAGES = (
    Stage(1, 16, 1, 1),
    Stage(6, 24, 2, 2),
    Stage(6, 32, 3, 2),
    Stage(6, 64, 4, 2),
    Stage(6, 96, 3, 1),
    Stage(6, 160, 3, 2),
    Stage(6, 320, 1, 1),
)


class InvertedResidual(nn.Module):
    """Expand, filter each channel by itself, project; no activation after the sum.

    Args:
        in_channels: of the input.
        stage: expansion and channels.
        stride: of the 3x3 convolution.
        dilation: of the 3x3 convolution.
        build_norm: makes the norm after each convolution.

    Source: torchvision MobileNetV2 InvertedResidual; differs: the dilation.
    """

    def __init__(
        self, in_channels: int, stage: Stage, stride: int, dilation: int, build_norm: BuildNorm
    ) -> None:
        super().__init__()
        hidden = in_channels * stage.expansion
        layers: list[nn.Module] = []
        if stage.expansion != 1:
            layers.append(_activated(nn.Conv2d(in_channels, hidden, 1, bias=False), build_norm))
        depthwise = nn.Conv2d(
            hidden, hidden, 3, stride, dilation, dilation, groups=hidden, bias=False
        )
        layers += [
            _activated(depthwise, build_norm),
            nn.Conv2d(hidden, stage.channels, 1, bias=False),
            build_norm(stage.channels),
        ]
        self.conv = nn.Sequential(*layers)
        self._has_shortcut = stride == 1 and in_channels == stage.channels

    def forward(self, features: Tensor) -> Tensor:
        """Turn [b, in_channels, h, w] floating into [b, channels, h / stride, w / stride]."""
        hidden = self.conv(features)
        return hidden + features if self._has_shortcut else hidden


class MobileNetV2(nn.Module):
    """A trunk without its classifier.

    Args:
        stages: of blocks.
        stem_channels: after the first convolution.
        last_channels: after the last convolution.
        output_stride: beyond it, strides become dilations of the blocks that follow.
        build_norm: makes the norm after each convolution.

    Source: torchvision mobilenet_v2; aot-benchmark: networks/encoders/mobilenetv2.py for the
        dilations; differs: widths and depths are free.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        stem_channels: int,
        last_channels: int,
        output_stride: int,
        build_norm: BuildNorm,
    ) -> None:
        super().__init__()
        stem = nn.Conv2d(3, stem_channels, 3, _STEM_STRIDE, padding=1, bias=False)
        layers: list[nn.Module] = [_activated(stem, build_norm)]
        # The last layer before each nominal stride from 8 on, by index.
        self._levels: dict[int, str] = {}
        self.out_channels: list[int] = []
        channels, stride, dilation = stem_channels, _STEM_STRIDE, 1
        for index, stage in enumerate(stages):
            if stage.stride > 1 and index > 1:
                self._add_level(len(layers) - 1, channels)
            for block_stride in (stage.stride, *[1] * (stage.blocks - 1)):
                is_dilated = stride * block_stride > output_stride
                applied = 1 if is_dilated else block_stride
                layers.append(InvertedResidual(channels, stage, applied, dilation, build_norm))
                channels = stage.channels
                stride *= applied
                dilation *= block_stride // applied
        layers.append(_activated(nn.Conv2d(channels, last_channels, 1, bias=False), build_norm))
        self._add_level(len(layers) - 1, last_channels)
        self.features = nn.Sequential(*layers)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return the features of every level.

        Args:
            images: [b, 3, h, w] floating, normalised.

        Returns:
            "c2" to "c5" -> [b, c, h / stride, w / stride] of the same dtype, strides 4, 8, 16, 32,
            none above the output stride.
        """
        levels = {}
        hidden = images
        for index, layer in enumerate(self.features):
            hidden = layer(hidden)
            if index in self._levels:
                levels[self._levels[index]] = hidden
        return levels

    def _add_level(self, index: int, channels: int) -> None:
        self._levels[index] = f"c{len(self._levels) + 2}"
        self.out_channels.append(channels)


def _activated(conv: nn.Conv2d, build_norm: BuildNorm) -> nn.Sequential:
    """Convolution, norm, ReLU6: the unit that publications number."""
    return nn.Sequential(conv, build_norm(conv.out_channels), nn.ReLU6(inplace=True))
