"""Matching, losses, gradients and first weights of Deformable DETR."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models import zoo
from models.deformable_detr import (
    R50,
    R50_REFINE,
    R50_TWO_STAGE,
    DeformableDetr,
    DeformableDetrConfig,
)
from models.deformable_detr.loss import SetLosses, losses, match, outputs_losses, set_losses
from models.deformable_detr.matcher import Objects, assign, match_costs
from models.deformable_detr.model import RawOutputs
from models.deformable_detr.preprocess import preprocess
from models.deformable_detr.two_stage import Proposals
from tests.families import deformable_detr_stages as network
from tests.goldens import Golden, golden, needs_goldens

FAMILY = network.FAMILY


def tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.array(array))


@st.composite
def cost_tables(draw: st.DrawFn) -> np.ndarray:
    """Few objects, a few more queries, often with ties."""
    objects = draw(st.integers(0, 5))
    queries = draw(st.integers(objects, 7))
    size = objects * queries
    cost = draw(st.sampled_from([st.integers(-3, 3), st.floats(-1e3, 1e3, width=32)]))
    flat = draw(st.lists(cost, min_size=size, max_size=size))
    return np.array(flat, dtype=np.float64).reshape(queries, objects)


@given(cost_tables())
def test_no_assignment_costs_less(costs: np.ndarray) -> None:
    queries, objects = costs.shape
    chosen = assign(costs)
    assert chosen.shape == (objects,)
    assert len(set(chosen)) == objects
    columns = np.arange(objects)
    least = min(
        costs[list(rows), columns].sum() for rows in itertools.permutations(range(queries), objects)
    )
    assert costs[chosen, columns].sum() == pytest.approx(least, abs=1e-6)


def test_a_large_assignment_stays_the_best_when_objects_come_in_another_order() -> None:
    costs = np.random.default_rng(5).normal(size=(300, 100))
    order = np.random.default_rng(6).permutation(100)
    forwards, shuffled = assign(costs), assign(costs[:, order])
    np.testing.assert_array_equal(forwards[order], shuffled)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_costs_that_are_no_numbers_are_refused(wrong: float) -> None:
    costs = np.zeros((3, 2))
    costs[1, 1] = wrong
    with pytest.raises(ValueError, match="not finite"):
        assign(costs)


def test_more_objects_than_queries_are_refused() -> None:
    with pytest.raises(ValueError, match="3 objects cannot be told apart by 2 queries"):
        assign(np.zeros((2, 3)))


def objects_of(official: Golden) -> list[Objects]:
    count = sum(name.endswith("_labels") for name in official.arrays)
    return [
        Objects(tensor(official[f"target{i}_labels"]).long(), tensor(official[f"target{i}_boxes"]))
        for i in range(count)
    ]


def layer_losses(found: SetLosses, layer: int) -> list[float]:
    return [float(part[layer].detach()) for part in (found.classes, found.l1, found.giou)]


def official_losses(official: Golden, suffix: str) -> list[float]:
    recorded = official.meta["losses"]
    return [recorded[f"loss_{name}{suffix}"] for name in ("ce", "bbox", "giou")]


@needs_goldens
def test_costs_of_matching_are_the_official_ones() -> None:
    official = golden(FAMILY, "criterion")
    truths = objects_of(official)
    together = Objects(
        torch.cat([truth.labels for truth in truths]),
        torch.cat([truth.boxes_cxcywh_norm for truth in truths]),
    )
    # Of the last layer; queries of all pictures one after the other.
    logits, boxes = (tensor(official[name])[-1].flatten(0, 1) for name in ("logits", "boxes"))
    costs = match_costs(logits, boxes, together, R50).numpy()
    expected = 2 * official["cost_class"] + 5 * official["cost_l1"] + 2 * official["cost_giou"]
    assert np.abs(costs - expected).max() <= 2e-6


@needs_goldens
@pytest.mark.parametrize("name", ["criterion", "criterion-empty"])
def test_queries_are_matched_as_officially(name: str) -> None:
    official = golden(FAMILY, name)
    logits, boxes = tensor(official["logits"]), tensor(official["boxes"])
    for index, truth in enumerate(objects_of(official)):
        ours = match(logits[:, index], boxes[:, index], truth, R50)
        for layer, queries in enumerate(ours.numpy()):
            theirs = official[f"match_l{layer}_img{index}"]
            assert dict(enumerate(queries)) == dict(zip(theirs[1], theirs[0], strict=True))


@needs_goldens
@pytest.mark.parametrize("name", ["criterion", "criterion-empty"])
def test_losses_of_every_layer_are_the_official_ones(name: str) -> None:
    official = golden(FAMILY, name)
    found = set_losses(
        tensor(official["logits"]), tensor(official["boxes"]), objects_of(official), R50
    )
    for layer, suffix in enumerate(("_0", "_1", "_2", "_3", "_4", "")):
        expected = official_losses(official, suffix)
        np.testing.assert_allclose(layer_losses(found, layer), expected, rtol=1e-6, atol=1e-6)


@needs_goldens
@pytest.mark.parametrize("name", ["criterion", "criterion-empty"])
def test_the_total_and_its_gradients_are_the_official_ones(name: str) -> None:
    official = golden(FAMILY, name)
    leaves = {"logits": tensor(official["logits"]), "boxes": tensor(official["boxes"])}
    proposals = None
    if "enc_logits" in official.arrays:
        leaves["enc_logits"] = tensor(official["enc_logits"])
        # Ours carries the boxes as logits; the gradient of the boxes is a factor away.
        enc_boxes = tensor(official["enc_boxes"])
        leaves["enc_boxes"] = (enc_boxes.double() / (1 - enc_boxes.double())).log().float()
        proposals = Proposals(leaves["enc_logits"], leaves["enc_boxes"])
    for leaf in leaves.values():
        leaf.requires_grad_()
    outputs = RawOutputs(leaves["logits"], leaves["boxes"], proposals)
    total = torch.stack(list(outputs_losses(outputs, objects_of(official), R50).values())).sum()
    assert total.item() == pytest.approx(official.meta["total"], rel=1e-6)
    total.backward()
    for leaf_name, leaf in leaves.items():
        expected = official[f"grad_{leaf_name}"]
        if leaf_name == "enc_boxes":
            expected = expected * official["enc_boxes"] * (1 - official["enc_boxes"])
        np.testing.assert_allclose(leaf.grad, expected, rtol=1e-4, atol=1e-5)


@needs_goldens
@pytest.mark.slow
@pytest.mark.parametrize("name", ["train-refine", "train-two_stage"])
def test_a_step_of_the_whole_network_has_the_official_loss_and_gradients(name: str) -> None:
    official, model = golden(FAMILY, name), network.build(name)
    assert frozen(model) == sorted(official.meta["frozen"])
    batch = preprocess([tensor(image) for image in network.images(official)], model.config)
    found = losses(model, batch.images, batch.padding_mask, objects_of(official))
    total = torch.stack(list(found.values())).sum()
    assert total.item() == pytest.approx(official.meta["total"], rel=1e-5)
    total.backward()
    gradients = {
        key: parameter.grad
        for key, parameter in model.named_parameters()
        if parameter.grad is not None
    }
    norms = official.meta["grad_norms"]
    assert gradients.keys() == norms.keys()
    for key, gradient in gradients.items():
        assert gradient.norm().item() == pytest.approx(norms[key], rel=1e-2), key
    for key in filter(lambda key: key.startswith("grad:"), official.arrays):
        ours = official.sliced(key, gradients[key.removeprefix("grad:")].numpy())
        gap = np.linalg.norm(ours - official[key]) / np.linalg.norm(official[key])
        assert gap <= 1e-2, key


def frozen(model: DeformableDetr) -> list[str]:
    return sorted(name for name, part in model.named_parameters() if not part.requires_grad)


VARIANTS = {"r50": R50, "r50_refine": R50_REFINE, "r50_refine_two_stage": R50_TWO_STAGE}


@needs_goldens
@pytest.mark.parametrize("name", VARIANTS)
def test_fixed_parts_of_fresh_weights_are_the_official_ones(name: str) -> None:
    official = golden(FAMILY, "init")
    # The trunk has no part in this; a narrow one is quicker.
    model = DeformableDetr(replace(VARIANTS[name], stem_channels=4, mid_channels=(4, 4, 4, 4)))
    for layer, bias in enumerate(official[f"{name}_class_bias"]):
        head = model.class_embed[layer if len(model.class_embed) > 1 else 0]
        np.testing.assert_allclose(head.bias[:3].detach(), bias, rtol=1e-6)
    for layer, bias in enumerate(official[f"{name}_bbox_last_bias"]):
        head = model.bbox_embed[layer if len(model.bbox_embed) > 1 else 0]
        np.testing.assert_array_equal(head.last.bias.detach(), bias)
        assert head.last.weight.abs().max() == official[f"{name}_bbox_last_weight_absmax"][layer]
    for attention in (
        model.transformer.encoder.layers[1].self_attn,
        model.transformer.decoder.layers[2].cross_attn,
    ):
        bias = attention.sampling_offsets.bias.detach().view(8, 4, 4, 2)
        np.testing.assert_allclose(bias, official["sampling_offsets_bias"], atol=1e-6)
        for zero in (attention.sampling_offsets.weight, *attention.attention_weights.parameters()):
            assert not zero.any()


def test_random_parts_of_fresh_weights_have_the_official_spread() -> None:
    model = zoo.build("deformable_detr_r50", {"mid_channels": (4, 4, 4, 4), "stem_channels": 4})
    parts = dict(model.named_parameters())

    def xavier(rows: int, columns: int) -> float:
        return (2 / (rows + columns)) ** 0.5

    wanted = {
        "transformer.level_embed": 1.0,
        "query_embed.weight": 1.0,
        "transformer.reference_points.weight": xavier(2, 256),
        "transformer.encoder.layers.0.linear1.weight": xavier(1024, 256),
        "transformer.decoder.layers.5.self_attn.in_proj_weight": xavier(768, 256),
        "transformer.decoder.layers.5.self_attn.out_proj.weight": xavier(256, 256),
        "transformer.decoder.layers.1.cross_attn.value_proj.weight": xavier(256, 256),
        "input_proj.3.0.weight": xavier(9 * 256, 9 * 16),
    }
    for name, spread in wanted.items():
        assert parts[name].std().item() == pytest.approx(spread, rel=0.1), name
    for name in ("input_proj.0.0.bias", "transformer.reference_points.bias"):
        assert not parts[name].any()


TINY = DeformableDetrConfig(
    categories={1: R50.categories[1], 2: R50.categories[2]},
    stem_channels=8,
    mid_channels=(4, 4, 8, 8),
    block_counts=(1, 1, 1, 1),
    norm="batch",
    frozen=(),
    channels=32,
    groups=4,
    heads=2,
    points=2,
    encoder_layers=1,
    decoder_layers=2,
    feedforward_channels=64,
    query_count=12,
    is_refined=True,
    is_two_stage=True,
)
SOME = Objects(torch.tensor([1, 2]), torch.tensor([[0.3, 0.3, 0.2, 0.4], [0.7, 0.6, 0.3, 0.3]]))


@pytest.mark.parametrize("is_two_stage", [False, True])
def test_a_small_network_learns_two_pictures(is_two_stage: bool) -> None:
    torch.manual_seed(1)
    model = DeformableDetr(replace(TINY, is_two_stage=is_two_stage, dropout=0.0)).train()
    images, padding_mask = torch.randn(2, 3, 96, 96), torch.zeros(2, 96, 96, dtype=torch.bool)
    nothing = Objects(torch.zeros(0, dtype=torch.int64), torch.zeros(0, 4))
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    totals = []
    for _ in range(25):
        parts = losses(model, images, padding_mask, [SOME, nothing])
        total = torch.stack(list(parts.values())).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(total.item())
    assert totals[-1] < 0.6 * totals[0]
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_chance_drops_parts_out_in_training_only() -> None:
    model = DeformableDetr(replace(TINY, dropout=0.5, norm="frozen"))
    images, padding_mask = torch.randn(1, 3, 64, 64), torch.zeros(1, 64, 64, dtype=torch.bool)
    for is_training in (True, False):
        model.train(is_training)
        first, second = (model(images, padding_mask).class_logits for _ in range(2))
        assert torch.equal(first, second) != is_training
