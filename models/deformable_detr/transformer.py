"""The transformer: tokens to memory, queries to objects."""

import torch
from torch import Tensor, nn

from models.deformable_detr.attention import DeformableAttention
from models.deformable_detr.config import DeformableDetrConfig
from models.deformable_detr.decoder import Decoder, Queries
from models.deformable_detr.encoder import Encoder
from models.deformable_detr.position import TokenGrid, sine_positions
from models.deformable_detr.two_stage import Proposals, embed_proposals, grid_proposals


class Transformer(nn.Module):
    """Encoder and decoder, and what turns learnt numbers or proposals into queries.

    Args:
        config: every number.

    Source: Deformable-DETR deformable_transformer.py, DeformableTransformer; differs: none.
    """

    def __init__(self, config: DeformableDetrConfig) -> None:
        super().__init__()
        channels = config.channels
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.level_embed = nn.Parameter(torch.empty(config.level_count, channels))
        if config.is_two_stage:
            self.enc_output = nn.Linear(channels, channels)
            self.enc_output_norm = nn.LayerNorm(channels)
            self.pos_trans = nn.Linear(2 * channels, 2 * channels)
            self.pos_trans_norm = nn.LayerNorm(2 * channels)
        else:
            self.reference_points = nn.Linear(channels, 2)
            nn.init.zeros_(self.reference_points.bias)
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter)
        for module in self.modules():
            if isinstance(module, DeformableAttention):
                module.reset_parameters()
        nn.init.normal_(self.level_embed)

    def encode(self, levels: list[Tensor], grid: TokenGrid) -> Tensor:
        """Return the memory of all levels.

        Args:
            levels: [b, c, h, w] floating, finest first.
            grid: of these levels.

        Returns:
            [b, s, c] of the same dtype.
        """
        tokens = torch.cat([level.flatten(2).mT for level in levels], dim=1)
        positions = [
            sine_positions(mask, tokens.shape[-1]).to(tokens.dtype) + self.level_embed[index]
            for index, mask in enumerate(grid.padding_masks)
        ]
        return self.encoder(tokens, torch.cat(positions, dim=1), grid)

    def learnt_queries(self, query_embed: Tensor, batch: int) -> Queries:
        """Return queries that are the same for all pictures.

        Args:
            query_embed: [q, 2 * c] floating: positions, then content.
            batch: number of pictures.
        """
        positions, content = query_embed.expand(batch, -1, -1).chunk(2, dim=-1)
        return Queries(content, positions, self.reference_points(positions).float().sigmoid())

    def propose(
        self, memory: Tensor, grid: TokenGrid, class_head: nn.Module, box_head: nn.Module
    ) -> Proposals:
        """Return a proposal for every token.

        Args:
            memory: [b, s, c] floating.
            grid: where its tokens lie.
            class_head: for tokens.
            box_head: for tokens.
        """
        around_tokens = grid_proposals(grid)
        can_propose = around_tokens[..., :1].isfinite()
        hidden = self.enc_output_norm(self.enc_output(memory * can_propose))
        return Proposals(class_head(hidden).float(), box_head(hidden) + around_tokens)

    def proposed_queries(self, proposals: Proposals, count: int) -> Queries:
        """Return queries made of the best proposals.

        Args:
            proposals: of every token.
            count: of queries; there are never more than tokens.
        """
        box_logits = proposals.best(count)
        embedded = embed_proposals(box_logits, self.pos_trans.in_features)
        embedded = embedded.to(self.pos_trans.weight.dtype)
        positions, content = self.pos_trans_norm(self.pos_trans(embedded)).chunk(2, dim=-1)
        return Queries(content, positions, box_logits.sigmoid())
