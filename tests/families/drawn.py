"""A picture and weights that are drawn alike everywhere: what recorded answers come from."""

import zlib

import numpy as np
import torch


def picture() -> np.ndarray:
    """A ramp with a disc, a square and a ring on it."""
    y, x = np.mgrid[:150, :200].astype(np.float64)
    image = np.stack([60 + x / 2, 120 - y / 3, 90 + (x + y) / 8], axis=2)
    image[(x - 50) ** 2 + (y - 60) ** 2 < 30**2] = (220, 60, 50)
    image[80:130, 110:160] = (40, 90, 230)
    radius = np.hypot(x - 140, y - 40)
    image[(radius < 30) & (radius > 16)] = (250, 220, 40)
    return image.astype(np.uint8)


def values(name: str, shape: tuple[int, ...], gain: float = 1) -> torch.Tensor:
    """Values that depend on the name alone and keep activations near 1, or near `gain`."""
    uniform = np.random.default_rng(zlib.crc32(name.encode())).uniform(-1, 1, shape)
    if len(shape) > 1:
        drawn = uniform * gain * np.sqrt(6 / np.prod(shape[1:]))
    elif name.endswith(("bias", "mean")):
        drawn = uniform * 0.1
    else:
        drawn = 1 + uniform * 0.3
    return torch.as_tensor(drawn, dtype=torch.float32)
