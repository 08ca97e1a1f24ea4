"""The trunk of stride 8 and what template and search have in common.

A residual network without its last stage, and without padding where it strides: seen from the
middle, what lies beyond a crop must not matter.
"""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from models.backbones.resnet import Layout, ResNet
from models.layers.conv import conv_relu
from models.layers.norm import BuildNorm, build_norm
from models.siammask.config import SiamMaskConfig

STRIDE = 8  # of the last features, in pixels of the input
LEVEL_STRIDES = (2, 4, 8)
_MARGIN = 4  # cells that padding inside the trunk has reached
_SMALL_WIDTH = 20  # features less wide lose their margins


@dataclass(frozen=True)
class Features:
    """What the trunk says of a batch of crops.

    Attributes:
        levels: [b, c, h, w] floating, at strides 2, 4 and 8.
        embedding: [b, c, h, w] floating, at stride 8, what is compared.
    """

    levels: tuple[Tensor, Tensor, Tensor]
    embedding: Tensor


class Trunk(ResNet):
    """Three stages, the last dilated, none padded where it strides.

    Args:
        config: widths and depths.
        norm: makes the norm after each convolution.

    Source: SiamMask: experiments/siammask_sharp/resnet.py; differs: none.
    """

    def __init__(self, config: SiamMaskConfig, norm: BuildNorm) -> None:
        layout = Layout(dilated_stages=1, is_unpadded=True)
        super().__init__(
            config.stem_channels, config.mid_channels, config.block_counts, norm, layout
        )

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return the features before the pooling and of every stage.

        Args:
            images: [b, 3, h, w] floating.

        Returns:
            "p0" to "p3" -> [b, c, h, w] of the same dtype, at strides 2, 4, 8 and 8.
        """
        features = {"p0": conv_relu(self.conv1, self.bn1, images)}
        hidden = F.max_pool2d(features["p0"], 3, stride=2, padding=1)
        for index in range(1, 4):
            hidden = self.get_submodule(f"layer{index}")(hidden)
            features[f"p{index}"] = hidden
        return features


class Adjustment(nn.Module):
    """A 1x1 convolution with a norm, and the middle alone of what is small."""

    def __init__(self, in_channels: int, out_channels: int, norm: BuildNorm) -> None:
        super().__init__()
        self.downsample = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 1, bias=False), norm(out_channels)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Turn [b, in_channels, h, w] floating into [b, out_channels, h, w].

        Height and width are less by the margins if the width is small: that is a question of size,
        not of template or search.

        Source: SiamMask: experiments/siammask_sharp/custom.py, ResDownS; differs: none.
        """
        adjusted = self.downsample(features)
        if features.shape[3] >= _SMALL_WIDTH:
            return adjusted
        return adjusted[:, :, _MARGIN:-_MARGIN, _MARGIN:-_MARGIN]


class Encoder(nn.Module):
    """Trunk and adjustment."""

    def __init__(self, config: SiamMaskConfig) -> None:
        super().__init__()
        norm = build_norm("batch", config.norm_eps)
        self.features = Trunk(config, norm)
        in_channels = self.features.out_channels[-1]
        self.downsample = Adjustment(in_channels, config.feature_channels, norm)
        self.level_channels = (config.stem_channels, *self.features.out_channels[:2])

    def forward(self, crops: Tensor) -> Features:
        """Return the features of crops, [b, 3, h, w] floating, BGR in 0 to 255."""
        p0, p1, p2, p3 = self.features(crops).values()
        return Features((p0, p1, p2), self.downsample(p3))


def level_sizes(side: int) -> tuple[int, int, int]:
    """Return the sides of the levels of a crop of this side, at strides 2, 4 and 8."""
    p0 = (side - 7) // 2 + 1
    p1 = (p0 - 1) // 2 + 1
    return p0, p1, (p1 - 3) // 2 + 1


def embedding_size(side: int) -> int:
    """Return the side of the embedding of a crop of this side."""
    width = level_sizes(side)[2]
    return width - 2 * _MARGIN if width < _SMALL_WIDTH else width
