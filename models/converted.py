"""Weights files of our own: safetensors in the networks' names, with where they come from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor

from models import label_files
from models.checkpoint import CheckpointError, is_counter
from models.predictor import Category

SUFFIX = ".safetensors"
_VERSION = "1"


@dataclass(frozen=True)
class Origin:
    """What the header of a converted file tells.

    Attributes:
        variant: whose network the weights fit.
        source: URL or name of the file that they were converted from.
        sha256: digest of that file.
        categories: label -> category where they are not the variant's own.
    """

    variant: str
    source: str
    sha256: str
    categories: Mapping[int, Category] | None = None


def write(path: Path, weights: Mapping[str, Tensor], origin: Origin) -> None:
    """Write weights and their origin; the counters of batch norms are left out.

    Args:
        path: replaced only by the complete file.
        weights: [any] by the network's names.
        origin: of the weights.

    Raises:
        OSError: it cannot be written.
    """
    header = {
        "maskd": _VERSION,
        "variant": origin.variant,
        "source": origin.source,
        "source_sha256": origin.sha256,
    }
    if origin.categories is not None:
        header["labels"] = json.dumps(label_files.dump(origin.categories))
    kept = {name: tensor.contiguous() for name, tensor in weights.items() if not is_counter(name)}
    partial = path.with_name(f".{path.name}.part")
    try:
        safetensors.torch.save_file(kept, partial, metadata=header)
        partial.replace(path)
    except safetensors.SafetensorError as error:
        raise OSError(f"cannot write {path}: {error}") from error
    finally:
        partial.unlink(missing_ok=True)


def read_origin(path: Path) -> Origin | None:
    """Return what a file's header tells of its weights, None where it was not converted by us.

    Raises:
        CheckpointError: converted by us, but not as this version reads it.
    """
    header = _header(path)
    if "maskd" not in header:
        return None
    if header["maskd"] != _VERSION:
        raise CheckpointError(
            f"{path} is of format {header['maskd'][:20]}, format {_VERSION} is read: convert its "
            "source again"
        )
    try:
        labels = header.get("labels")
        return Origin(
            variant=header["variant"],
            source=header["source"],
            sha256=header["source_sha256"],
            categories=None if labels is None else label_files.parse(json.loads(labels)),
        )
    except (LookupError, ValueError) as error:
        raise CheckpointError(f"the header of {path} cannot be read: {error}") from error


def _header(path: Path) -> Mapping[str, str]:
    """The texts of a file's header; empty for files of another kind, which others complain of."""
    if path.suffix != SUFFIX:
        return {}
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return file.metadata() or {}
    except (OSError, safetensors.SafetensorError):
        return {}
