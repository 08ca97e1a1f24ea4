"""The facade: which variants exist, build or load one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from models import aot, deformable_detr, mask_rcnn, pointrend, siammask
from models import checkpoint as checkpoints
from models.catalogue import VARIANTS, Config, Variant
from models.checkpoint import Checkpoint, CheckpointError
from models.predictor import ImagePredictor, VideoPredictor
from models.published import INCLUDED, UNPUBLISHED, UNTRAINED


class UnknownVariant(KeyError):
    """No variant of this name."""

    def __str__(self) -> str:
        return f"unknown variant {self.args[0]!r}; there are {', '.join(available())}"


@dataclass(frozen=True)
class _Family:
    """What a family offers.

    Attributes:
        network: makes a network with fresh weights from a config.
        predictor: makes a predictor from config, weights by name, device and dtype.
    """

    network: Callable[[Any], nn.Module]
    predictor: Callable[
        [Any, Mapping[str, Tensor], str | torch.device, torch.dtype],
        ImagePredictor | VideoPredictor,
    ]


_FAMILIES: Mapping[str, _Family] = MappingProxyType(
    {
        "mask_rcnn": _Family(mask_rcnn.MaskRcnn, mask_rcnn.build_predictor),
        "pointrend": _Family(pointrend.PointRend, pointrend.build_predictor),
        "deformable_detr": _Family(deformable_detr.DeformableDetr, deformable_detr.build_predictor),
        "aot": _Family(aot.Aot, aot.build_predictor),
        "siammask": _Family(siammask.SiamMask, siammask.build_predictor),
    }
)
_DEMO_DIR = Path(__file__).parent / "demo"
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def available() -> Mapping[str, Variant]:
    """Return every variant by name, in a fixed order."""
    return VARIANTS


def build(name: str, overrides: Mapping[str, Any] | None = None) -> nn.Module:
    """Return a variant's network with fresh weights, ready for training.

    Args:
        name: a key of `available()`.
        overrides: fields of the variant's config to replace.

    Raises:
        UnknownVariant: no variant has this name.
        TypeError: an override names no field of the config.
    """
    config = _config(name, overrides)
    return _FAMILIES[VARIANTS[name].family].network(config)


def load(
    name: str,
    checkpoint: Checkpoint | None = None,
    device: str | torch.device = "cpu",
    overrides: Mapping[str, Any] | None = None,
    *,
    dtype: str = "float32",
) -> ImagePredictor | VideoPredictor:
    """Return a variant's predictor, ready to run.

    Variants of the task "track" follow objects through videos, the others take pictures.

    Args:
        name: a key of `available()`.
        checkpoint: path or mapping of names to arrays, in the published naming; None: the weights
            in the repository, which only some variants have.
        device: where it shall run.
        overrides: fields of the variant's config to replace.
        dtype: "float32", "bfloat16" or "float16", of convolutions and linear layers.

    Raises:
        UnknownVariant: no variant has this name.
        CheckpointError: no weights, or weights that cannot be read or do not fit.
        TypeError: an override names no field of the config.
        ValueError: another dtype.
    """
    config = _config(name, overrides)
    if dtype not in _DTYPES:
        raise ValueError(f"dtype {dtype!r}: one of {', '.join(_DTYPES)} expected")
    weights = checkpoints.read(_included(name) if checkpoint is None else checkpoint)
    family = _FAMILIES[VARIANTS[name].family]
    return family.predictor(config, weights, device, _DTYPES[dtype])


def _config(name: str, overrides: Mapping[str, Any] | None) -> Config:
    if name not in VARIANTS:
        raise UnknownVariant(name)
    return replace(VARIANTS[name].config, **(overrides or {}))


def _included(name: str) -> Path:
    """The weights in the repository."""
    location = VARIANTS[name].checkpoint
    if location == UNTRAINED:
        raise CheckpointError(f"{name} has no weights yet; it can only be built and trained")
    if location == UNPUBLISHED:
        raise CheckpointError(f"{name} needs weights of your own; nobody has published any")
    if location != INCLUDED:
        raise CheckpointError(f"{name} needs its weights, published at {location}")
    return _DEMO_DIR / f"{name}.safetensors"
