"""Classes and boxes of queries, and the boxes' logits."""

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.deformable_detr.config import DeformableDetrConfig

_EPS = 1e-5
_PRIOR = 0.01  # of any class, at the start of training
_FIRST_SIDES = -2.0  # logit of width and height then, where no proposal gives them


def inverse_sigmoid(scores: Tensor) -> Tensor:
    """Return logits, those of numbers near 0 and 1 cut off.

    Args:
        scores: [...] float32, cut to [0, 1].

    Returns:
        [...] float32, within about 11.5 of 0.

    Source: Deformable-DETR util/misc.py, inverse_sigmoid; differs: none.
    """
    scores = scores.clamp(0, 1)
    return (scores.clamp(min=_EPS) / (1 - scores).clamp(min=_EPS)).log()


class BoxHead(nn.Module):
    """Three linear layers from a query to its box relative to its reference.

    Source: Deformable-DETR deformable_detr.py, MLP; differs: none.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(channels, out) for out in (channels, channels, 4))
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    @property
    def last(self) -> nn.Linear:
        """The layer that gives the shifts; it starts from zeros."""
        return cast("nn.Linear", self.layers[-1])

    def forward(self, queries: Tensor) -> Tensor:
        """Turn [..., c] floating into [..., 4] float32: shifts of (cx, cy, w, h) as logits."""
        first, second, last = self.layers
        return last(F.relu(second(F.relu(first(queries))))).float()


def shift_boxes(shifts: Tensor, references: Tensor) -> Tensor:
    """Return boxes around references.

    Args:
        shifts: [..., 4] float32, of a `BoxHead`.
        references: [..., 2 or 4] float32, in [0, 1], (x, y) or (cx, cy, w, h).

    Returns:
        [..., 4] float32, in [0, 1], cxcywh.
    """
    logits = inverse_sigmoid(references)
    return (shifts + F.pad(logits, (0, 4 - logits.shape[-1]))).sigmoid()


def build_heads(config: DeformableDetrConfig) -> tuple[nn.ModuleList, nn.ModuleList]:
    """Return class heads and box heads, ready for training.

    One of each that all decoder layers share; with refinement one a layer; two-stage networks have
    another at the end, for the encoder's tokens.

    Source: Deformable-DETR deformable_detr.py, DeformableDETR.__init__; differs: shared heads are
        kept once.
    """
    count = config.decoder_layers + config.is_two_stage if config.is_refined else 1
    class_heads = [nn.Linear(config.channels, config.class_count) for _ in range(count)]
    for class_head in class_heads:
        nn.init.constant_(class_head.bias, math.log(_PRIOR / (1 - _PRIOR)))
    box_heads = [BoxHead(config.channels) for _ in range(count)]
    if not config.is_two_stage:
        with torch.no_grad():
            box_heads[0].last.bias[2:] = _FIRST_SIDES
    return nn.ModuleList(class_heads), nn.ModuleList(box_heads)
