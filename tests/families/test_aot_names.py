"""AOT's checkpoints under their published names, through the zoo."""

import pytest
import torch

from models import zoo
from models.aot.model import UNUSED_NAMES
from models.checkpoint import CheckpointError
from models.predictor import VideoPredictor
from tests.goldens import manifest, needs_goldens

FAMILY = "aot"
MANIFESTS = {
    "aot_t": "aott",
    "aot_s": "aots",
    "aot_b": "aotb",
    "aot_l": "aotl",
    "aot_r50_l": "r50_aotl",
}


def published(name: str) -> dict[str, torch.Tensor]:
    """Weights of a variant's published names and shapes, all zero."""
    tensors = manifest(FAMILY, f"manifest-{MANIFESTS[name]}.json")["tensors"]
    return {tensor: torch.zeros(entry["shape"]) for tensor, entry in tensors.items()}


@needs_goldens
@pytest.mark.parametrize("name", MANIFESTS)
def test_published_names_load_as_training_saved_them(name: str) -> None:
    weights = published(name)
    saved = {"state_dict": weights, "optimizer": {}}
    assert isinstance(zoo.load(name, saved), VideoPredictor)
    wrapped = {f"module.{tensor}": value for tensor, value in weights.items()}
    assert isinstance(zoo.load(name, {"state_dict": wrapped}), VideoPredictor)


@needs_goldens
@pytest.mark.parametrize("name", MANIFESTS)
def test_the_network_has_the_published_tensors_and_no_other(name: str) -> None:
    with torch.device("meta"):
        own = zoo.build(name).state_dict()
    shapes = {tensor: list(value.shape) for tensor, value in published(name).items()}
    assert {tensor: list(value.shape) for tensor, value in own.items()} == {
        tensor: shape for tensor, shape in shapes.items() if tensor not in UNUSED_NAMES
    }


@needs_goldens
def test_only_the_tensor_that_nothing_reads_may_be_absent() -> None:
    weights = published("aot_t")
    (unused,) = UNUSED_NAMES
    del weights[unused]
    zoo.load("aot_t", weights)
    weights["LSTT.what"] = weights.pop("decoder.conv_out.bias")
    with pytest.raises(CheckpointError, match=r"1 missing: decoder\.conv_out\.bias; 1 unexpected"):
        zoo.load("aot_t", weights)


@needs_goldens
def test_weights_of_another_depth_are_refused() -> None:
    for name, other in (("aot_t", "aot_s"), ("aot_l", "aot_s"), ("aot_l", "aot_r50_l")):
        with pytest.raises(CheckpointError, match="do not fit the network"):
            zoo.load(name, published(other))


@needs_goldens
@pytest.mark.parametrize("name", MANIFESTS)
def test_scores_and_licences_are_the_published_ones(name: str) -> None:
    facts = manifest(FAMILY, f"manifest-{MANIFESTS[name]}.json")
    variant = zoo.available()[name]
    assert variant.task == "track"
    (file,) = variant.files
    assert file.url in facts["source"]
    assert f"({file.file})" in facts["source"]
    assert "BSD-3-Clause" in variant.licence
    assert "BSD-3-Clause" in facts["license"]
    assert variant.config.long_term_gap == facts["config"]["test_long_term_mem_gap"]
    assert variant.config.long_term_gap_train == facts["config"]["train_long_term_mem_gap"]
    mean = facts["published"]["results"]["DAVIS-2017 val"]["mean"]
    assert variant.score == f"DAVIS 2017 val J&F {mean}"
