"""Deformable DETR: detection without anchors or suppression (Zhu et al. 2021)."""

from models.deformable_detr.config import (
    DEMO,
    R50,
    R50_REFINE,
    R50_SINGLE_SCALE,
    R50_SINGLE_SCALE_DC5,
    R50_TWO_STAGE,
    DeformableDetrConfig,
)
from models.deformable_detr.model import DeformableDetr
from models.deformable_detr.predictor import DeformableDetrPredictor, load_network

__all__ = [
    "DEMO",
    "R50",
    "R50_REFINE",
    "R50_SINGLE_SCALE",
    "R50_SINGLE_SCALE_DC5",
    "R50_TWO_STAGE",
    "DeformableDetr",
    "DeformableDetrConfig",
    "DeformableDetrPredictor",
    "load_network",
]
