"""The facade: which variants exist, build or load one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from models import aot, converted, deformable_detr, mask_rcnn, pointrend, siammask
from models import checkpoint as checkpoints
from models.catalogue import VARIANTS, Config, Variant
from models.checkpoint import Checkpoint, CheckpointError
from models.converted import Origin, read_origin
from models.label_files import LabelsError, read_labels
from models.layers import inference
from models.predictor import Category, ImagePredictor, VideoPredictor
from models.published import INCLUDED, UNPUBLISHED, PublishedFile

__all__ = [
    "CheckpointError",
    "LabelsError",
    "Origin",
    "PublishedFile",
    "UnknownVariant",
    "Variant",
    "available",
    "build",
    "convert",
    "load",
    "read_labels",
    "read_origin",
]


class UnknownVariant(KeyError):
    """No variant of this name."""

    def __str__(self) -> str:
        return f"unknown variant {self.args[0]!r}; there are {', '.join(available())}"


@dataclass(frozen=True)
class _Family:
    """What a family offers.

    Attributes:
        network: makes a network with fresh weights from a config.
        load: makes a network from a config and weights by name.
        predictor: makes a predictor from a network that is ready to run.
    """

    network: Callable[[Any], nn.Module]
    load: Callable[[Any, Mapping[str, Tensor]], nn.Module]
    predictor: Callable[[Any], ImagePredictor | VideoPredictor]


_FAMILIES: Mapping[str, _Family] = MappingProxyType(
    {
        "mask_rcnn": _Family(
            mask_rcnn.MaskRcnn, mask_rcnn.load_network, mask_rcnn.MaskRcnnPredictor
        ),
        "pointrend": _Family(
            pointrend.PointRend, pointrend.load_network, pointrend.PointRendPredictor
        ),
        "deformable_detr": _Family(
            deformable_detr.DeformableDetr,
            deformable_detr.load_network,
            deformable_detr.DeformableDetrPredictor,
        ),
        "aot": _Family(aot.Aot, aot.load_network, aot.AotPredictor),
        "siammask": _Family(siammask.SiamMask, siammask.load_network, siammask.SiamMaskPredictor),
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
        checkpoint: path or mapping of names to arrays, in the published naming, or a file that
            `convert` wrote; None: the weights in the repository, which only some variants have.
        device: where it shall run.
        overrides: fields of the variant's config to replace.
        dtype: "float32", "bfloat16" or "float16", of convolutions and linear layers.

    Raises:
        UnknownVariant: no variant has this name.
        CheckpointError: no weights, or weights that cannot be read or do not fit.
        TypeError: an override names no field of the config.
        ValueError: another dtype.
    """
    if name not in VARIANTS:
        raise UnknownVariant(name)
    if dtype not in _DTYPES:
        raise ValueError(f"dtype {dtype!r}: one of {', '.join(_DTYPES)} expected")
    if checkpoint is None:
        checkpoint = _included(name)
    categories = None if isinstance(checkpoint, Mapping) else _own_categories(name, checkpoint)
    config = _config(name, overrides, categories)
    family = _FAMILIES[VARIANTS[name].family]
    # Read in the layout in which they run, and held by nothing but the network: no second copy.
    network = family.load(config, checkpoints.read(checkpoint, inference.LAYOUT))
    return family.predictor(inference.prepare(network, device, _DTYPES[dtype]))


def convert(checkpoint: Path, target: Path, origin: Origin) -> None:
    """Write a checkpoint's weights as a file in our naming, which `load` reads at once.

    Args:
        checkpoint: a file in the published naming.
        target: ends in .safetensors; replaced only by the complete file.
        origin: of the checkpoint; its categories, if any, are those of the weights.

    Raises:
        UnknownVariant: there is no such variant.
        CheckpointError: weights that cannot be read or do not fit, or categories for a network
            that knows none.
        ValueError: more or fewer categories than such a network can tell apart.
        OSError: the target cannot be written.
    """
    config = _config(origin.variant, categories=origin.categories)
    weights = checkpoints.read(checkpoint)
    network = _FAMILIES[VARIANTS[origin.variant].family].load(config, weights)
    converted.write(target, network.state_dict(), origin)


def _config(
    name: str,
    overrides: Mapping[str, Any] | None = None,
    categories: Mapping[int, Category] | None = None,
) -> Config:
    """The variant's config; categories, where given, replace its own before the overrides."""
    if name not in VARIANTS:
        raise UnknownVariant(name)
    config = VARIANTS[name].config
    if categories is not None:
        if not hasattr(config, "categories"):
            raise CheckpointError(f"{name} knows no labels: there is nothing to name")
        overrides = {"categories": categories, **(overrides or {})}
    return replace(config, **(overrides or {}))


def _own_categories(name: str, path: str | Path) -> Mapping[int, Category] | None:
    """The categories that a converted file brings along, None where they are the variant's."""
    origin = read_origin(Path(path))
    if origin is None:
        return None
    if origin.variant != name:
        raise CheckpointError(f"{path} holds weights of {origin.variant}, not of {name}")
    return origin.categories


def _included(name: str) -> Path:
    """The weights in the repository."""
    location = VARIANTS[name].checkpoint
    if location == UNPUBLISHED:
        raise CheckpointError(f"{name} needs weights of your own; nobody has published any")
    if location != INCLUDED:
        raise CheckpointError(f"{name} needs its weights, published at {location}")
    return _DEMO_DIR / f"{name}.safetensors"
