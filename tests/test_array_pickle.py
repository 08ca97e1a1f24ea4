import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models import checkpoint
from models.checkpoint import CheckpointError
from tests.harmful import Calls

ARRAYS = {
    "float": np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "half": np.ones((1, 4), np.float16),
    "count": np.array(7, dtype=np.int64),
}


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])  # what weights are published in
def test_arrays_come_back_as_they_were(tmp_path: Path, protocol: int) -> None:
    content = {"model": OrderedDict(ARRAYS), "__author__": "someone", "scale": np.float32(2)}
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(content, protocol))
    weights = checkpoint.read(tmp_path / "model.pkl")
    assert list(weights) == list(ARRAYS)
    assert all(np.array_equal(weights[name].numpy(), array) for name, array in ARRAYS.items())


def test_a_pickle_of_python_2_and_an_old_numpy_is_read(tmp_path: Path) -> None:
    today = pickle.dumps({"w": ARRAYS["float"]}, 2)
    old = today.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")
    assert old != today
    (tmp_path / "model.pkl").write_bytes(old)
    weights = checkpoint.read(tmp_path / "model.pkl")
    assert np.array_equal(weights["w"].numpy(), ARRAYS["float"])


@pytest.mark.parametrize("function", [Path.touch, eval, getattr, np.load, torch.load, Path])
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_names_anything_else_is_refused_before_it_acts(
    tmp_path: Path, function: Callable[..., Any], protocol: int
) -> None:
    harm = Calls(function, tmp_path / "made")
    (tmp_path / "model.pkl").write_bytes(pickle.dumps({**ARRAYS, "harm": harm}, protocol))
    with pytest.raises(CheckpointError, match="only arrays are read from pickles"):
        checkpoint.read(tmp_path / "model.pkl")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "content",
    [
        {"w": np.array([{"a": 1}, None], dtype=object)},
        {"w": np.array(["text"])},
        {"w": [1.0, 2.0]},
        [ARRAYS["float"]],
        "weights",
    ],
)
def test_what_is_no_mapping_of_numbers_is_refused(tmp_path: Path, content: Any) -> None:
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(CheckpointError):
        checkpoint.read(tmp_path / "model.pkl")


@pytest.mark.parametrize("spoil", [lambda data: data[:-40], lambda _: b"", lambda _: b"<html>"])
def test_a_pickle_cut_short_is_refused(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    (tmp_path / "model.pkl").write_bytes(spoil(pickle.dumps(ARRAYS)))
    with pytest.raises(CheckpointError, match="cannot read"):
        checkpoint.read(tmp_path / "model.pkl")


@pytest.mark.parametrize("wrapper", ["model", "state_dict"])
def test_weights_are_found_under_the_wrappers_of_training_scripts(wrapper: str) -> None:
    weights = checkpoint.read({"meta": {"epoch": 1}, wrapper: ARRAYS})
    assert list(weights) == list(ARRAYS)


def test_the_prefix_of_distributed_training_goes_where_all_names_have_it() -> None:
    prefixed = {f"module.{name}": array for name, array in ARRAYS.items()}
    assert list(checkpoint.read(prefixed)) == list(ARRAYS)
    mixed = {**prefixed, "other": ARRAYS["float"]}
    assert list(checkpoint.read(mixed)) == list(mixed)
