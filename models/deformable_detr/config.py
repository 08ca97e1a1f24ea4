"""Every number of Deformable DETR; one constant a published variant and one for the demo world."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from models import labels
from models.layers.norm import NormKind
from models.predictor import Category


@dataclass(frozen=True)
class DeformableDetrConfig:
    """Architecture, input rule, and the parameters of inference and training.

    The defaults are the numbers of `deformable_detr_r50`.

    Attributes:
        categories: label -> category; a label is a column of the class logits.
        min_size, max_size: wanted shorter side and limit of the longer side, pixels.
        size_divisor: both sides of the input are rounded to multiples of it, each by itself.
        image_mean, image_std: of RGB in [0, 1].
        stem_channels, mid_channels, block_counts: of the trunk.
        dilated_stages: of the trunk, counted from its end.
        norm, norm_eps: of the trunk.
        frozen: beginnings of the names of parameters that training leaves as they are.
        trunk_levels: the trunk's outputs that are attended to, finest first.
        extra_levels: made of the trunk's last output, each half as fine as the one before.
        channels: of tokens and queries; a multiple of 8 and of `heads`.
        groups: of the normalisation of the levels.
        heads, points: of the deformable attention; points of each head, level and query.
        encoder_layers, decoder_layers, feedforward_channels: of the transformer.
        dropout: while training.
        query_count: objects that can be told apart in one picture.
        is_refined: every decoder layer starts from the boxes of the layer before.
        is_two_stage: the first boxes come from the encoder's tokens; needs `is_refined`.
        max_detections: best candidates of a picture.
        class_weight, l1_weight, giou_weight: of the matching and of the losses.
        focal_alpha, focal_gamma: of the class loss and the class cost.

    Source: Zhu et al. 2021; Deformable-DETR main.py; differs: none.
    """

    categories: Mapping[int, Category]

    min_size: int = 800
    max_size: int = 1333
    size_divisor: int = 1
    image_mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    image_std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    stem_channels: int = 64
    mid_channels: tuple[int, int, int, int] = (64, 128, 256, 512)
    block_counts: tuple[int, int, int, int] = (3, 4, 6, 3)
    dilated_stages: int = 0
    norm: NormKind = "frozen"
    norm_eps: float = 1e-5
    frozen: tuple[str, ...] = ("backbone.0.body.conv1.", "backbone.0.body.layer1.")

    trunk_levels: tuple[str, ...] = ("c3", "c4", "c5")
    extra_levels: int = 1
    channels: int = 256
    groups: int = 32
    heads: int = 8
    points: int = 4
    encoder_layers: int = 6
    decoder_layers: int = 6
    feedforward_channels: int = 1024
    dropout: float = 0.1
    query_count: int = 300
    is_refined: bool = False
    is_two_stage: bool = False

    max_detections: int = 100

    class_weight: float = 2.0
    l1_weight: float = 5.0
    giou_weight: float = 2.0
    focal_alpha: float = 0.25
    focal_gamma: float = 2.0

    def __post_init__(self) -> None:
        if self.is_two_stage and not self.is_refined:
            raise ValueError("a two-stage network refines its boxes: is_refined must be set")

    @property
    def class_count(self) -> int:
        """Columns of the class logits, those of unused ids included."""
        return max(self.categories) + 1

    @property
    def level_count(self) -> int:
        """Maps that are attended to."""
        return len(self.trunk_levels) + self.extra_levels


R50 = DeformableDetrConfig(categories=labels.COCO)

R50_REFINE = replace(R50, is_refined=True)

R50_TWO_STAGE = replace(R50_REFINE, is_two_stage=True)

R50_SINGLE_SCALE = replace(R50, trunk_levels=("c5",), extra_levels=0)

R50_SINGLE_SCALE_DC5 = replace(R50_SINGLE_SCALE, dilated_stages=1)

# Figures are 12 to 50 % of the shorter side across, about 27 to 112 pixels here and less in long
# pictures, and eight at most: three levels show them all, and few queries find them.
DEMO = DeformableDetrConfig(
    categories=labels.FIGURES,
    min_size=224,
    max_size=288,
    size_divisor=32,  # canvases of training are such; cells that a border cuts shift the boxes
    stem_channels=32,
    mid_channels=(16, 32, 64, 128),
    block_counts=(2, 2, 2, 2),
    norm="batch",
    frozen=(),
    extra_levels=0,
    channels=96,
    groups=16,
    heads=4,
    encoder_layers=1,
    decoder_layers=3,
    feedforward_channels=256,
    dropout=0.0,
    query_count=30,
    is_refined=True,
    is_two_stage=True,
)
