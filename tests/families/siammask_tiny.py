"""A tiny SiamMask with random weights, and a clip with boxes for it."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from models import siammask
from models.layers.inference import prepare
from models.siammask import SiamMaskPredictor

TINY = replace(
    siammask.DAVIS,
    stem_channels=8,
    mid_channels=(4, 4, 8),
    block_counts=(1, 1, 1),
    feature_channels=8,
    refine_channels=(2, 4, 4),
    coarse_mask_size=15,
    lr=0.3,
)
BOXES = {
    1: np.array([10.0, 12.5, 40.0, 36.0]),
    2: np.array([30.25, 8.0, 62.0, 30.0]),
    3: np.array([45.0, 20.0, 75.5, 61.0]),
}


def predictor(dtype: torch.dtype = torch.float32, **overrides: Any) -> SiamMaskPredictor:
    config = replace(TINY, **overrides)
    torch.manual_seed(7)
    weights = siammask.SiamMask(config).state_dict()
    weights["features.features.conv1.weight"].div_(100)  # inputs are bytes
    weights["rpn_model.cls.head.3.weight"].mul_(4)
    return siammask.SiamMaskPredictor(prepare(siammask.load_network(config, weights), "cpu", dtype))


def clip(frames: int, size: tuple[int, int] = (70, 90), seed: int = 0) -> list[np.ndarray]:
    """Coloured noise that drifts."""
    generator = np.random.default_rng(seed)
    coarse = generator.uniform(0, 255, (size[0] // 6 + 3, size[1] // 6 + frames + 3, 3))
    fine = np.kron(coarse, np.ones((6, 6, 1)))
    return [
        fine[: size[0], 2 * index : 2 * index + size[1]].astype(np.uint8) for index in range(frames)
    ]


def follow(predictor, state, frames):
    """The step of every frame."""
    steps = []
    for frame in frames:
        (step,) = predictor.step([state], [frame])
        state = step.state
        steps.append(step)
    return steps


def assert_same(some, other):
    """Bit for bit."""
    ours, theirs = some.dump(), other.dump()
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name]), name
