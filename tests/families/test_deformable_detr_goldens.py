"""Deformable DETR against the official numbers, stage by stage and end to end.

Limits are those of the reference: largest and mean difference of a stage, scores 3e-5, boxes 0.03
pixels.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.deformable_detr import R50
from models.deformable_detr.heads import inverse_sigmoid
from models.deformable_detr.model import RawOutputs
from models.deformable_detr.position import TokenGrid, sine_positions
from models.deformable_detr.postprocess import Selection, to_detections
from models.deformable_detr.preprocess import input_shape, preprocess
from models.deformable_detr.two_stage import embed_proposals, grid_proposals
from models.outputs import Detections
from tests.families import deformable_detr_stages as network
from tests.goldens import Golden, golden, needs_goldens, uniform

pytestmark = needs_goldens

FAMILY = network.FAMILY
EVERY_COLUMN = range(91)
PAIRS = ("base-batch", "refine-batch", "two_stage-batch")
STAGES = (
    "input", "feat0", "feat1", "feat2", "src0", "src1", "src2", "src3", "pos0", "pos1", "pos2",
    "pos3", "valid_ratios", "lvl_pos_embed", "enc_reference_points", "enc0_sampling_offsets",
    "enc0_attn", *(f"enc_layer{i}" for i in range(6)), "memory", "output_proposals",
    "output_memory", "enc_class0", "enc_coord_unact", "proposal_pos_embed", "pos_trans_out",
    "query_pos", "tgt", "init_reference", "dec0_self_attn", "dec0_norm2", "dec0_cross_attn",
    "dec0_norm1", "hs", "logits_all", "boxes_all", "pred_logits", "pred_boxes",
)  # fmt: skip


def tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.array(array))


@pytest.mark.slow
@pytest.mark.parametrize("name", network.CASES)
def test_every_stage_has_the_official_numbers(name: str) -> None:
    official, ours = golden(FAMILY, name), network.stages(name)
    present = [stage for stage in STAGES if stage in official.arrays]
    assert len(present) >= 5
    differences = {stage: network.difference(official, stage, ours) for stage in present}
    beyond = {
        stage: difference
        for stage, difference in differences.items()
        if any(np.array(difference) > network.limits(name, stage))
    }
    assert not beyond


@pytest.mark.slow
@pytest.mark.parametrize("name", network.CASES[:5])
def test_levels_and_their_masks_are_the_official_ones(name: str) -> None:
    official, ours = golden(FAMILY, name), network.stages(name)
    shapes = official["spatial_shapes"]
    np.testing.assert_array_equal(ours["spatial_shapes"], shapes)
    for mask in ("mask", *(f"mask{level}" for level in range(len(shapes)))):
        np.testing.assert_array_equal(ours[mask], official[mask])


@pytest.mark.slow
@pytest.mark.parametrize("name", network.CASES[:5])
def test_references_are_the_official_ones_after_every_layer(name: str) -> None:
    official, ours = golden(FAMILY, name)["inter_references"], network.stages(name)
    if "base" in name or "single_scale" in name:
        expected = np.broadcast_to(ours["init_reference"], official.shape)
    else:
        expected = ours["boxes_all"]
    assert np.abs(expected - official).max() <= 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("name", PAIRS)
def test_a_picture_by_itself_has_the_official_numbers(name: str) -> None:
    official, model = golden(FAMILY, name), network.build(name)
    for index, picture in enumerate(network.images(official)):
        prefix = f"alone{index}_"
        found = network.run(model, [picture])
        if f"{prefix}topk_index" in official.arrays:
            network.reorder(found, official[f"{prefix}topk_index"])
        for stage in ("memory", "pred_logits", "pred_boxes", "valid_ratios"):
            gaps = np.abs(official.sliced(prefix + stage, found[stage]) - official[prefix + stage])
            largest, mean = network.limits(name, stage)
            assert gaps.max() <= largest
            assert gaps.mean() <= mean


def check_detections(found: Detections, official: Golden, prefix: str, picture: int = 0) -> None:
    """One to one with the golden's best hundred, near ties in either order."""
    theirs = {name: official[prefix + name][picture] for name in ("boxes", "labels", "scores")}
    scores = found.scores.numpy()
    assert (np.diff(scores) <= 0).all()
    assert np.abs(scores - theirs["scores"]).max() <= 3e-5
    distances = np.abs(found.boxes_xyxy.numpy()[None] - theirs["boxes"][:, None]).max(axis=2)
    distances[theirs["labels"][:, None] != found.labels.numpy()[None]] = np.inf
    distances[np.abs(theirs["scores"][:, None] - scores[None]) > 6e-5] = np.inf
    partners = distances.argmin(axis=1)
    assert len(set(partners)) == len(partners)
    assert distances.min(axis=1).max() <= 0.03


@pytest.mark.slow
@pytest.mark.parametrize("name", ["base-single", "single_scale_dc5-single", "hf-refine-single"])
def test_detections_are_the_official_ones(name: str) -> None:
    official = golden(FAMILY, name)
    pictures = network.images(official)
    (found,) = network.load(name).predict(pictures, labels=EVERY_COLUMN)
    check_detections(found, official, "")


@pytest.mark.slow
@pytest.mark.parametrize("name", PAIRS)
def test_pictures_given_together_get_the_answers_they_get_alone(name: str) -> None:
    official = golden(FAMILY, name)
    both = network.load(name).predict(network.images(official), labels=EVERY_COLUMN)
    for index, found in enumerate(both):
        check_detections(found, official, f"alone{index}_")


@pytest.mark.slow
@pytest.mark.parametrize("name", PAIRS)
def test_a_padded_batch_has_the_official_detections_too(name: str) -> None:
    official, stages = golden(FAMILY, name), network.stages(name)
    outputs = RawOutputs(tensor(stages["logits_all"]), tensor(stages["boxes_all"]), None)
    sizes = tensor(official["target_sizes"]).float()
    for index, found in enumerate(to_detections(outputs, sizes, Selection(0, 100, EVERY_COLUMN))):
        check_detections(found, official, "", index)


def test_the_hundred_best_of_drawn_outputs_are_the_official_ones() -> None:
    official = golden(FAMILY, "postprocess")
    logits, boxes = tensor(official["pred_logits"]), tensor(official["pred_boxes"])
    sizes = tensor(official["target_sizes"]).float()
    outputs = RawOutputs(logits[None], boxes[None], None)
    both = to_detections(outputs, sizes, Selection(0, 100, EVERY_COLUMN))
    for index, found in enumerate(both):
        np.testing.assert_array_equal(found.labels.numpy(), official["labels"][index])
        np.testing.assert_allclose(found.scores.numpy(), official["scores"][index], atol=1e-7)
        np.testing.assert_allclose(found.boxes_xyxy.numpy(), official["boxes"][index], rtol=1e-6)


@pytest.mark.parametrize("rule", [(800, 1333), (480, 640), (128, 192)])
def test_input_shapes_are_the_official_ones_on_the_whole_table(rule: tuple[int, int]) -> None:
    official = golden(FAMILY, "preprocess")
    config = replace(R50, min_size=rule[0], max_size=rule[1])
    wanted = official[f"sizes_{rule[0]}_{rule[1]}"].tolist()
    ours = [list(input_shape((h, w), config)) for h, w in official["sizes_in"].tolist()]
    assert ours == wanted


def prepared(official: Golden, *indices: int) -> tuple[torch.Tensor, torch.Tensor]:
    short, longest = official[f"rule{indices[0]}"].tolist()
    config = replace(R50, min_size=short, max_size=longest)
    batch = preprocess([tensor(official[f"image{index}"]) for index in indices], config)
    return batch.images, batch.padding_mask


@pytest.mark.parametrize("index", range(4))
def test_a_picture_is_resized_and_normalised_as_officially(index: int) -> None:
    official = golden(FAMILY, "preprocess")
    images, padding_mask = prepared(official, index)
    assert list(images.shape[1:]) == official[f"shape{index}"].tolist()
    assert not padding_mask.any()
    ours = official.sliced(f"input{index}", images[0].numpy())
    np.testing.assert_allclose(ours, official[f"input{index}"], atol=1e-6)


def test_a_mixed_batch_is_padded_as_officially() -> None:
    official = golden(FAMILY, "preprocess")
    images, padding_mask = prepared(official, 1, 2)
    ours = official.sliced("batch12", images.numpy())
    np.testing.assert_allclose(ours, official["batch12"], atol=1e-6)
    np.testing.assert_array_equal(padding_mask.numpy(), official["batch12_mask"])


def geometry_grid(official: Golden) -> TokenGrid:
    shapes = [(height, width) for height, width in official["spatial_shapes"].tolist()]
    return TokenGrid.build(tensor(official["mask"]), shapes)


def test_masks_positions_and_references_are_the_official_ones() -> None:
    official = golden(FAMILY, "geometry")
    grid = geometry_grid(official)
    for level, mask in enumerate(grid.padding_masks):
        np.testing.assert_array_equal(mask.numpy(), official[f"mask{level}"])
        flat = sine_positions(mask, 256)
        maps = flat.mT.reshape(len(mask), 256, *mask.shape[1:]).numpy()
        is_real = np.broadcast_to(~mask.numpy()[:, None], maps.shape)
        gaps = np.abs(official.sliced(f"pos{level}", maps) - official[f"pos{level}"])
        assert gaps[official.sliced(f"pos{level}", is_real)].max() <= 2e-6
    np.testing.assert_array_equal(grid.valid_ratios.numpy(), official["valid_ratios"])
    references = grid.on_levels(grid.centres()).numpy()
    np.testing.assert_allclose(references, official["enc_reference_points"], atol=1e-6)


def test_proposals_are_the_official_ones() -> None:
    official = golden(FAMILY, "geometry")
    grid = geometry_grid(official)
    np.testing.assert_allclose(
        grid_proposals(grid).numpy(), official["output_proposals"], atol=1e-5
    )
    transformer = network.build("geometry").transformer
    memory = tensor(uniform("geo/memory", (3, 191, 256)) * np.float32(1.7))
    seen: list[torch.Tensor] = []
    transformer.enc_output_norm.register_forward_hook(lambda _, __, output: seen.append(output))
    with torch.inference_mode():
        transformer.propose(memory, grid, torch.nn.Identity(), lambda hidden: hidden[..., :4])
        embedded = embed_proposals(tensor(official["coords_unact"]), 512)
        queries = transformer.pos_trans_norm(transformer.pos_trans(embedded))
    output_memory = official.sliced("output_memory", seen[0].numpy())
    assert np.abs(output_memory - official["output_memory"]).max() <= 2e-5
    assert np.abs(embedded.numpy() - official["proposal_pos_embed"]).max() <= 1e-5
    assert np.abs(queries.numpy() - official["pos_trans_out"]).max() <= 1e-5


def test_logits_of_scores_are_the_official_ones() -> None:
    official = golden(FAMILY, "geometry")
    ours = inverse_sigmoid(tensor(official["inv_sigmoid_x"]))
    np.testing.assert_allclose(ours.numpy(), official["inv_sigmoid_y"], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "module_name"),
    [
        ("ref2", "transformer.encoder.layers.2.self_attn"),
        ("ref4", "transformer.decoder.layers.1.cross_attn"),
    ],
)
def test_the_attention_module_has_the_official_numbers(kind: str, module_name: str) -> None:
    official = golden(FAMILY, "msdeform")
    attention = network.build("msdeform").get_submodule(module_name)
    shapes = [(height, width) for height, width in official["mod_spatial_shapes"].tolist()]
    queries, tokens = tensor(official["mod_query"]), tensor(official["mod_input_flatten"])
    padding_mask = tensor(official["mod_padding_mask"])
    for mask, name in ((padding_mask, "output"), (torch.zeros_like(padding_mask), "output_nomask")):
        grid = TokenGrid(shapes, [], mask, torch.empty(0), torch.empty(0))
        references = tensor(official[f"{kind}_reference_points"])
        with torch.inference_mode():
            ours = attention(queries, references, tokens, grid).numpy()
        assert np.abs(ours - official[f"{kind}_{name}"]).max() <= 2e-5
