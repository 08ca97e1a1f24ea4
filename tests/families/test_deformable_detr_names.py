"""Both publications' names of the same weights, and files that do not fit."""

import argparse
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models import checkpoint, zoo
from models.checkpoint import CheckpointError
from models.deformable_detr import (
    R50,
    R50_REFINE,
    R50_TWO_STAGE,
    DeformableDetr,
    DeformableDetrConfig,
    load_network,
)
from models.deformable_detr.published_names import to_own_names
from tests.goldens import manifest, needs_goldens

FAMILY = "deformable_detr"
CONFIGS = {
    "r50": "deformable_detr_r50",
    "r50_refine": "deformable_detr_r50_refine",
    "r50_refine_two_stage": "deformable_detr_r50_two_stage",
    "r50_single_scale": "deformable_detr_r50_single_scale",
    "r50_single_scale_dc5": "deformable_detr_r50_single_scale_dc5",
}
Weights = dict[str, torch.Tensor]


def config_of(name: str) -> DeformableDetrConfig:
    return zoo.available()[CONFIGS[name]].config


def shaped(tensors: Mapping[str, dict], aliases: Mapping[str, str]) -> Weights:
    """Stand-ins: right shapes, one number in all of a tensor's places, another in every tensor."""
    weights = {
        name: torch.full((1,), float(index)).expand(spec["shape"])
        for index, (name, spec) in enumerate(tensors.items())
    }
    return weights | {alias: weights[owner] for alias, owner in aliases.items()}


def file_of(name: str) -> Weights:
    published = manifest(FAMILY, f"manifest-{name}.json")
    return shaped(published["tensors"], published["aliases"])


def check_fit(weights: Weights, config: DeformableDetrConfig) -> None:
    with torch.device("meta"):
        model = DeformableDetr(config)
    own = to_own_names(weights, config)
    expected = {name: tensor.shape for name, tensor in model.state_dict().items()}
    assert {name: tensor.shape for name, tensor in own.items()} == expected


@needs_goldens
@pytest.mark.parametrize("name", CONFIGS)
def test_both_namings_of_every_published_file_fit(name: str) -> None:
    for prefix in ("", "hf-"):
        check_fit(file_of(prefix + name), config_of(name))


def to_hugging_face(weights: Weights) -> Weights:
    """The reference's own table, which is not ours."""
    rows = manifest(FAMILY, "keymap-official-to-hf.json")
    renamed: Weights = {}
    for name, tensor in weights.items():
        ((pattern, replacement),) = [row for row in rows if re.search(row[0], name)]
        targets = [replacement] if isinstance(replacement, str) else replacement
        for target, part in zip(targets, tensor.chunk(len(targets)), strict=True):
            renamed[re.sub(pattern, target, name)] = part
    return renamed


@needs_goldens
@pytest.mark.parametrize("name", CONFIGS)
def test_both_namings_mean_the_same_tensors(name: str) -> None:
    weights = {
        key: torch.arange(tensor.shape[0]).view(-1, *[1] * (tensor.ndim - 1)) + tensor
        for key, tensor in file_of(name).items()
    }
    authors = to_own_names(weights, config_of(name))
    other = to_own_names(to_hugging_face(weights), config_of(name))
    assert authors.keys() == other.keys()
    assert all(torch.equal(authors[key], other[key]) for key in authors)


@needs_goldens
@pytest.mark.parametrize("name", ["r50", "r50_refine", "hf-r50", "hf-r50_refine_two_stage"])
@pytest.mark.parametrize("keeps_owner", [True, False])
def test_one_name_of_every_shared_tensor_is_enough(name: str, keeps_owner: bool) -> None:
    published = manifest(FAMILY, f"manifest-{name}.json")
    weights, aliases = file_of(name), published["aliases"]
    unwanted = aliases if keeps_owner else set(aliases.values())
    config = config_of(name.removeprefix("hf-"))
    check_fit({key: tensor for key, tensor in weights.items() if key not in unwanted}, config)


SMALL = replace(
    R50, stem_channels=8, mid_channels=(4, 4, 4, 4), channels=32, groups=4, heads=2,
    encoder_layers=1, decoder_layers=2, feedforward_channels=32, query_count=10, frozen=(),
)  # fmt: skip


def small_weights(config: DeformableDetrConfig = SMALL) -> Weights:
    torch.manual_seed(0)
    return DeformableDetr(config).state_dict()


def load(weights: Weights, config: DeformableDetrConfig = SMALL) -> None:
    load_network(config, weights)


@needs_goldens
def test_counters_that_nothing_needs_are_ignored() -> None:
    weights = small_weights()
    weights["transformer.encoder.total_params"] = torch.zeros(1)
    weights["class_embed.0.total_ops"] = torch.zeros(1)
    load(weights)
    renamed = to_hugging_face(small_weights())
    stem = "model.backbone.conv_encoder.model.layer1.0.downsample.1"
    renamed[f"{stem}.num_batches_tracked"] = torch.zeros((), dtype=torch.int64)
    load(renamed)


def test_a_missing_tensor_is_named() -> None:
    weights = small_weights()
    del weights["transformer.level_embed"]
    with pytest.raises(CheckpointError, match=r"1 missing: transformer\.level_embed$"):
        load(weights)


@needs_goldens
def test_a_missing_third_is_named() -> None:
    weights = to_hugging_face(small_weights())
    del weights["model.decoder.layers.1.self_attn.k_proj.weight"]
    with pytest.raises(CheckpointError, match=r"no model\.decoder\.layers\.1\.self_attn\.k_proj"):
        load(weights)


@needs_goldens
def test_thirds_of_different_shapes_are_named() -> None:
    weights = to_hugging_face(small_weights())
    weights["model.decoder.layers.0.self_attn.v_proj.bias"] = torch.zeros(3)
    with pytest.raises(CheckpointError, match=r"one shape, not \[32\], \[32\], \[3\]"):
        load(weights)


@pytest.mark.parametrize(
    "name", ["class_embed.2.weight", "bbox_embed.7.layers.0.weight", "model.what", "what"]
)
def test_an_unknown_tensor_is_named(name: str) -> None:
    weights = small_weights() | {name: torch.zeros(1)}
    if name.startswith("model."):
        # Among the authors' names one that begins as the others' do must not hide the rest.
        with pytest.raises(CheckpointError, match=r"unexpected: .*model\.what"):
            load(weights)
        return
    with pytest.raises(CheckpointError, match=rf"1 unexpected: {re.escape(name)}"):
        load(weights)


def test_names_of_one_tensor_must_agree() -> None:
    weights = small_weights()
    weights["class_embed.1.bias"] = weights["class_embed.0.bias"] + 1
    with pytest.raises(CheckpointError, match=r"class_embed\.1\.bias and class_embed\.0\.bias"):
        load(weights)


def test_files_of_another_variant_are_refused() -> None:
    for config, other in ((R50_REFINE, R50_TWO_STAGE), (R50_TWO_STAGE, R50_REFINE)):
        with torch.device("meta"):
            weights = DeformableDetr(other).state_dict()
        zeros = {name: torch.zeros_like(tensor, device="cpu") for name, tensor in weights.items()}
        with pytest.raises(CheckpointError, match="do not fit the network"):
            load(zeros, config)


def test_a_training_file_with_its_command_line_is_read(tmp_path: Path) -> None:
    weights = small_weights()
    content = {"model": weights, "epoch": 49, "args": argparse.Namespace(lr=2e-4, dilation=False)}
    torch.save(content, tmp_path / "checkpoint.pth")
    read = checkpoint.read(tmp_path / "checkpoint.pth")
    assert read.keys() == weights.keys()
    load(read)


@needs_goldens
def test_categories_are_the_published_ones() -> None:
    labels = manifest(FAMILY, "coco-labels.json")["labels"]
    assert {id_: category.name for id_, category in R50.categories.items()} == {
        int(id_): name for id_, name in labels.items()
    }
    assert R50.class_count == 91


@needs_goldens
def test_scores_and_licences_are_the_published_ones() -> None:
    for name, variant_name in CONFIGS.items():
        published = manifest(FAMILY, f"manifest-{name}.json")
        variant = zoo.available()[variant_name]
        assert variant.score.endswith(f"AP {published['published']['AP']}")
        assert variant.licence.split(",")[0] in published["license"]
        twin, original = variant.files
        assert (original.file, original.url in published["source"]) == (published["file"], True)
        reported = manifest(FAMILY, f"manifest-hf-{name}.json")
        revision, digest = reported["safetensors_revision_and_sha256_reported"]
        repository = reported["source"].split()[0]
        assert twin.url == f"{repository}/resolve/{revision}/{twin.file}"
        assert twin.sha256 == digest
