"""The decoder: queries look at one another and at the memory, and correct their boxes."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.deformable_detr.attention import DeformableAttention
from models.deformable_detr.config import DeformableDetrConfig
from models.deformable_detr.heads import shift_boxes
from models.deformable_detr.position import TokenGrid


@dataclass(frozen=True)
class Queries:
    """What the decoder starts from.

    Attributes:
        content: [b, q, c] floating.
        positions: [b, q, c] of the same dtype.
        references: [b, q, 2 or 4] float32, in [0, 1], (x, y) or cxcywh of the unpadded picture.
    """

    content: Tensor
    positions: Tensor
    references: Tensor


class DecoderLayer(nn.Module):
    """Self-attention of queries, attention to the memory, a feed-forward part.

    The norms' numbers are those of the published files: the second comes first.

    Args:
        config: widths and dropout.

    Source: Deformable-DETR DeformableTransformerDecoderLayer; differs: none.
    """

    def __init__(self, config: DeformableDetrConfig) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(
            config.channels, config.heads, dropout=config.dropout, batch_first=True
        )
        self.norm2 = nn.LayerNorm(config.channels)
        self.cross_attn = DeformableAttention(config)
        self.norm1 = nn.LayerNorm(config.channels)
        self.linear1 = nn.Linear(config.channels, config.feedforward_channels)
        self.linear2 = nn.Linear(config.feedforward_channels, config.channels)
        self.norm3 = nn.LayerNorm(config.channels)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, queries: Queries, memory: Tensor, grid: TokenGrid) -> Tensor:
        """Return the queries' content after this layer.

        Args:
            queries: before this layer.
            memory: [b, s, c] floating.
            grid: where the memory's tokens lie.

        Returns:
            [b, q, c] of the same dtype.
        """
        content, positions = queries.content, queries.positions
        asking = content + positions
        found, _ = self.self_attn(asking, asking, content, need_weights=False)
        content = self.norm2(content + self.dropout(found))
        references = grid.on_levels(queries.references)
        found = self.cross_attn(content + positions, references, memory, grid)
        content = self.norm1(content + self.dropout(found))
        hidden = self.dropout(F.relu(self.linear1(content), inplace=True))
        return self.norm3(content + self.dropout(self.linear2(hidden)))


class Decoder(nn.Module):
    """A stack of layers, each followed by its boxes."""

    def __init__(self, config: DeformableDetrConfig) -> None:
        super().__init__()
        self._is_refined = config.is_refined
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.decoder_layers))

    def forward(
        self, queries: Queries, memory: Tensor, grid: TokenGrid, box_heads: nn.ModuleList
    ) -> tuple[Tensor, Tensor]:
        """Return content and boxes after every layer.

        Args:
            queries: to start from.
            memory: [b, s, c] floating.
            grid: where the memory's tokens lie.
            box_heads: one a layer, or one for all.

        Returns:
            Content [i, b, q, c] of the memory's dtype and boxes [i, b, q, 4] float32, in [0, 1],
            cxcywh, for i layers. A refined box is the next layer's reference, without a gradient.

        Source: Zhu et al. 2021, section 4.2 and A.4; differs: none.
        """
        contents, boxes = [], []
        for index, layer in enumerate(self.layers):
            content = layer(queries, memory, grid)
            box_head = box_heads[index if self._is_refined else 0]
            boxes_cxcywh_norm = shift_boxes(box_head(content), queries.references)
            contents.append(content)
            boxes.append(boxes_cxcywh_norm)
            references = boxes_cxcywh_norm.detach() if self._is_refined else queries.references
            queries = Queries(content, queries.positions, references)
        return torch.stack(contents), torch.stack(boxes)
