"""The variants: every set of published or included weights, as data."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from models import aot, deformable_detr, mask_rcnn, pointrend

Task = Literal["segment", "semantic", "detect", "track"]
Config = (
    mask_rcnn.MaskRcnnConfig
    | pointrend.PointRendConfig
    | deformable_detr.DeformableDetrConfig
    | aot.AotConfig
)

INCLUDED = "included"
UNTRAINED = "not trained yet"


@dataclass(frozen=True)
class Variant:
    """One set of published or included weights.

    Attributes:
        name: what `zoo.build` and `zoo.load` take.
        family: the folder of its network.
        task: what it does, as the routes call it.
        licence: of the weights.
        score: as published, in words.
        checkpoint: where the file is published, "included", or "not trained yet".
        config: every number of the network.
    """

    name: str
    family: str
    task: Task
    licence: str
    score: str
    checkpoint: str
    config: Config


_COCO_WEIGHTS = "code BSD-3-Clause; weights without a licence of their own, trained on COCO"
_CITYSCAPES_WEIGHTS = (
    "code Apache-2.0; weights CC BY-SA 3.0, trained on Cityscapes (research terms)"
)
_ADE20K_WEIGHTS = "Apache-2.0, trained on ADE20K (research terms)"
_TORCHVISION = "https://download.pytorch.org/models"
_DETECTRON2 = "https://dl.fbaipublicfiles.com/detectron2/PointRend/SemanticSegmentation"
_OPENMMLAB = "https://download.openmmlab.com/mmsegmentation/v0.5/point_rend"
_GOOGLE_DRIVE = "https://drive.google.com/file/d"
_DEFORMABLE_DETR_WEIGHTS = "Apache-2.0, trained on COCO"
_AOT_WEIGHTS = (
    "code BSD-3-Clause; weights without a licence of their own, trained on YouTube-VOS and DAVIS"
)
_PLAIN_DEEPLABV3 = "on COCO val2017 with VOC labels, without a point head"

VARIANTS: Mapping[str, Variant] = MappingProxyType(
    {
        variant.name: variant
        for variant in (
            Variant(
                name="mask_rcnn_r50_fpn",
                family="mask_rcnn",
                task="segment",
                licence=_COCO_WEIGHTS,
                score="COCO val2017 box AP 37.9, mask AP 34.6",
                checkpoint=f"{_TORCHVISION}/maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth",
                config=mask_rcnn.R50_FPN,
            ),
            Variant(
                name="mask_rcnn_r50_fpn_v2",
                family="mask_rcnn",
                task="segment",
                licence=_COCO_WEIGHTS,
                score="COCO val2017 box AP 47.4, mask AP 41.8",
                checkpoint=f"{_TORCHVISION}/maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth",
                config=mask_rcnn.R50_FPN_V2,
            ),
            Variant(
                name="mask_rcnn_demo",
                family="mask_rcnn",
                task="segment",
                licence="Apache-2.0",
                score="see models/demo/mask_rcnn_demo.md",
                checkpoint=INCLUDED,
                config=mask_rcnn.DEMO,
            ),
            Variant(
                name="pointrend_deeplabv3_r50",
                family="pointrend",
                task="semantic",
                licence=_COCO_WEIGHTS,
                score=f"mIoU 66.4 {_PLAIN_DEEPLABV3}",
                checkpoint=f"{_TORCHVISION}/deeplabv3_resnet50_coco-cd0a2569.pth",
                config=pointrend.DEEPLABV3_R50,
            ),
            Variant(
                name="pointrend_deeplabv3_r101",
                family="pointrend",
                task="semantic",
                licence=_COCO_WEIGHTS,
                score=f"mIoU 67.4 {_PLAIN_DEEPLABV3}",
                checkpoint=f"{_TORCHVISION}/deeplabv3_resnet101_coco-586e9e4e.pth",
                config=pointrend.DEEPLABV3_R101,
            ),
            Variant(
                name="pointrend_fpn_r101_cityscapes",
                family="pointrend",
                task="semantic",
                licence=_CITYSCAPES_WEIGHTS,
                score="Cityscapes val mIoU 78.9",
                checkpoint=f"{_DETECTRON2}/pointrend_semantic_R_101_FPN_1x_cityscapes/202576688/"
                "model_final_cf6ac1.pkl",
                config=pointrend.FPN_R101_CITYSCAPES,
            ),
            Variant(
                name="pointrend_fpn_r50_ade20k",
                family="pointrend",
                task="semantic",
                licence=_ADE20K_WEIGHTS,
                score="ADE20K val mIoU 37.64",
                checkpoint=f"{_OPENMMLAB}/pointrend_r50_512x512_160k_ade20k/"
                "pointrend_r50_512x512_160k_ade20k_20200807_232644-ac3febf2.pth",
                config=pointrend.FPN_R50_ADE20K,
            ),
            Variant(
                name="pointrend_fpn_r101_ade20k",
                family="pointrend",
                task="semantic",
                licence=_ADE20K_WEIGHTS,
                score="ADE20K val mIoU 40.02",
                checkpoint=f"{_OPENMMLAB}/pointrend_r101_512x512_160k_ade20k/"
                "pointrend_r101_512x512_160k_ade20k_20200808_030852-8834902a.pth",
                config=pointrend.FPN_R101_ADE20K,
            ),
            Variant(
                name="pointrend_demo",
                family="pointrend",
                task="semantic",
                licence="Apache-2.0",
                score="see models/demo/pointrend_demo.md",
                checkpoint=INCLUDED,
                config=pointrend.DEMO,
            ),
            Variant(
                name="deformable_detr_r50",
                family="deformable_detr",
                task="detect",
                licence=_DEFORMABLE_DETR_WEIGHTS,
                score="COCO val2017 box AP 44.5",
                checkpoint=f"{_GOOGLE_DRIVE}/1nDWZWHuRwtwGden77NLM9JoWe-YisJnA/view",
                config=deformable_detr.R50,
            ),
            Variant(
                name="deformable_detr_r50_refine",
                family="deformable_detr",
                task="detect",
                licence=_DEFORMABLE_DETR_WEIGHTS,
                score="COCO val2017 box AP 46.2",
                checkpoint=f"{_GOOGLE_DRIVE}/1JYKyRYzUH7uo9eVfDaVCiaIGZb5YTCuI/view",
                config=deformable_detr.R50_REFINE,
            ),
            Variant(
                name="deformable_detr_r50_two_stage",
                family="deformable_detr",
                task="detect",
                licence=_DEFORMABLE_DETR_WEIGHTS,
                score="COCO val2017 box AP 46.9",
                checkpoint=f"{_GOOGLE_DRIVE}/15I03A7hNTpwuLNdfuEmW9_taZMNVssEp/view",
                config=deformable_detr.R50_TWO_STAGE,
            ),
            Variant(
                name="deformable_detr_r50_single_scale",
                family="deformable_detr",
                task="detect",
                licence=_DEFORMABLE_DETR_WEIGHTS,
                score="COCO val2017 box AP 39.4",
                checkpoint=f"{_GOOGLE_DRIVE}/1WEjQ9_FgfI5sw5OZZ4ix-OKk-IJ_-SDU/view",
                config=deformable_detr.R50_SINGLE_SCALE,
            ),
            Variant(
                name="deformable_detr_r50_single_scale_dc5",
                family="deformable_detr",
                task="detect",
                licence=_DEFORMABLE_DETR_WEIGHTS,
                score="COCO val2017 box AP 41.5",
                checkpoint=f"{_GOOGLE_DRIVE}/1m_TgMjzH7D44fbA-c_jiBZ-xf-odxGdk/view",
                config=deformable_detr.R50_SINGLE_SCALE_DC5,
            ),
            Variant(
                name="deformable_detr_demo",
                family="deformable_detr",
                task="detect",
                licence="Apache-2.0",
                score="none yet",
                checkpoint=UNTRAINED,
                config=deformable_detr.DEMO,
            ),
            Variant(
                name="aot_t",
                family="aot",
                task="track",
                licence=_AOT_WEIGHTS,
                score="DAVIS 2017 val J&F 79.2",
                checkpoint=f"{_GOOGLE_DRIVE}/1owPmwV4owd_ll6GuilzklqTyAd0ZvbCu/view",
                config=aot.T,
            ),
            Variant(
                name="aot_s",
                family="aot",
                task="track",
                licence=_AOT_WEIGHTS,
                score="DAVIS 2017 val J&F 82.1",
                checkpoint=f"{_GOOGLE_DRIVE}/1beU5E6Mdnr_pPrgjWvdWurKAIwJSz1xf/view",
                config=aot.S,
            ),
            Variant(
                name="aot_b",
                family="aot",
                task="track",
                licence=_AOT_WEIGHTS,
                score="DAVIS 2017 val J&F 83.3",
                checkpoint=f"{_GOOGLE_DRIVE}/1hH-GOn4GAxHkV8ARcQzsUy8Ax6ndot-A/view",
                config=aot.B,
            ),
            Variant(
                name="aot_l",
                family="aot",
                task="track",
                licence=_AOT_WEIGHTS,
                score="DAVIS 2017 val J&F 83.6",
                checkpoint=f"{_GOOGLE_DRIVE}/1L1N2hkSPqrwGgnW9GyFHuG59_EYYfTG4/view",
                config=aot.L,
            ),
            Variant(
                name="aot_r50_l",
                family="aot",
                task="track",
                licence=_AOT_WEIGHTS,
                score="DAVIS 2017 val J&F 85.2",
                checkpoint=f"{_GOOGLE_DRIVE}/1qJDYn3Ibpquu4ffYoQmVjg1YCbr2JQep/view",
                config=aot.R50_L,
            ),
            Variant(
                name="aot_demo",
                family="aot",
                task="track",
                licence="Apache-2.0",
                score="none yet",
                checkpoint=UNTRAINED,
                config=aot.DEMO,
            ),
        )
    }
)
