"""SiamMask's checkpoints under their published names, through the zoo."""

import pytest
import torch

from models import zoo
from models.checkpoint import CheckpointError
from models.predictor import VideoPredictor
from tests.goldens import manifest, needs_goldens

FAMILY = "siammask"
FILES = {
    "siammask_davis": "SiamMask_DAVIS.pth",
    "siammask_vot": "SiamMask_VOT.pth",
    "siammask_vot_ld": "SiamMask_VOT_LD.pth",
}
MANIFESTS = {**dict.fromkeys(FILES, "sharp"), "siammask_base": "base"}


def published(kind: str) -> dict[str, torch.Tensor]:
    """Weights of a file's published names and shapes, all zero."""
    tensors = manifest(FAMILY, f"manifest-{kind}.json")["tensors"]
    return {tensor: torch.zeros(entry["shape"]) for tensor, entry in tensors.items()}


@needs_goldens
@pytest.mark.parametrize(("name", "kind"), MANIFESTS.items())
def test_published_names_load_as_training_saved_them(name: str, kind: str) -> None:
    weights = published(kind)
    assert isinstance(zoo.load(name, weights), VideoPredictor)
    wrapped = {f"module.{tensor}": value for tensor, value in weights.items()}
    saved = {"epoch": 20, "arch": "Custom", "best_acc": 0.5, "state_dict": wrapped}
    assert isinstance(zoo.load(name, saved), VideoPredictor)


@needs_goldens
@pytest.mark.parametrize(("name", "kind"), MANIFESTS.items())
def test_the_network_has_the_published_tensors_and_no_other(name: str, kind: str) -> None:
    with torch.device("meta"):
        own = zoo.build(name).state_dict()
    expected = {tensor: list(value.shape) for tensor, value in published(kind).items()}
    assert {tensor: list(value.shape) for tensor, value in own.items()} == expected


@needs_goldens
def test_only_the_counters_of_norms_may_be_absent() -> None:
    weights = published("sharp")
    counters = [tensor for tensor in weights if tensor.endswith("num_batches_tracked")]
    assert len(counters) == 53
    for counter in counters:
        del weights[counter]
    zoo.load("siammask_vot", weights)
    weights["refine_model.what"] = weights.pop("refine_model.post2.bias")
    with pytest.raises(CheckpointError, match=r"1 missing: refine_model\.post2\.bias; 1 unexp"):
        zoo.load("siammask_vot", weights)


@needs_goldens
def test_a_file_with_the_decoder_is_none_for_the_base_and_the_other_way_round() -> None:
    # The small masks' head is in both, but where the decoder was trained it was left behind.
    for name, kind in (("siammask_base", "sharp"), ("siammask_davis", "base")):
        with pytest.raises(CheckpointError, match=r"refine_model\.v0"):
            zoo.load(name, published(kind))


def test_the_base_says_that_nobody_published_it() -> None:
    with pytest.raises(CheckpointError, match="weights of your own"):
        zoo.load("siammask_base")


@needs_goldens
@pytest.mark.parametrize(("name", "file"), FILES.items())
def test_scores_and_parameters_are_the_published_ones(name: str, file: str) -> None:
    facts = manifest(FAMILY, "manifest-sharp.json")
    variant = zoo.available()[name]
    assert variant.checkpoint.endswith(file)
    assert "MIT" in variant.licence
    check_parameters(variant.config, facts["checkpoints"][file]["hp"])
    results = facts["published"][file]
    if name == "siammask_davis":
        means = results["DAVIS2016 val"]
        assert variant.score == f"DAVIS 2016 val J {means['J'] * 100}, F {means['F'] * 100:.1f}"
    else:
        assert variant.score == f"VOT2018 EAO {results['VOT2018']['EAO']:.3f}"


@needs_goldens
def test_the_base_has_the_official_defaults() -> None:
    facts = manifest(FAMILY, "manifest-base.json")
    check_parameters(zoo.available()["siammask_base"].config, facts["hp"])


def check_parameters(config, official) -> None:
    assert config.search_size == official["instance_size"]
    assert config.mask_size == official["out_size"]
    for name in ("penalty_k", "window_influence", "lr", "seg_thr"):
        assert getattr(config, name) == official[name]
