"""AOT (Yang et al. 2021): frames and identities to memories and identity logits.

One row of a batch is a *group*: up to ten objects of one frame. Nothing here remembers a frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.aot.config import AotConfig, MobileNetWidths
from models.aot.decoder import Decoder
from models.aot.lstt import Lstt, LsttOutput
from models.aot.tokens import to_cells, to_tokens
from models.backbones.mobilenet_v2 import MobileNetV2
from models.backbones.resnet import ResNet
from models.layers.norm import build_norm

STRIDE = 16  # of a cell, in pixels of the network's input

# In the published files, but nothing reads it.
UNUSED_NAMES = frozenset({"LSTT.mask_token"})


@dataclass(frozen=True)
class FrameFeatures:
    """What the trunk says of a batch of frames.

    Attributes:
        pyramid: [b, c, h, w] floating, at strides 4, 8 and 16.
        embedding: [b, c, h, w] floating, at stride 16, what the transformer starts from.
    """

    pyramid: tuple[Tensor, ...]
    embedding: Tensor

    def repeat(self, rows: Sequence[int]) -> "FrameFeatures":
        """Return the features of the given rows in their order; themselves if that is all of them.

        Args:
            rows: indices of frames, one a group.
        """
        if list(rows) == list(range(len(self.embedding))):
            return self
        index = torch.tensor(rows, device=self.embedding.device)
        return FrameFeatures(tuple(level[index] for level in self.pyramid), self.embedding[index])


class Aot(nn.Module):
    """The whole network; its parts are what sessions and training call one by one.

    Args:
        config: every number.

    Source: aot-benchmark: networks/models/aot.py; differs: what is remembered is given and
        returned.
    """

    def __init__(self, config: AotConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = _build_encoder(config)
        trunk_channels = self.encoder.out_channels
        self.encoder_projector = nn.Conv2d(trunk_channels[-1], config.embedding_channels, 1)
        # Published names: the transformer and the identity bank.
        self.LSTT = Lstt(config)
        self.decoder = Decoder(config, trunk_channels[:3])
        self.patch_wise_id_bank = nn.Conv2d(
            config.group_objects + 1,
            config.embedding_channels,
            STRIDE + 1,
            stride=STRIDE,
            padding=STRIDE // 2,
        )

    def encode(self, images: Tensor) -> FrameFeatures:
        """Return the features of frames.

        Args:
            images: [b, 3, h, w] floating, normalised; sides are multiples of 16 plus 1.
        """
        levels = list(self.encoder(images).values())
        return FrameFeatures(tuple(levels[:3]), self.encoder_projector(levels[-1]))

    def embed_identities(self, one_hot: Tensor) -> Tensor:
        """Return what is where, as the memory takes it.

        Args:
            one_hot: [b, group_objects + 1, h, w] floating at the input's size, channel 0
                background; a pixel without any identity is zero in all channels.

        Returns:
            [b, t, c] of the same dtype.
        """
        return to_tokens(self.patch_wise_id_bank(one_hot))

    def decode(self, output: LsttOutput, features: FrameFeatures) -> Tensor:
        """Return identity logits.

        Args:
            output: of the transformer.
            features: of the same rows.

        Returns:
            [b, group_objects + 1, h, w] floating, at stride 4; channel 0 is background.
        """
        grid = (features.embedding.shape[2], features.embedding.shape[3])
        layers = [to_cells(tokens, grid) for tokens in output.layers]
        return self.decoder(torch.cat([features.embedding, *layers], dim=1), features.pyramid)


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """Return a channel for each label.

    Args:
        labels: [b, h, w] uint8; those of `classes` and above are in no channel.
        classes: number of channels.

    Returns:
        [b, classes, h, w] bool.
    """
    return labels[:, None] == torch.arange(classes, device=labels.device)[:, None, None]


def _build_encoder(config: AotConfig) -> MobileNetV2 | ResNet:
    norm, widths = build_norm(config.norm, config.norm_eps), config.encoder
    if isinstance(widths, MobileNetWidths):
        return MobileNetV2(widths.stages, widths.stem_channels, widths.last_channels, STRIDE, norm)
    return ResNet(widths.stem_channels, widths.mid_channels, widths.block_counts, norm)
