"""Heads that classify every cell of a coarse grid: DeepLabV3's, and that of a feature pyramid."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.layers.norm import BuildNorm
from models.pointrend.config import PYRAMID_LEVELS


class AtrousPyramid(nn.Module):
    """Five views of the same features side by side: near, three reaches, the whole picture's mean.

    Args:
        in_channels: of the trunk's last stage.
        channels: of every branch and of the output.
        rates: dilations of the three 3x3 branches.
        dropout: share of outputs dropped while training.
        build_norm: makes the norm after each convolution.

    Source: Chen et al. 2017, section 3.3; torchvision: models/segmentation/deeplabv3.py, ASPP;
        differs: widths are free.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        rates: Sequence[int],
        dropout: float,
        build_norm: BuildNorm,
    ) -> None:
        super().__init__()
        near = _conv_norm_relu(in_channels, channels, 1, build_norm)
        reaching = [_conv_norm_relu(in_channels, channels, 3, build_norm, rate) for rate in rates]
        pooled = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), *_conv_norm_relu(in_channels, channels, 1, build_norm)
        )
        self.convs = nn.ModuleList([near, *reaching, pooled])
        merged = channels * len(self.convs)
        self.project = nn.Sequential(
            *_conv_norm_relu(merged, channels, 1, build_norm), nn.Dropout(dropout)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Turn [b, in_channels, h, w] floating into [b, channels, h, w] of the same dtype."""
        branches = [conv(features) for conv in self.convs]
        branches[-1] = branches[-1].expand_as(branches[0])
        return self.project(torch.cat(branches, dim=1))


def build_deeplab_head(
    pyramid: AtrousPyramid, channels: int, class_count: int, build_norm: BuildNorm
) -> nn.Sequential:
    """Return DeepLabV3's classifier: [b, c, h, w] floating to [b, class_count, h, w].

    Source: torchvision: models/segmentation/deeplabv3.py, DeepLabHead; differs: widths are free.
    """
    return nn.Sequential(
        pyramid,
        *_conv_norm_relu(channels, channels, 3, build_norm),
        nn.Conv2d(channels, class_count, 1),
    )


class PyramidHead(nn.Module):
    """Every level of a pyramid, brought to the finest level's size step by step, then added up.

    Args:
        in_channels: of every level.
        channels: of the convolutions.
        class_count: channels of the output.
        build_norm: makes the norm after each convolution.

    Source: Kirillov et al. 2019, Panoptic FPN, section 3; detectron2: modeling/meta_arch/
        semantic_seg.py, SemSegFPNHead; mmsegmentation: models/decode_heads/fpn_head.py, FPNHead;
        differs: none.
    """

    def __init__(
        self, in_channels: int, channels: int, class_count: int, build_norm: BuildNorm
    ) -> None:
        super().__init__()
        self.scale_heads = nn.ModuleList(
            _scale_head(in_channels, channels, doublings, build_norm)
            for doublings in range(len(PYRAMID_LEVELS))
        )
        self.predictor = nn.Conv2d(channels, class_count, 1)
        nn.init.normal_(self.predictor.weight, std=0.01)

    def forward(self, pyramid: Mapping[str, Tensor]) -> Tensor:
        """Return the class logits of the finest grid.

        Args:
            pyramid: "p2" to "p5" -> [b, in_channels, h, w] floating.

        Returns:
            [b, class_count, h, w] of the same dtype, as large as p2.
        """
        finest, *others = (
            head(pyramid[level])
            for head, level in zip(self.scale_heads, PYRAMID_LEVELS, strict=True)
        )
        size = finest.shape[-2:]
        for scaled in others:
            finest = finest + _resize(scaled, size)
        return self.predictor(finest)


def _scale_head(
    in_channels: int, channels: int, doublings: int, build_norm: BuildNorm
) -> nn.Sequential:
    """A convolution for every doubling, one alone for the finest level."""
    layers: list[nn.Module] = []
    for _ in range(max(doublings, 1)):
        layers.append(_conv_norm_relu(in_channels, channels, 3, build_norm))
        if doublings:
            layers.append(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False))
        in_channels = channels
    return nn.Sequential(*layers)


def _resize(features: Tensor, size: torch.Size) -> Tensor:
    """Odd sizes leave a doubled level one line larger than the finest."""
    if features.shape[-2:] == size:
        return features
    return F.interpolate(features, size, mode="bilinear", align_corners=False)


def _conv_norm_relu(
    in_channels: int, channels: int, size: int, build_norm: BuildNorm, dilation: int = 1
) -> nn.Sequential:
    conv = nn.Conv2d(
        in_channels,
        channels,
        size,
        padding=dilation * (size // 2),
        dilation=dilation,
        bias=False,
    )
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(conv, build_norm(channels), nn.ReLU(inplace=True))
