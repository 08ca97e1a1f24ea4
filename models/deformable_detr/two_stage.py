"""Proposals of the two-stage network: a box around every token, and queries made of the best."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from models.deformable_detr.position import TokenGrid, sine_embedding

_FINEST_SIDE = 0.05  # of a proposal on the first level, as a share of the picture
_MARGIN = 0.01  # from the picture's border and from no size at all


@dataclass(frozen=True)
class Proposals:
    """What the encoder's tokens say; the first column of the class logits is objectness.

    Attributes:
        class_logits: [b, s, k] float32.
        box_logits: [b, s, 4] float32, the logits of boxes_cxcywh_norm; infinite where a token
            cannot propose.
    """

    class_logits: Tensor
    box_logits: Tensor

    def best(self, count: int) -> Tensor:
        """Return the box logits of the likeliest objects, or all if there are fewer.

        Args:
            count: of proposals.

        Returns:
            [b, count, 4] float32, best first, without a gradient.
        """
        objectness = self.class_logits[..., 0]
        index = objectness.topk(min(count, objectness.shape[1])).indices
        return self.box_logits.gather(1, index[..., None].expand(-1, -1, 4)).detach()


def grid_proposals(grid: TokenGrid) -> Tensor:
    """Return a square around every token, its side given by the level.

    Args:
        grid: where the tokens lie.

    Returns:
        [b, s, 4] float32, the logits of boxes_cxcywh_norm; infinite for padding and for boxes too
        near the border.

    Source: Zhu et al. 2021, section A.4; Deformable-DETR gen_encoder_output_proposals;
        differs: none.
    """
    centres = grid.centres()
    cells = torch.tensor([height * width for height, width in grid.shapes], device=centres.device)
    levels = torch.arange(len(cells), device=centres.device).repeat_interleave(cells)
    sides = (_FINEST_SIDE * 2.0**levels)[:, None].expand(centres.shape)
    boxes_cxcywh_norm = torch.cat([centres, sides], dim=-1)
    is_inside = (boxes_cxcywh_norm > _MARGIN) & (boxes_cxcywh_norm < 1 - _MARGIN)
    can_propose = is_inside.all(-1) & ~grid.padding_mask
    logits = (boxes_cxcywh_norm / (1 - boxes_cxcywh_norm)).log()
    return torch.where(can_propose[..., None], logits, math.inf)


def embed_proposals(box_logits: Tensor, channels: int) -> Tensor:
    """Return proposals as sines and cosines.

    Args:
        box_logits: [..., 4] float32, infinite ones included.
        channels: of the result, a multiple of 8.

    Returns:
        [..., channels] float32, in [-1, 1], a quarter each for x, y, width, height.

    Source: Deformable-DETR get_proposal_pos_embed; differs: none.
    """
    return sine_embedding(box_logits.sigmoid() * (2 * math.pi), channels // 4)
