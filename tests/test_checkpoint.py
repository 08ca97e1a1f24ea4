import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from models import checkpoint
from models.checkpoint import CheckpointError
from tests.harmful import Calls


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3))


WEIGHTS = network().state_dict()


def save_wrapped(weights: dict[str, torch.Tensor], path: Path) -> None:
    torch.save({"model": weights, "epoch": 3}, path)


def save_legacy(weights: dict[str, torch.Tensor], path: Path) -> None:
    torch.save(weights, path, _use_new_zipfile_serialization=False)


@pytest.mark.parametrize(
    ("name", "save"),
    [
        ("zip.pth", torch.save),
        ("legacy.pth", save_legacy),
        ("wrapped.pt", save_wrapped),
        ("zip.bin", torch.save),
        ("weights.safetensors", safetensors.torch.save_file),
    ],
)
def test_every_kind_of_file_gives_its_weights(
    tmp_path: Path, name: str, save: Callable[[dict[str, torch.Tensor], Path], None]
) -> None:
    save(WEIGHTS, tmp_path / name)
    for path in (tmp_path / name, str(tmp_path / name)):
        weights = checkpoint.read(path)
        assert weights.keys() == WEIGHTS.keys()
        assert all(torch.equal(weights[key], WEIGHTS[key]) for key in WEIGHTS)


def test_a_mapping_of_arrays_is_copied_not_shared() -> None:
    arrays = {name: tensor.numpy().copy() for name, tensor in WEIGHTS.items()}
    loaded = network()
    checkpoint.load_strict(loaded, checkpoint.read(arrays))
    arrays["0.weight"][:] = 7
    assert torch.equal(loaded[0].weight, WEIGHTS["0.weight"])


def test_half_precision_is_widened_on_the_way_to_a_network_without_memory() -> None:
    halves = {name: tensor.half() for name, tensor in WEIGHTS.items()}
    with torch.device("meta"):
        loaded = network()
    checkpoint.load_strict(loaded, halves)
    assert loaded[0].weight.dtype == torch.float32
    assert torch.equal(loaded[0].weight, WEIGHTS["0.weight"].half().float())


def test_counters_of_norms_may_be_missing_or_too_many() -> None:
    without = {name: tensor for name, tensor in WEIGHTS.items() if "batches" not in name}
    loaded = network()
    checkpoint.load_strict(loaded, without)
    assert loaded[1].num_batches_tracked == 0
    checkpoint.load_strict(loaded, {**WEIGHTS, "0.num_batches_tracked": torch.tensor(3)})


def test_one_error_names_everything_that_does_not_fit() -> None:
    wrong = {name: tensor for name, tensor in WEIGHTS.items() if name != "0.bias"}
    wrong["head.weight"] = torch.zeros(3)
    wrong["0.weight"] = torch.zeros(3, 2, 3, 3)
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load_strict(network(), wrong)
    assert str(caught.value) == (
        "the weights do not fit the network: 1 missing: 0.bias; 1 unexpected: head.weight; "
        "1 misshapen: 0.weight [3, 2, 3, 3] instead of [3, 2, 1, 1]"
    )


def test_a_long_list_of_misfits_is_counted_and_cut() -> None:
    foreign = {f"layer{index}": torch.zeros(1) for index in range(300)}
    with pytest.raises(CheckpointError, match=r"300 unexpected: layer0, .*, layer9 and 290 more"):
        checkpoint.load_strict(network(), {**WEIGHTS, **foreign})


def test_published_names_are_renamed_before_they_are_compared() -> None:
    prefixed = {f"net.{name}": tensor for name, tensor in WEIGHTS.items()}
    loaded = network()
    checkpoint.load_strict(loaded, prefixed, lambda name: name.removeprefix("net."))
    assert torch.equal(loaded[0].weight, WEIGHTS["0.weight"])


def truncated(path: Path) -> None:
    torch.save(WEIGHTS, path)
    path.write_bytes(path.read_bytes()[:-200])


def truncated_legacy(path: Path) -> None:
    save_legacy(WEIGHTS, path)
    path.write_bytes(path.read_bytes()[:300])


@pytest.mark.parametrize(
    "spoil",
    [
        truncated,
        truncated_legacy,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(np.random.default_rng(0).bytes(4096)),
        lambda path: path.write_text("<html>404</html>"),
        lambda path: path.mkdir(),
        lambda _: None,
        lambda path: torch.save([1, 2], path),
        lambda path: torch.save({"epoch": 3}, path),
        lambda path: path.write_bytes(pickle.dumps(Calls(Path.touch, path.with_name("made")), 2)),
        lambda path: torch.save({"w": Calls(Path.touch, path.with_name("made"))}, path),
    ],
)
@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
def test_a_spoilt_absent_or_harmful_file_is_a_checkpoint_error(
    tmp_path: Path, name: str, spoil: Callable[[Path], None]
) -> None:
    spoil(tmp_path / name)
    with pytest.raises(CheckpointError):
        checkpoint.read(tmp_path / name)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("save", [torch.save, save_legacy, save_wrapped])
@pytest.mark.parametrize(
    ("harm", "named"),
    [
        (Calls(os.system, "touch made"), "posix.system"),
        (Calls(eval, "open('made', 'w')"), "eval"),
        (Calls(torch.hub.load_state_dict_from_url, "http://127.0.0.1:9/"), "torch.hub"),
        (nn.Linear(1, 1), "torch.nn.modules.linear.Linear"),
    ],
)
def test_a_file_that_would_run_something_is_refused_by_its_name_before_it_acts(
    tmp_path: Path, save: Callable[..., None], harm: object, named: str
) -> None:
    save({**WEIGHTS, "harm": harm}, tmp_path / "weights.pth")
    with pytest.raises(CheckpointError) as refusal:
        checkpoint.read(tmp_path / "weights.pth")
    assert "cannot read" in str(refusal.value)
    assert f"{named}" in str(refusal.value)
    assert "only tensors are read from it" in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert not Path("made").exists()
