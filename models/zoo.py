"""The facade: which variants exist, build or load one. Adding a variant is adding data here."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import torch

from models import checkpoint as checkpoints
from models import mask_rcnn
from models.checkpoint import Checkpoint, CheckpointError
from models.predictor import ImagePredictor

Task = Literal["segment", "semantic", "detect", "track"]


class UnknownVariant(KeyError):
    """No variant of this name."""

    def __str__(self) -> str:
        return f"unknown variant {self.args[0]!r}; there are {', '.join(available())}"


@dataclass(frozen=True)
class Variant:
    """One set of published or included weights.

    Attributes:
        name: what `build` and `load` take.
        family: the folder of its network.
        task: what it does, as the routes call it.
        licence: of the weights.
        score: as published, in words.
        checkpoint: where the file is published, or "included".
        config: every number of the network.
    """

    name: str
    family: str
    task: Task
    licence: str
    score: str
    checkpoint: str
    config: mask_rcnn.MaskRcnnConfig


INCLUDED = "included"
_DEMO_DIR = Path(__file__).parent / "demo"
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

_COCO_WEIGHTS = "code BSD-3-Clause; weights without a licence of their own, trained on COCO"
_TORCHVISION = "https://download.pytorch.org/models"

_VARIANTS = MappingProxyType(
    {
        variant.name: variant
        for variant in (
            Variant(
                name="mask_rcnn_r50_fpn",
                family="mask_rcnn",
                task="segment",
                licence=_COCO_WEIGHTS,
                score="COCO val2017 box AP 37.9, mask AP 34.6",
                checkpoint=f"{_TORCHVISION}/maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth",
                config=mask_rcnn.R50_FPN,
            ),
            Variant(
                name="mask_rcnn_r50_fpn_v2",
                family="mask_rcnn",
                task="segment",
                licence=_COCO_WEIGHTS,
                score="COCO val2017 box AP 47.4, mask AP 41.8",
                checkpoint=f"{_TORCHVISION}/maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth",
                config=mask_rcnn.R50_FPN_V2,
            ),
            Variant(
                name="mask_rcnn_demo",
                family="mask_rcnn",
                task="segment",
                licence="Apache-2.0",
                score="see models/demo/mask_rcnn_demo.md",
                checkpoint=INCLUDED,
                config=mask_rcnn.DEMO,
            ),
        )
    }
)


def available() -> Mapping[str, Variant]:
    """Return every variant by name, in a fixed order."""
    return _VARIANTS


def build(name: str, overrides: Mapping[str, Any] | None = None) -> mask_rcnn.MaskRcnn:
    """Return a variant's network with fresh weights, ready for training.

    Args:
        name: a key of `available()`.
        overrides: fields of the variant's config to replace.

    Raises:
        UnknownVariant: no variant has this name.
        TypeError: an override names no field of the config.
    """
    return mask_rcnn.MaskRcnn(_config(name, overrides))


def load(
    name: str,
    checkpoint: Checkpoint | None = None,
    device: str | torch.device = "cpu",
    overrides: Mapping[str, Any] | None = None,
    *,
    dtype: str = "float32",
) -> ImagePredictor:
    """Return a variant's predictor, ready to run.

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
    return mask_rcnn.build_predictor(config, weights, device, _DTYPES[dtype])


def _config(name: str, overrides: Mapping[str, Any] | None) -> mask_rcnn.MaskRcnnConfig:
    if name not in _VARIANTS:
        raise UnknownVariant(name)
    return replace(_VARIANTS[name].config, **(overrides or {}))


def _included(name: str) -> Path:
    """The weights in the repository."""
    location = _VARIANTS[name].checkpoint
    if location != INCLUDED:
        raise CheckpointError(f"{name} needs its weights, published at {location}")
    return _DEMO_DIR / f"{name}.safetensors"
