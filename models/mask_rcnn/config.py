"""Every number of Mask R-CNN; one constant a published variant and one for the demo world."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from models import labels
from models.layers.norm import NormKind
from models.predictor import Category


@dataclass(frozen=True)
class MaskRcnnConfig:
    """Architecture, input rule, and the parameters of inference and training.

    The defaults are the numbers of `mask_rcnn_r50_fpn`. Names of parameters follow torchvision.

    Attributes:
        categories: label -> category; label 0 is background.
        min_size, max_size: wanted shorter side and limit of the longer side, pixels.
        size_divisor: the padded input's sides are multiples of it.
        image_mean, image_std: of RGB in [0, 1].
        stem_channels, mid_channels, block_counts: of the trunk.
        norm, norm_eps: of the trunk and, where they have norms, of pyramid and heads.
        has_head_norms: norms in the pyramid and in the heads' convolutions.
        pyramid_channels: of every pyramid level.
        anchor_sizes: one a level p2 to p6, pixels. anchor_ratios: heights over widths.
        rpn_convs: 3x3 convolutions before the RPN's outputs.
        rpn_min_side, box_min_side: smaller boxes are dropped, pixels.
        roi_canonical_size: side of the box that is pooled from p4, pixels.
        box_convs, box_linears: the box head's convolutions and the widths of its linear layers.
        box_weights: factors of the box head's deltas.
        mask_channels: one entry a convolution of the mask head; the last is the upsampling's too.

    Source: torchvision maskrcnn_resnet50_fpn, maskrcnn_resnet50_fpn_v2; differs: none.
    """

    categories: Mapping[int, Category]

    min_size: int = 800
    max_size: int = 1333
    size_divisor: int = 32
    image_mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    image_std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    stem_channels: int = 64
    mid_channels: tuple[int, int, int, int] = (64, 128, 256, 512)
    block_counts: tuple[int, int, int, int] = (3, 4, 6, 3)
    norm: NormKind = "frozen"
    # The published file holds running variances so small that the usual 1e-5 changes its answers.
    norm_eps: float = 0.0
    has_head_norms: bool = False
    pyramid_channels: int = 256

    anchor_sizes: tuple[float, float, float, float, float] = (32, 64, 128, 256, 512)
    anchor_ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    rpn_convs: int = 1
    rpn_pre_nms_top_n_train: int = 2000
    rpn_pre_nms_top_n_test: int = 1000
    rpn_post_nms_top_n_train: int = 2000
    rpn_post_nms_top_n_test: int = 1000
    rpn_nms_thresh: float = 0.7
    rpn_score_thresh: float = 0.0
    rpn_min_side: float = 1e-3
    rpn_fg_iou_thresh: float = 0.7
    rpn_bg_iou_thresh: float = 0.3
    rpn_batch_size_per_image: int = 256
    rpn_positive_fraction: float = 0.5

    roi_canonical_size: float = 224
    roi_sampling_ratio: int = 2
    box_pool_size: int = 7
    box_convs: int = 0
    box_linears: tuple[int, ...] = (1024, 1024)
    box_weights: tuple[float, float, float, float] = (10.0, 10.0, 5.0, 5.0)
    box_min_side: float = 1e-2
    box_score_thresh: float = 0.05
    box_nms_thresh: float = 0.5
    box_detections_per_img: int = 100
    box_fg_iou_thresh: float = 0.5
    box_bg_iou_thresh: float = 0.5
    box_batch_size_per_image: int = 512
    box_positive_fraction: float = 0.25

    mask_pool_size: int = 14
    mask_channels: tuple[int, ...] = (256, 256, 256, 256)

    @property
    def class_count(self) -> int:
        """Channels of the class outputs, background's included."""
        return max(self.categories) + 1


R50_FPN = MaskRcnnConfig(categories=labels.COCO)

R50_FPN_V2 = replace(
    R50_FPN,
    norm="batch",
    norm_eps=1e-5,
    has_head_norms=True,
    rpn_convs=2,
    box_convs=4,
    box_linears=(1024,),
)

# Figures are 12 to 50 % of the shorter side across, about 25 to 110 pixels here. Proposals are few:
# a picture holds eight figures at most.
DEMO = MaskRcnnConfig(
    categories=labels.FIGURES,
    min_size=224,
    max_size=448,
    stem_channels=32,
    mid_channels=(16, 32, 64, 128),
    block_counts=(2, 2, 2, 2),
    norm="batch",
    norm_eps=1e-5,
    has_head_norms=True,
    pyramid_channels=48,
    anchor_sizes=(24, 40, 64, 100, 152),
    rpn_pre_nms_top_n_train=200,
    rpn_post_nms_top_n_train=150,
    rpn_pre_nms_top_n_test=200,
    rpn_post_nms_top_n_test=100,
    rpn_batch_size_per_image=128,
    box_linears=(256, 256),
    box_batch_size_per_image=48,
    mask_channels=(48, 48, 48),
)
