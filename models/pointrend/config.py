"""Every number of PointRend; one constant a published variant and one for the demo world."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from models.backbones.resnet import Layout
from models.layers.norm import NormKind
from models.pointrend import labels
from models.predictor import Category

PYRAMID_LEVELS = ("p2", "p3", "p4", "p5")
_MAX_CLASSES = 256
_OUTPUT_STRIDE_8 = Layout(dilated_stages=2)


@dataclass(frozen=True)
class PointRendConfig:
    """Architecture, input rule, and the parameters of subdivision and training.

    The defaults are DeepLabV3's on ResNet-50. The publications share the idea and no detail, so
    every detail is a field.

    Attributes:
        categories: channel of the logits -> category.
        has_point_head: without one the coarse answer is the answer.
        resize_rule: whose arithmetic brings a picture to its size, see `preprocess`.
        min_size: wanted shorter side, pixels.
        max_size: limit of the longer side, pixels.
        size_divisor: the padded input's sides are multiples of it.
        is_bgr: channels enter blue first.
        pixel_divisor: of the input's bytes, before mean and standard deviation.
        image_mean, image_std: of the channels in the order and range in which they enter.
        stem_channels, mid_channels, block_counts, layout: of the trunk.
        norm: of the trunk.
        coarse_head: "deeplab" on the trunk's last stage, or "pyramid" on a feature pyramid.
        coarse_norm: of the coarse head's convolutions.
        coarse_channels: of the coarse head's convolutions.
        atrous_rates, coarse_dropout: of the deeplab head.
        pyramid_channels: of every pyramid level.
        fine_level: the map that fine features are sampled from.
        point_channels: widths of the point head's hidden layers.
        is_coarse_first: a point's coarse logits stand before its fine features.
        has_coarse_everywhere: the coarse logits enter every layer of the point head again.
        subdivision_num_points: chosen for each picture in each step.
        subdivision_steps: enlargements; None: until the map is as wide as the input.
        subdivision_aligns_corners: of the enlargement by two.
        refines_own_logits: a point's coarse logits come from the map being refined, not from the
            first coarse map.
        train_num_points: for each picture.
        train_oversample_ratio: candidates for each of them.
        train_importance_ratio: share chosen for uncertainty; the rest is chosen evenly.
        train_counts_ignored: pixels without a label count in the loss's divisor.

    Source: Kirillov et al. 2020; torchvision deeplabv3_resnet50; zsef123/PointRend-PyTorch (facts);
        detectron2 projects/PointRend; mmsegmentation configs/point_rend; differs: none.
    """

    categories: Mapping[int, Category]
    has_point_head: bool = True

    resize_rule: Literal["torchvision", "detectron2", "mmcv"] = "torchvision"
    min_size: int = 520
    max_size: int = 2080  # torchvision has no limit; this one is met from 4:1 on
    size_divisor: int = 1
    is_bgr: bool = False
    pixel_divisor: float = 255.0
    image_mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    image_std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    stem_channels: int = 64
    mid_channels: tuple[int, int, int, int] = (64, 128, 256, 512)
    block_counts: tuple[int, int, int, int] = (3, 4, 6, 3)
    layout: Layout = _OUTPUT_STRIDE_8
    norm: NormKind = "batch"

    coarse_head: Literal["deeplab", "pyramid"] = "deeplab"
    coarse_norm: Literal["batch", "group"] = "batch"
    coarse_channels: int = 256
    atrous_rates: tuple[int, int, int] = (12, 24, 36)
    coarse_dropout: float = 0.5
    pyramid_channels: int = 256
    fine_level: Literal["c2", "c3", "p2"] = "c3"

    point_channels: tuple[int, ...] = ()
    is_coarse_first: bool = True
    has_coarse_everywhere: bool = False

    subdivision_num_points: int = 8096
    subdivision_steps: int | None = None
    subdivision_aligns_corners: bool = True
    refines_own_logits: bool = True

    train_num_points: int = 32
    train_oversample_ratio: int = 3
    train_importance_ratio: float = 0.75
    train_counts_ignored: bool = False

    def __post_init__(self) -> None:
        """Refuse what a label map of bytes cannot hold."""
        if not 2 <= self.class_count <= _MAX_CLASSES:
            raise ValueError(f"{self.class_count} classes: 2 to {_MAX_CLASSES} expected")

    @property
    def class_count(self) -> int:
        """Channels of the logits."""
        return max(self.categories) + 1

    @property
    def pyramid_levels(self) -> tuple[str, ...]:
        """What the heads need of a feature pyramid; empty: there is none."""
        if self.coarse_head == "pyramid":
            return PYRAMID_LEVELS
        return tuple(level for level in PYRAMID_LEVELS if level == self.fine_level)


DEEPLABV3_R50 = PointRendConfig(categories=labels.VOC)

DEEPLABV3_R101 = replace(DEEPLABV3_R50, block_counts=(3, 4, 23, 3))

# The sizes of all files that detectron2 published for it; channels blue, green, red.
FPN_R101_CITYSCAPES = PointRendConfig(
    categories=labels.CITYSCAPES,
    resize_rule="detectron2",
    min_size=1024,
    max_size=2048,
    size_divisor=32,
    is_bgr=True,
    pixel_divisor=1.0,
    image_mean=(103.53, 116.28, 123.675),
    image_std=(1.0, 1.0, 1.0),
    block_counts=(3, 4, 23, 3),
    layout=Layout(has_stride_first=True),
    norm="frozen",
    coarse_head="pyramid",
    coarse_norm="group",
    coarse_channels=128,
    fine_level="p2",
    point_channels=(256, 256, 256),
    is_coarse_first=False,
    subdivision_num_points=8192,
    subdivision_steps=2,
    subdivision_aligns_corners=False,
    refines_own_logits=False,
    train_num_points=2048,
)

FPN_R50_ADE20K = PointRendConfig(
    categories=labels.ADE20K,
    resize_rule="mmcv",
    min_size=512,
    max_size=2048,
    pixel_divisor=1.0,
    image_mean=(123.675, 116.28, 103.53),
    image_std=(58.395, 57.12, 57.375),
    layout=Layout(stem="deep"),
    coarse_head="pyramid",
    coarse_channels=128,
    fine_level="p2",
    point_channels=(256, 256, 256),
    is_coarse_first=False,
    has_coarse_everywhere=True,
    subdivision_num_points=8196,  # as published
    subdivision_steps=2,
    subdivision_aligns_corners=False,
    refines_own_logits=False,
    train_num_points=2048,
    train_counts_ignored=True,
)

FPN_R101_ADE20K = replace(FPN_R50_ADE20K, block_counts=(3, 4, 23, 3))

# Figures are 12 to 50 % of the shorter side across, about 42 to 176 pixels here: the coarse map, at
# stride 16, shows where and what they are, the pyramid, at stride 4, where they end.
DEMO = PointRendConfig(
    categories=labels.FIGURES,
    min_size=352,
    max_size=704,
    size_divisor=16,  # the coarse map and the fine one then cover the same ground
    stem_channels=32,
    mid_channels=(16, 32, 64, 96),
    block_counts=(2, 2, 2, 2),
    layout=Layout(stem="deep", dilated_stages=1),
    coarse_channels=96,
    atrous_rates=(2, 4, 6),
    coarse_dropout=0.0,
    pyramid_channels=64,
    fine_level="p2",
    point_channels=(64, 64),
    has_coarse_everywhere=True,
    subdivision_num_points=2048,
    subdivision_aligns_corners=False,
    refines_own_logits=False,
    train_num_points=2048,
)
