"""Answers of small networks on a drawn picture, kept once the official numbers agreed.

They guard users' runs, where the official numbers are absent. As a script it records them anew.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from models import zoo
from models.deformable_detr import (
    R50,
    R50_REFINE,
    R50_TWO_STAGE,
    DeformableDetr,
    DeformableDetrConfig,
    DeformableDetrPredictor,
    load_network,
)
from models.layers.inference import prepare
from models.predictor import ImagePredictor
from tests.families.drawn import picture, values

PATH = Path(__file__).with_name("deformable_detr_recorded.json")
_KEPT = 6  # detections of each network
_CLASS_GAIN = 0.5  # scores stay apart

_NARROW: dict[str, Any] = {
    "min_size": 96,
    "max_size": 160,
    "stem_channels": 8,
    "mid_channels": (4, 8, 12, 16),
    "block_counts": (1, 1, 1, 1),
    "channels": 32,
    "groups": 8,
    "heads": 4,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "feedforward_channels": 48,
    "query_count": 20,
}


def networks() -> dict[str, ImagePredictor]:
    """The published architectures, narrow and with drawn weights, and the demo variant."""
    published = {"plain": R50, "refine": R50_REFINE, "two_stage": R50_TWO_STAGE}
    narrow = {name: _drawn(replace(config, **_NARROW)) for name, config in published.items()}
    return {**narrow, "demo": zoo.load("deformable_detr_demo")}


def _drawn(config: DeformableDetrConfig) -> ImagePredictor:
    with torch.device("meta"):
        shapes = {n: tensor.shape for n, tensor in DeformableDetr(config).state_dict().items()}
    weights = {
        name: values(name, tuple(shape), _CLASS_GAIN if "class_embed" in name else 1)
        for name, shape in shapes.items()
    }
    return DeformableDetrPredictor(prepare(load_network(config, weights), "cpu", torch.float32))


def answers(predictor: ImagePredictor) -> dict[str, Any]:
    (found,) = predictor.predict([picture()], labels=range(1, 91))
    return {
        "count": len(found.scores),
        "labels": found.labels[:_KEPT].tolist(),
        "scores": [round(score, 5) for score in found.scores[:_KEPT].tolist()],
        "boxes": [[round(side, 3) for side in box] for box in found.boxes_xyxy[:_KEPT].tolist()],
    }


if __name__ == "__main__":
    recorded = {name: answers(predictor) for name, predictor in networks().items()}
    PATH.write_text(json.dumps(recorded, indent=1) + "\n")
