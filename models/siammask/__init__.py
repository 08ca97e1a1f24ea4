"""SiamMask: single objects followed through a video from a box (Wang et al. 2019)."""

from models.siammask.config import BASE, DAVIS, DEMO, VOT, VOT_LD, SiamMaskConfig
from models.siammask.model import SiamMask
from models.siammask.predictor import SiamMaskPredictor, load_network

__all__ = [
    "BASE",
    "DAVIS",
    "DEMO",
    "VOT",
    "VOT_LD",
    "SiamMask",
    "SiamMaskConfig",
    "SiamMaskPredictor",
    "load_network",
]
