"""The variants: every set of published or included weights, as data."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from models import aot, deformable_detr, mask_rcnn, pointrend, siammask
from models.published import PUBLICATIONS, PublishedFile

Task = Literal["segment", "semantic", "detect", "track"]
Config = (
    mask_rcnn.MaskRcnnConfig
    | pointrend.PointRendConfig
    | deformable_detr.DeformableDetrConfig
    | aot.AotConfig
    | siammask.SiamMaskConfig
)


@dataclass(frozen=True)
class Variant:
    """One set of published or included weights; `published.toml` tells what its name stands for.

    Attributes:
        name: what `zoo.build` and `zoo.load` take.
        family: the folder of its network.
        task: what it does, as the routes call it.
        config: every number of the network.
    """

    name: str
    family: str
    task: Task
    config: Config

    @property
    def licence(self) -> str:
        """Of the weights."""
        return PUBLICATIONS[self.name].licence

    @property
    def score(self) -> str:
        """As published, in words."""
        return PUBLICATIONS[self.name].score

    @property
    def checkpoint(self) -> str:
        """Where the preferred file is published, or that there is none; see `Publication`."""
        return PUBLICATIONS[self.name].checkpoint

    @property
    def files(self) -> tuple[PublishedFile, ...]:
        """Published files with these weights, the preferred one first; none for the demos."""
        return PUBLICATIONS[self.name].files


# (family, task) -> its variants.
_CONFIGS: Mapping[tuple[str, Task], Mapping[str, Config]] = MappingProxyType(
    {
        ("mask_rcnn", "segment"): {
            "mask_rcnn_r50_fpn": mask_rcnn.R50_FPN,
            "mask_rcnn_r50_fpn_v2": mask_rcnn.R50_FPN_V2,
            "mask_rcnn_demo": mask_rcnn.DEMO,
        },
        ("pointrend", "semantic"): {
            "pointrend_deeplabv3_r50": pointrend.DEEPLABV3_R50,
            "pointrend_deeplabv3_r101": pointrend.DEEPLABV3_R101,
            "pointrend_fpn_r101_cityscapes": pointrend.FPN_R101_CITYSCAPES,
            "pointrend_fpn_r50_ade20k": pointrend.FPN_R50_ADE20K,
            "pointrend_fpn_r101_ade20k": pointrend.FPN_R101_ADE20K,
            "pointrend_demo": pointrend.DEMO,
        },
        ("deformable_detr", "detect"): {
            "deformable_detr_r50": deformable_detr.R50,
            "deformable_detr_r50_refine": deformable_detr.R50_REFINE,
            "deformable_detr_r50_two_stage": deformable_detr.R50_TWO_STAGE,
            "deformable_detr_r50_single_scale": deformable_detr.R50_SINGLE_SCALE,
            "deformable_detr_r50_single_scale_dc5": deformable_detr.R50_SINGLE_SCALE_DC5,
            "deformable_detr_demo": deformable_detr.DEMO,
        },
        ("aot", "track"): {
            "aot_t": aot.T,
            "aot_s": aot.S,
            "aot_b": aot.B,
            "aot_l": aot.L,
            "aot_r50_l": aot.R50_L,
            "aot_demo": aot.DEMO,
        },
        ("siammask", "track"): {
            "siammask_davis": siammask.DAVIS,
            "siammask_vot": siammask.VOT,
            "siammask_vot_ld": siammask.VOT_LD,
            "siammask_base": siammask.BASE,
            "siammask_demo": siammask.DEMO,
        },
    }
)

VARIANTS: Mapping[str, Variant] = MappingProxyType(
    {
        name: Variant(name, family, task, config)
        for (family, task), configs in _CONFIGS.items()
        for name, config in configs.items()
    }
)
