"""The encoder: tokens of all levels look at one another."""

from torch import Tensor, nn
from torch.nn import functional as F

from models.deformable_detr.attention import DeformableAttention
from models.deformable_detr.config import DeformableDetrConfig
from models.deformable_detr.position import TokenGrid


class EncoderLayer(nn.Module):
    """Deformable self-attention, then a feed-forward part, each with its norm behind it.

    Args:
        config: widths and dropout.

    Source: Deformable-DETR DeformableTransformerEncoderLayer; differs: none.
    """

    def __init__(self, config: DeformableDetrConfig) -> None:
        super().__init__()
        self.self_attn = DeformableAttention(config)
        self.norm1 = nn.LayerNorm(config.channels)
        self.linear1 = nn.Linear(config.channels, config.feedforward_channels)
        self.linear2 = nn.Linear(config.feedforward_channels, config.channels)
        self.norm2 = nn.LayerNorm(config.channels)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self, tokens: Tensor, positions: Tensor, references: Tensor, grid: TokenGrid
    ) -> Tensor:
        """Return the tokens after this layer.

        Args:
            tokens: [b, s, c] floating.
            positions: [b, s, c] of the same dtype.
            references: [b, s, l, 2] float32, see `DeformableAttention`.
            grid: where the tokens lie.

        Returns:
            [b, s, c] of the same dtype.
        """
        found = self.self_attn(tokens + positions, references, tokens, grid)
        tokens = self.norm1(tokens + self.dropout(found))
        hidden = self.dropout(F.relu(self.linear1(tokens), inplace=True))
        return self.norm2(tokens + self.dropout(self.linear2(hidden)))


class Encoder(nn.Module):
    """A stack of layers that share positions and references; no norm at the end."""

    def __init__(self, config: DeformableDetrConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.encoder_layers))

    def forward(self, tokens: Tensor, positions: Tensor, grid: TokenGrid) -> Tensor:
        """Return the memory.

        Args:
            tokens: [b, s, c] floating.
            positions: [b, s, c] of the same dtype, the level's included.
            grid: where the tokens lie.

        Returns:
            [b, s, c] of the same dtype.
        """
        references = grid.on_levels(grid.centres())
        for layer in self.layers:
            tokens = layer(tokens, positions, references, grid)
        return tokens
