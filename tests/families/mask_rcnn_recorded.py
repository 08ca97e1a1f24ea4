"""Answers of small networks on a drawn picture, kept once the official numbers agreed.

They guard users' runs, where the official numbers are absent. As a script it records them anew.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from models import zoo
from models.layers.inference import prepare
from models.mask_rcnn import (
    R50_FPN,
    R50_FPN_V2,
    MaskRcnn,
    MaskRcnnConfig,
    MaskRcnnPredictor,
    load_network,
)
from models.predictor import ImagePredictor
from tests.families.drawn import picture, values

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
    weights = {name: values(name, tuple(shape), _gain(name)) for name, shape in shapes.items()}
    return MaskRcnnPredictor(prepare(load_network(config, weights), "cpu", torch.float32))


def _gain(name: str) -> float:
    """Small where boxes would leave the picture, or classes be all alike."""
    return 0.05 if "bbox_pred" in name else 0.2 if "cls_" in name else 1


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
