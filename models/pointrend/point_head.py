"""The classifier of single points: a perceptron that sees a point and nothing around it."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.pointrend.config import PointRendConfig


class PointLinear(nn.Conv1d):
    """A linear layer over the last axis whose weight has the published shape, [out, in, 1]."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 1)
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Turn [..., in_channels] floating into [..., out_channels] of the same dtype."""
        return F.linear(features, self.weight[:, :, 0], self.bias)


class PointHead(nn.Module):
    """Linear layers with ReLU over a point's features, then its class logits.

    Args:
        fine_channels: of the fine features.
        config: widths, and where the coarse logits enter.

    Source: Kirillov et al. 2020, section 3.3; detectron2: point_rend/point_head.py,
        StandardPointHead; mmsegmentation: models/decode_heads/point_head.py; differs: one class
        for all publications.
    """

    def __init__(self, fine_channels: int, config: PointRendConfig) -> None:
        super().__init__()
        class_count = config.class_count
        self._is_coarse_first = config.is_coarse_first
        self._has_coarse_everywhere = config.has_coarse_everywhere
        repeated = class_count if config.has_coarse_everywhere else 0
        width = fine_channels + class_count
        self.layers = nn.ModuleList()
        for channels in config.point_channels:
            self.layers.append(PointLinear(width, channels))
            width = channels + repeated
        self.predictor = PointLinear(width, class_count)
        nn.init.normal_(self.predictor.weight, std=0.001)

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """Classify points.

        Args:
            fine: [b, p, c] floating, features of the points.
            coarse: [b, p, k] of the same dtype, their coarse logits.

        Returns:
            [b, p, k] of the same dtype, logits.
        """
        hidden = torch.cat((coarse, fine) if self._is_coarse_first else (fine, coarse), dim=-1)
        for layer in self.layers:
            hidden = F.relu(layer(hidden))
            if self._has_coarse_everywhere:
                hidden = torch.cat((hidden, coarse), dim=-1)
        return self.predictor(hidden)
