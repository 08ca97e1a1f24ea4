"""PointRend: semantic segmentation with refined borders (Kirillov et al. 2020)."""

from models.pointrend.config import (
    DEEPLABV3_R50,
    DEEPLABV3_R101,
    DEMO,
    FPN_R50_ADE20K,
    FPN_R101_ADE20K,
    FPN_R101_CITYSCAPES,
    PointRendConfig,
)
from models.pointrend.model import PointRend
from models.pointrend.predictor import PointRendPredictor, load_network

__all__ = [
    "DEEPLABV3_R50",
    "DEEPLABV3_R101",
    "DEMO",
    "FPN_R50_ADE20K",
    "FPN_R101_ADE20K",
    "FPN_R101_CITYSCAPES",
    "PointRend",
    "PointRendConfig",
    "PointRendPredictor",
    "load_network",
]
