"""Answers of small networks on a drawn picture, kept once the official numbers agreed.

They guard users' runs, where the official numbers are absent. As a script it records them anew.
"""

import json
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models import zoo
from models.mask_rcnn import R50_FPN, R50_FPN_V2, MaskRcnn, MaskRcnnConfig, build_predictor
from models.predictor import ImagePredictor

PATH = Path(__file__).with_name("mask_rcnn_recorded.json")
_KEPT = 6  # detections of each network

_NARROW: dict[str, Any] = {
    "min_size": 96,
    "max_size": 160,
    "stem_channels": 8,
    "mid_channels": (4, 8, 12, 16),
    "block_counts": (1, 2, 1, 1),
    "pyramid_channels": 16,
    "anchor_sizes": (8, 16, 32, 64, 128),
    "mask_channels": (16, 16),
}


def networks() -> dict[str, ImagePredictor]:
    """Both published architectures, narrow and with drawn weights, and the demo variant."""
    return {
        "v1": _drawn(replace(R50_FPN, box_linears=(32, 32), **_NARROW)),
        "v2": _drawn(replace(R50_FPN_V2, box_linears=(32,), **_NARROW)),
        "demo": zoo.load("mask_rcnn_demo"),
    }


def _drawn(config: MaskRcnnConfig) -> ImagePredictor:
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in MaskRcnn(config).state_dict().items()}
    weights = {name: _values(name, tuple(shape)) for name, shape in shapes.items()}
    return build_predictor(config, weights, "cpu", torch.float32)


def _values(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """Values that depend on the name alone and keep activations near 1, classes apart."""
    uniform = np.random.default_rng(zlib.crc32(name.encode())).uniform(-1, 1, shape)
    if len(shape) > 1:
        gain = 0.05 if "bbox_pred" in name else 0.2 if "cls_" in name else 1
        values = uniform * gain * np.sqrt(6 / np.prod(shape[1:]))
    elif name.endswith(("bias", "mean")):
        values = uniform * 0.1
    else:
        values = 1 + uniform * 0.3
    return torch.as_tensor(values, dtype=torch.float32)


def picture() -> np.ndarray:
    """A ramp with a disc, a square and a ring on it."""
    y, x = np.mgrid[:150, :200].astype(np.float64)
    image = np.stack([60 + x / 2, 120 - y / 3, 90 + (x + y) / 8], axis=2)
    image[(x - 50) ** 2 + (y - 60) ** 2 < 30**2] = (220, 60, 50)
    image[80:130, 110:160] = (40, 90, 230)
    radius = np.hypot(x - 140, y - 40)
    image[(radius < 30) & (radius > 16)] = (250, 220, 40)
    return image.astype(np.uint8)


def answers(predictor: ImagePredictor) -> dict[str, Any]:
    (found,) = predictor.predict([picture()], labels=range(1, 91))
    return {
        "count": len(found.scores),
        "labels": found.labels[:_KEPT].tolist(),
        "scores": [round(score, 5) for score in found.scores[:_KEPT].tolist()],
        "boxes": [[round(side, 3) for side in box] for box in found.boxes_xyxy[:_KEPT].tolist()],
        "areas": found.masks()[:_KEPT].sum(axis=(1, 2)).tolist(),
    }


if __name__ == "__main__":
    recorded = {name: answers(predictor) for name, predictor in networks().items()}
    PATH.write_text(json.dumps(recorded, indent=1) + "\n")
