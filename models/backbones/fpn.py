"""Feature pyramid (Lin et al. 2017): the trunk's levels, merged from the top down."""

from collections.abc import Collection, Mapping, Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from models.layers.conv import Conv3x3
from models.layers.norm import BuildNorm

LEVELS = ("p2", "p3", "p4", "p5", "p6")


class FeaturePyramid(nn.Module):
    """Levels p2 to p5 from c2 to c5, and p6 by taking every second row and column of p5.

    Args:
        in_channels: of c2 to c5.
        out_channels: of every level.
        build_norm: makes the norm after each convolution; without one, convolutions have a bias.
        levels: what is wanted of it; "p6" needs "p5".

    Source: torchvision FeaturePyramidNetwork with LastLevelMaxPool; differs: none.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int,
        build_norm: BuildNorm | None,
        levels: Collection[str] = LEVELS,
    ) -> None:
        super().__init__()
        has_bias = build_norm is None
        self._levels = levels
        self.inner_blocks = nn.ModuleList(
            _block(nn.Conv2d(channels, out_channels, 1, bias=has_bias), build_norm)
            for channels in in_channels
        )
        self.layer_blocks = nn.ModuleList(
            _block(Conv3x3(out_channels, out_channels, bias=has_bias), build_norm)
            if level in levels
            else nn.Identity()
            for level in LEVELS[: len(in_channels)]
        )

    def forward(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the pyramid.

        Args:
            features: "c2" to "c5" -> [b, c, h, w] floating.

        Returns:
            The wanted of "p2" to "p6" -> [b, out_channels, h, w] of the same dtype; p2 to p5 as
            large as c2 to c5, p6 half of p5, rounded up.
        """
        merged = self.inner_blocks[3](features["c5"])
        pyramid = {"p5": self.layer_blocks[3](merged)}
        for index in (2, 1, 0):
            lateral = self.inner_blocks[index](features[f"c{index + 2}"])
            lateral += F.interpolate(merged, lateral.shape[-2:], mode="nearest")
            merged = lateral
            pyramid[f"p{index + 2}"] = self.layer_blocks[index](merged)
        pyramid["p6"] = pyramid["p5"][:, :, ::2, ::2]
        return {level: pyramid[level] for level in LEVELS if level in self._levels}


def _block(conv: nn.Conv2d, build_norm: BuildNorm | None) -> nn.Sequential:
    """The convolution, initialised, and its norm if there is one; no activation."""
    nn.init.kaiming_uniform_(conv.weight, a=1)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return nn.Sequential(conv, *([build_norm(conv.out_channels)] if build_norm else []))
