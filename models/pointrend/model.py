"""PointRend (Kirillov et al. 2020): image tensors to coarse logits and, from them, fine ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from models.backbones.fpn import FeaturePyramid
from models.backbones.resnet import ResNet
from models.layers.norm import BuildNorm, build_norm
from models.pointrend.coarse_heads import AtrousPyramid, PyramidHead, build_deeplab_head
from models.pointrend.config import PointRendConfig
from models.pointrend.point_head import PointHead
from models.pointrend.subdivision import Subdivision

_NORM_EPS = 1e-5
_NORM_GROUPS = 32


@dataclass(frozen=True)
class CoarseOutputs:
    """What the network says before any refinement.

    Attributes:
        coarse_logits: [b, k, h, w] float32.
        fine_features: [b, c, h', w'] floating, what points are sampled from.
    """

    coarse_logits: Tensor
    fine_features: Tensor


class PointRend(nn.Module):
    """Trunk, pyramid if the heads need one, coarse head, point head if there is one.

    Args:
        config: every number.
    """

    def __init__(self, config: PointRendConfig) -> None:
        super().__init__()
        self.config = config
        trunk_norm = build_norm(config.norm, _NORM_EPS)
        self.trunk = ResNet(
            config.stem_channels,
            config.mid_channels,
            config.block_counts,
            trunk_norm,
            config.layout,
        )
        levels = dict(zip(("c2", "c3", "c4", "c5"), self.trunk.out_channels, strict=True))
        self.neck: FeaturePyramid | None = None
        if config.pyramid_levels:
            self.neck = FeaturePyramid(
                self.trunk.out_channels, config.pyramid_channels, None, config.pyramid_levels
            )
            levels |= dict.fromkeys(config.pyramid_levels, config.pyramid_channels)
        self.coarse_head = _build_coarse_head(config, levels)
        self.point_head: PointHead | None = None
        if config.has_point_head:
            self.point_head = PointHead(levels[config.fine_level], config)

    def forward(self, images: Tensor) -> CoarseOutputs:
        """Classify the coarse grid.

        Args:
            images: [b, 3, h, w] floating, normalised and padded.
        """
        features = self.trunk(images)
        if self.neck is not None:
            features |= self.neck(features)
        is_pyramid = self.config.coarse_head == "pyramid"
        logits = self.coarse_head(features if is_pyramid else features["c5"])
        return CoarseOutputs(logits.float(), features[self.config.fine_level])

    def refine(self, outputs: CoarseOutputs, input_width: int) -> Tensor:
        """Return the refined logits, [b, k, h, w] float32, the coarse ones without a point head.

        Args:
            outputs: of `forward`.
            input_width: of the images it was given, pixels.
        """
        if self.point_head is None:
            return outputs.coarse_logits
        subdivision = Subdivision(self.point_head, self.config)
        return subdivision.refine(outputs.coarse_logits, outputs.fine_features, input_width)


def _build_coarse_head(config: PointRendConfig, levels: Mapping[str, int]) -> nn.Module:
    norm: BuildNorm = (
        partial(nn.GroupNorm, _NORM_GROUPS)
        if config.coarse_norm == "group"
        else build_norm("batch", _NORM_EPS)
    )
    if config.coarse_head == "pyramid":
        return PyramidHead(
            config.pyramid_channels, config.coarse_channels, config.class_count, norm
        )
    channels = config.coarse_channels
    pyramid = AtrousPyramid(
        levels["c5"], channels, config.atrous_rates, config.coarse_dropout, norm
    )
    return build_deeplab_head(pyramid, channels, config.class_count, norm)
