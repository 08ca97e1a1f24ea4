"""Region proposals (Ren et al. 2015): which anchors hold an object, and where it really is."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.layers.conv import Conv3x3
from models.mask_rcnn.config import MaskRcnnConfig
from models.ops import anchors, boxes
from models.ops.grouping import members
from models.ops.nms import nms

_DELTA_WEIGHTS = (1.0, 1.0, 1.0, 1.0)


@dataclass(frozen=True)
class RpnOutputs:
    """What the RPN's head says of every anchor, a tensor a level p2 to p6.

    Anchors of a level run row by row, then column, then ratio.

    Attributes:
        objectness_logits: [b, h * w * a] float32 each.
        box_deltas: [b, h * w * a, 4] float32 each, see `models.ops.boxes.encode`.
        anchors_xyxy: [h * w * a, 4] float32 each, pixels of the network's input.
    """

    objectness_logits: list[Tensor]
    box_deltas: list[Tensor]
    anchors_xyxy: list[Tensor]


@dataclass(frozen=True)
class Proposals:
    """Boxes worth a closer look in one picture.

    Attributes:
        boxes_xyxy: [n, 4] float32, pixels of the network's input, best first.
        scores: [n] float32, in [0, 1], falling.
    """

    boxes_xyxy: Tensor
    scores: Tensor


class RpnHead(nn.Module):
    """Convolutions shared by all levels, then an objectness and four deltas an anchor."""

    def __init__(self, channels: int, anchor_count: int, convs: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            *(
                nn.Sequential(Conv3x3(channels, channels), nn.ReLU(inplace=True))
                for _ in range(convs)
            )
        )
        self.cls_logits = nn.Conv2d(channels, anchor_count, 1)
        self.bbox_pred = nn.Conv2d(channels, 4 * anchor_count, 1)
        for name, parameter in self.named_parameters():
            nn.init.normal_(parameter, std=0.0 if name.endswith("bias") else 0.01)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return objectness logits and box deltas of one level.

        Args:
            features: [b, c, h, w] floating.

        Returns:
            [b, a, h, w] and [b, 4 * a, h, w] of the same dtype; deltas anchor by anchor.
        """
        hidden = self.conv(features)
        return self.cls_logits(hidden), self.bbox_pred(hidden)


class RegionProposalNetwork(nn.Module):
    """The head over all levels, and the rule that makes proposals of its outputs."""

    def __init__(self, config: MaskRcnnConfig) -> None:
        super().__init__()
        self.config = config
        self.head = RpnHead(config.pyramid_channels, len(config.anchor_ratios), config.rpn_convs)

    def forward(self, features: Mapping[str, Tensor], padded_size: tuple[int, int]) -> RpnOutputs:
        """Judge every anchor.

        Args:
            features: "p2" to "p6" -> [b, c, h, w] floating.
            padded_size: (height, width) of the network's input, pixels.
        """
        levels = [features[name] for name in ("p2", "p3", "p4", "p5", "p6")]
        outputs = [self.head(level) for level in levels]
        return RpnOutputs(
            [logits.permute(0, 2, 3, 1).flatten(1).float() for logits, _ in outputs],
            [
                deltas.permute(0, 2, 3, 1).reshape(len(deltas), -1, 4).float()
                for _, deltas in outputs
            ],
            anchors.pyramid_anchors(
                self.config.anchor_sizes,
                self.config.anchor_ratios,
                padded_size,
                [(level.shape[2], level.shape[3]) for level in levels],
                levels[0].device,
            ),
        )

    @torch.no_grad()
    def propose(self, outputs: RpnOutputs, image_sizes: Tensor) -> list[Proposals]:
        """Return the best boxes of every picture; how many depends on training or inference.

        Args:
            outputs: of `forward`.
            image_sizes: [b, 2] float32, (height, width) of each picture in the input, unpadded.
        """
        before, after = (
            (self.config.rpn_pre_nms_top_n_train, self.config.rpn_post_nms_top_n_train)
            if self.training
            else (self.config.rpn_pre_nms_top_n_test, self.config.rpn_post_nms_top_n_test)
        )
        boxes_xyxy, scores, levels = _best_of_levels(outputs, before)
        boxes_xyxy = boxes.clip(boxes_xyxy, image_sizes[:, None])
        is_valid = boxes.has_sides(boxes_xyxy, self.config.rpn_min_side)
        is_valid &= scores >= self.config.rpn_score_thresh
        image_index, position = is_valid.nonzero(as_tuple=True)
        boxes_xyxy, scores = (part[image_index, position] for part in (boxes_xyxy, scores))
        group_ids = image_index * len(outputs.anchors_xyxy) + levels[position]
        kept = nms(boxes_xyxy, scores, group_ids, self.config.rpn_nms_thresh)
        best = [kept[rows[:after]] for rows in members(image_index[kept], len(image_sizes))]
        return [Proposals(boxes_xyxy[rows], scores[rows]) for rows in best]


def _best_of_levels(outputs: RpnOutputs, top_n: int) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes [b, n, 4], scores [b, n] and levels [n] of the best `top_n` anchors of each level."""
    best_deltas, best_anchors, scores, levels = [], [], [], []
    for level, (logits, deltas, level_anchors) in enumerate(
        zip(outputs.objectness_logits, outputs.box_deltas, outputs.anchors_xyxy, strict=True)
    ):
        best_logits, best = logits.topk(min(top_n, logits.shape[1]), dim=1)
        best_deltas.append(deltas.gather(1, best[:, :, None].expand(-1, -1, 4)))
        best_anchors.append(level_anchors[best])
        scores.append(best_logits.sigmoid())
        levels.append(torch.full_like(best[0], level))
    boxes_xyxy = boxes.decode(torch.cat(best_deltas, 1), torch.cat(best_anchors, 1), _DELTA_WEIGHTS)
    return boxes_xyxy, torch.cat(scores, 1), torch.cat(levels)
