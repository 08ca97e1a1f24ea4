"""Attention to a few sampled points instead of all tokens, as a module with its projections."""

import math

import torch
from torch import Tensor, nn

from models.deformable_detr.config import DeformableDetrConfig
from models.deformable_detr.position import TokenGrid
from models.ops.deform_attn import deform_attn


class DeformableAttention(nn.Module):
    """Multi-scale deformable attention.

    Args:
        config: channels, heads, points and levels.

    Source: Zhu et al. 2021, section 4.1; Deformable-DETR ms_deform_attn.py, MSDeformAttn;
        differs: none.
    """

    def __init__(self, config: DeformableDetrConfig) -> None:
        super().__init__()
        self._split = (config.heads, config.level_count, config.points)
        samples = math.prod(self._split)
        self.sampling_offsets = nn.Linear(config.channels, samples * 2)
        self.attention_weights = nn.Linear(config.channels, samples)
        self.value_proj = nn.Linear(config.channels, config.channels)
        self.output_proj = nn.Linear(config.channels, config.channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Let the heads look into directions around the reference, point after point farther.

        Source: Zhu et al. 2021, section A.4; Deformable-DETR MSDeformAttn._reset_parameters;
            differs: none.
        """
        heads, levels, points = self._split
        # On the CPU whatever the network is on: on the meta device torch would bring its compiler.
        angles = torch.arange(heads, device="cpu") * (2 * math.pi / heads)
        directions = torch.stack([angles.cos(), angles.sin()], dim=-1)
        directions = directions / directions.abs().amax(-1, keepdim=True)
        steps = torch.arange(1, points + 1, device="cpu")[:, None]
        offsets = (directions[:, None, None] * steps).expand(heads, levels, points, 2)
        with torch.no_grad():
            self.sampling_offsets.weight.zero_()
            self.sampling_offsets.bias.copy_(offsets.flatten())
            self.attention_weights.weight.zero_()
            self.attention_weights.bias.zero_()
        for projection in (self.value_proj, self.output_proj):
            nn.init.xavier_uniform_(projection.weight)
            nn.init.zeros_(projection.bias)

    def forward(
        self, queries: Tensor, references: Tensor, tokens: Tensor, grid: TokenGrid
    ) -> Tensor:
        """Return what every query collects.

        Args:
            queries: [b, q, c] floating, positions included.
            references: [b, q, l, 2 or 4] float32, (x, y) or (x, y, width, height), shares of every
                padded level.
            tokens: [b, s, c] floating, what is sampled.
            grid: where the tokens lie.

        Returns:
            [b, q, c] of the same dtype.
        """
        values = self.value_proj(tokens).masked_fill(grid.padding_mask[..., None], 0)
        locations = self._locations(queries, references, grid)
        heads = locations.shape[2]
        logits = self.attention_weights(queries).float().view(*locations.shape[:3], -1)
        sums = deform_attn(
            values.view(*values.shape[:2], heads, -1),
            grid.shapes,
            locations,
            logits.softmax(-1).view(locations.shape[:-1]),
        )
        return self.output_proj(sums)

    def _locations(self, queries: Tensor, references: Tensor, grid: TokenGrid) -> Tensor:
        """Where to sample: [b, q, m, l, p, 2] float32; offsets count cells, or parts of boxes."""
        heads, levels, points = self._split
        offsets = self.sampling_offsets(queries).float()
        if references.shape[-1] == 2:
            sizes = references.new_tensor([(width, height) for height, width in grid.shapes])
            units = (1 / sizes).expand(1, 1, levels, 2)
        else:
            units = references[..., 2:] * (0.5 / points)
        # Spread over the points before heads join: long rows are quicker than small axes.
        centres, units = (
            part.repeat_interleave(points, dim=2).flatten(2)[:, :, None]
            for part in (references[..., :2], units)
        )
        batch, count = queries.shape[:2]
        locations = torch.addcmul(centres, offsets.view(batch, count, heads, -1), units)
        return locations.view(batch, count, heads, levels, points, 2)
