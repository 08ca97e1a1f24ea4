"""The official numbers, read in place; tests that need them skip where they are absent."""

import importlib.util
import json
import os
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

_DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "reference"
ROOT = Path(os.environ.get("MASKD_REFERENCE_DIR", _DEFAULT))

needs_goldens = pytest.mark.skipif(
    not ROOT.is_dir(), reason="no goldens: set MASKD_REFERENCE_DIR to the reference folder"
)


class Golden:
    """One npz: arrays by name, `meta` beside them."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as arrays:
            self.arrays = {name: arrays[name] for name in arrays.files if name != "meta"}
            self.meta: dict[str, Any] = json.loads(str(arrays["meta"]))

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]

    def sliced(self, name: str, full: np.ndarray) -> np.ndarray:
        """The part of a full array that the golden stores under `name`."""
        text = self.meta.get("slices", {}).get(name, "x")
        return eval(text, {"__builtins__": {}}, {"x": full})  # noqa: S307 (an index expression)


@cache
def golden(family: str, name: str) -> Golden:
    return Golden(ROOT / family / f"{name}.npz")


@cache
def manifest(family: str, name: str) -> dict[str, Any]:
    return json.loads((ROOT / family / name).read_text())


@cache
def _detweights() -> ModuleType:
    spec = importlib.util.spec_from_file_location("detweights", ROOT / "detweights.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def weights(family: str, meta: dict[str, Any]) -> dict[str, np.ndarray]:
    """The golden's weights under their published names, aliases included."""
    published = manifest(family, meta.get("manifest", f"manifest-{meta.get('variant')}.json"))
    state = _detweights().fill(published["tensors"], meta["salt"], meta.get("gains"))
    for alias, owner in published.get("aliases", {}).items():
        state[alias] = state[owner]
    return state


def uniform(name: str, shape: tuple[int, ...], salt: int = 0) -> np.ndarray:
    """Float32 values in [-1, 1) that the goldens' makers drew under `name`."""
    values = _detweights().uniform(name, int(np.prod(shape)), salt)
    return values.astype(np.float32).reshape(shape)
