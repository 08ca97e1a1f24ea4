"""AOT: many objects followed through a video from masks (Yang et al. 2021)."""

from models.aot.config import DEMO, R50_L, AotConfig, B, L, S, T
from models.aot.model import Aot
from models.aot.predictor import AotPredictor, load_network

__all__ = [
    "DEMO",
    "R50_L",
    "Aot",
    "AotConfig",
    "AotPredictor",
    "B",
    "L",
    "S",
    "T",
    "load_network",
]
