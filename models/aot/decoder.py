"""The decoder: transformer outputs and trunk features to identity logits, coarse to fine."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from models.aot.config import AotConfig


class ConvNorm(nn.Module):
    """A convolution and a group norm.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        size: of the kernel, odd.
        groups: of the norm.
    """

    def __init__(self, in_channels: int, out_channels: int, size: int, groups: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, size, padding=size // 2)
        self.gn = nn.GroupNorm(groups, out_channels)

    def forward(self, features: Tensor) -> Tensor:
        """Turn [b, in_channels, h, w] floating into [b, out_channels, h, w]."""
        return self.gn(self.conv(features))


class Decoder(nn.Module):
    """Add trunk features of strides 16, 8 and 4, one level after the other.

    Args:
        config: of the network.
        trunk_channels: of the trunk at strides 4, 8 and 16.

    Source: aot-benchmark: networks/decoders/fpn.py, FPNSegmentationHead; differs: none.
    """

    def __init__(self, config: AotConfig, trunk_channels: Sequence[int]) -> None:
        super().__init__()
        coarse, middle, fine = config.decoder_channels
        groups = config.decoder_groups
        self.conv_in = ConvNorm(config.embedding_channels * (config.layers + 1), coarse, 1, groups)
        self.conv_16x = ConvNorm(coarse, coarse, 3, groups)
        self.conv_8x = ConvNorm(coarse, middle, 3, groups)
        self.conv_4x = ConvNorm(middle, fine, 3, groups)
        self.adapter_16x = nn.Conv2d(trunk_channels[2], coarse, 1)
        self.adapter_8x = nn.Conv2d(trunk_channels[1], coarse, 1)
        self.adapter_4x = nn.Conv2d(trunk_channels[0], middle, 1)
        self.conv_out = nn.Conv2d(fine, config.group_objects + 1, 1)

    def forward(self, embeddings: Tensor, pyramid: Sequence[Tensor]) -> Tensor:
        """Return the logits of every identity.

        Args:
            embeddings: [b, (layers + 1) * c, h, w] floating: the frame's own, then every layer's.
            pyramid: [b, c, h, w] of the same dtype, trunk features at strides 4, 8 and 16.

        Returns:
            [b, group_objects + 1, h, w] of the same dtype, at stride 4; channel 0 is background.
        """
        fine, middle, coarse = pyramid
        hidden = F.relu(self.conv_in(embeddings))
        hidden = F.relu(self.conv_16x(self.adapter_16x(coarse) + hidden))
        hidden = F.relu(self.conv_8x(self.adapter_8x(middle) + _upsample(hidden, middle)))
        hidden = F.relu(self.conv_4x(self.adapter_4x(fine) + _upsample(hidden, fine)))
        return self.conv_out(hidden)


def _upsample(features: Tensor, target: Tensor) -> Tensor:
    """To the target's height and width, corner pixels on corner pixels."""
    return F.interpolate(features, target.shape[2:], mode="bilinear", align_corners=True)
