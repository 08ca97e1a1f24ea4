"""A tiny AOT with random weights that still sees several objects, and clips for it."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from models import aot
from models.aot import AotPredictor
from models.aot.config import AotConfig, MobileNetWidths
from models.backbones.mobilenet_v2 import Stage
from models.layers.inference import prepare

TINY = AotConfig(
    encoder=MobileNetWidths(
        stages=(
            Stage(1, 8, 1, 1), Stage(2, 8, 1, 2), Stage(2, 8, 1, 2), Stage(2, 16, 1, 2),
        ),
        stem_channels=8,
        last_channels=32,
    ),
    norm="batch",
    embedding_channels=32,
    layers=2,
    heads=4,
    feed_forward_channels=64,
    feed_forward_groups=8,
    window_radius=2,
    decoder_channels=(16, 16, 16),
    decoder_groups=4,
    group_objects=3,
    long_term_gap=2,
    max_long_edge=128.0,
)  # fmt: skip


def predictor(dtype: torch.dtype = torch.float32, **overrides: Any) -> AotPredictor:
    config = replace(TINY, **overrides)
    torch.manual_seed(7)
    weights = aot.Aot(config).state_dict()
    for name, tensor in weights.items():
        if name.endswith(("conv_out.weight", "patch_wise_id_bank.weight", "relative_emb_v")):
            tensor.normal_(std=0.5)
    return aot.AotPredictor(prepare(aot.load_network(config, weights), "cpu", dtype))


def clip(frames: int, size: tuple[int, int] = (50, 70), seed: int = 0) -> list[np.ndarray]:
    """Smooth coloured noise that drifts."""
    generator = np.random.default_rng(seed)
    coarse = generator.uniform(0, 255, (size[0] // 8 + 3, size[1] // 8 + frames + 3, 3))
    fine = np.kron(coarse, np.ones((8, 8, 1)))
    return [
        fine[: size[0], 2 * index : 2 * index + size[1]].astype(np.uint8) for index in range(frames)
    ]


def masks(count: int, size: tuple[int, int] = (50, 70), first_id: int = 1) -> dict[int, np.ndarray]:
    """Vertical bars that fill the frame but for its left tenth."""
    edges = np.linspace(size[1] // 10, size[1], count + 1).astype(int)
    columns = np.arange(size[1])[None].repeat(size[0], axis=0)
    return {
        first_id + index: (columns >= left) & (columns < right)
        for index, (left, right) in enumerate(pairwise(edges))
    }


def follow(predictor, state, frames):
    """The state after every frame."""
    states = []
    for frame in frames:
        (step,) = predictor.step([state], [frame])
        state = step.state
        states.append(state)
    return states


def assert_same(some, other):
    """Bit for bit."""
    ours, theirs = some.dump(), other.dump()
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name]), name
