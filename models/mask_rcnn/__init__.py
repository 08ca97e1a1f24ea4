"""Mask R-CNN: instance segmentation (He et al. 2017)."""

from models.mask_rcnn.config import DEMO, R50_FPN, R50_FPN_V2, MaskRcnnConfig
from models.mask_rcnn.model import MaskRcnn
from models.mask_rcnn.predictor import MaskRcnnPredictor, load_network

__all__ = [
    "DEMO",
    "R50_FPN",
    "R50_FPN_V2",
    "MaskRcnn",
    "MaskRcnnConfig",
    "MaskRcnnPredictor",
    "load_network",
]
