"""Mask R-CNN (He et al. 2017): image tensors to named raw outputs."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from models.backbones.fpn import FeaturePyramid
from models.backbones.resnet import ResNet
from models.layers.norm import build_norm
from models.mask_rcnn.config import MaskRcnnConfig
from models.mask_rcnn.roi_heads import RoiHeads
from models.mask_rcnn.rpn import Proposals, RegionProposalNetwork


@dataclass(frozen=True)
class RawOutputs:
    """What the network says before any threshold; masks are asked for afterwards.

    Attributes:
        features: "p2" to "p6" -> [b, c, h, w] floating.
        proposals: one record a picture.
        class_logits: [n, k] float32, the proposals of all pictures one after the other.
        box_deltas: [n, k, 4] float32, of the same rows.
    """

    features: dict[str, Tensor]
    proposals: list[Proposals]
    class_logits: Tensor
    box_deltas: Tensor


class Backbone(nn.Module):
    """The trunk and the feature pyramid on top of it."""

    def __init__(self, config: MaskRcnnConfig) -> None:
        super().__init__()
        norm = build_norm(config.norm, config.norm_eps)
        self.body = ResNet(config.stem_channels, config.mid_channels, config.block_counts, norm)
        self.fpn = FeaturePyramid(
            self.body.out_channels,
            config.pyramid_channels,
            norm if config.has_head_norms else None,
        )

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Turn [b, 3, h, w] floating into "p2" to "p6" -> [b, c, h, w] of the same dtype."""
        return self.fpn(self.body(images))


class MaskRcnn(nn.Module):
    """The whole network; its parts are what training calls one by one.

    Args:
        config: every number.

    Source: torchvision MaskRCNN; differs: resizing and thresholds live in the rooms beside it.
    """

    def __init__(self, config: MaskRcnnConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = Backbone(config)
        self.rpn = RegionProposalNetwork(config)
        self.roi_heads = RoiHeads(config)

    def forward(self, images: Tensor, image_sizes: Tensor) -> RawOutputs:
        """Return pyramid, proposals, and the box branch's words on them.

        Args:
            images: [b, 3, h, w] floating, normalised and padded.
            image_sizes: [b, 2] float32, (height, width) of each picture in the input, unpadded.
        """
        features = self.backbone(images)
        rpn_outputs = self.rpn(features, (images.shape[2], images.shape[3]))
        proposals = self.rpn.propose(rpn_outputs, image_sizes)
        boxes_xyxy = [image_proposals.boxes_xyxy for image_proposals in proposals]
        class_logits, box_deltas = self.roi_heads.box_branch(features, boxes_xyxy)
        return RawOutputs(features, proposals, class_logits, box_deltas)

    def mask_scores(
        self, features: dict[str, Tensor], boxes_xyxy: Sequence[Tensor], labels: Tensor
    ) -> Tensor:
        """Return the masks of given boxes, found by this network or not.

        Args:
            features: "p2" to "p5" -> [b, c, h, w] floating.
            boxes_xyxy: a [n, 4] float32 tensor a picture, pixels of the network's input.
            labels: [sum n] int64, picture by picture.

        Returns:
            [sum n, s, s] float32, in [0, 1], over each box; s is twice the mask pooling size.
        """
        return self.roi_heads.mask_branch(features, boxes_xyxy, labels).sigmoid()
