"""The network run stage by stage for comparison with the goldens; as a script, the table of it."""

from collections.abc import Iterator, Mapping
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from torch import nn

from models import checkpoint, zoo
from models.deformable_detr import DeformableDetr, DeformableDetrPredictor
from models.deformable_detr.model import RawOutputs
from models.deformable_detr.position import sine_positions
from models.deformable_detr.preprocess import preprocess
from models.deformable_detr.published_names import to_own_names
from models.deformable_detr.two_stage import grid_proposals
from tests.goldens import Golden, golden, weights

FAMILY = "deformable_detr"
VARIANTS = {
    "base-single": "deformable_detr_r50",
    "base-batch": "deformable_detr_r50",
    "refine-batch": "deformable_detr_r50_refine",
    "two_stage-batch": "deformable_detr_r50_two_stage",
    "single_scale_dc5-single": "deformable_detr_r50_single_scale_dc5",
    "hf-refine-single": "deformable_detr_r50_refine",
    "geometry": "deformable_detr_r50_two_stage",
    "msdeform": "deformable_detr_r50",
    "train-refine": "deformable_detr_r50_refine",
    "train-two_stage": "deformable_detr_r50_two_stage",
}
CASES = tuple(VARIANTS)[:6]

# Largest and mean absolute difference. Those of the last stages are the reference's own; the mean
# is what tells a wrong epsilon from noise.
EXACT = (0.0, 0.0)
USUAL = (1e-4, 1e-5)
LIMITS = {
    "input": EXACT,
    "hs": (1e-3, 1e-5),
    "logits_all": (1e-3, 1e-5),
    "pred_logits": (1e-3, 1e-5),
}
_REFINED_MEAN = 1.5e-5

Arrays = dict[str, np.ndarray]


@cache
def _weights(manifest: str, gains: str) -> Mapping[str, np.ndarray]:
    meta = next(
        given
        for given in (golden(FAMILY, name).meta for name in VARIANTS)
        if given["manifest"] == manifest and str(given["gains"]) == gains
    )
    return weights(FAMILY, meta)


def published(name: str) -> Mapping[str, np.ndarray]:
    """A golden's weights as published; goldens that share them share the arrays."""
    meta = golden(FAMILY, name).meta
    assert meta["salt"] == 0
    return _weights(meta["manifest"], str(meta["gains"]))


def rule(given: Golden) -> dict[str, int]:
    sizes = given.meta.get("resize_rule", {"short": 800, "longest": 1333})
    return {"min_size": sizes["short"], "max_size": sizes["longest"]}


def load(name: str, **overrides: Any) -> DeformableDetrPredictor:
    """The predictor as served, with a golden's weights and input rule, some numbers replaced."""
    given = golden(FAMILY, name)
    numbers = {**rule(given), **overrides}
    predictor = zoo.load(VARIANTS[name], published(name), overrides=numbers)
    assert isinstance(predictor, DeformableDetrPredictor)
    return predictor


def build(name: str, **overrides: Any) -> DeformableDetr:
    """The network as trained, its norms not folded, with a golden's weights."""
    model = zoo.build(VARIANTS[name], {**rule(golden(FAMILY, name)), **overrides})
    assert isinstance(model, DeformableDetr)
    own = to_own_names(checkpoint.read(published(name)), model.config)
    checkpoint.load_strict(model, own)
    return model.eval()


def images(given: Golden) -> list[np.ndarray]:
    return [given[f"image{i}"] for i in range(3) if f"image{i}" in given.arrays]


@cache
def stages(name: str) -> Arrays:
    """Every stage on the golden's batch, queries in the golden's order."""
    given = golden(FAMILY, name)
    found = run(build(name), images(given))
    if "topk_index" in given.arrays:
        reorder(found, given["topk_index"])
    return found


def run(model: DeformableDetr, pictures: list[np.ndarray]) -> Arrays:
    """Run the network and keep what passes between its parts.

    The trunk runs as it does in training: some queries of the two-stage golden magnify the noise
    of another order of its sums to the limit.
    """
    batch = preprocess([torch.from_numpy(image) for image in pictures], model.config)
    model.requires_grad_(requires_grad=False)
    found: dict[str, Any] = {}
    hooks = list(_listen(model, found))
    try:
        outputs = model(batch.images.contiguous(), batch.padding_mask)
    finally:
        for hook in hooks:
            hook.remove()
    last = _last(model, outputs, found)
    tensors = {"input": batch.images, "mask": batch.padding_mask, **found, **last}
    return {name: tensor.numpy().copy() for name, tensor in tensors.items()}


def _listen(model: DeformableDetr, found: dict[str, Any]) -> Iterator[Any]:
    def keep(key: str, _: nn.Module, __: Any, output: Any) -> None:
        found[key] = output[0] if isinstance(output, tuple) else output

    def keep_encoder_inputs(_: nn.Module, given: tuple[Any, ...]) -> None:
        _, found["lvl_pos_embed"], found["grid"] = given
        grid = found["grid"]
        found["enc_reference_points"] = grid.on_levels(grid.centres())

    def keep_queries(_: nn.Module, given: tuple[Any, ...]) -> None:
        queries = given[0]
        found["tgt"], found["query_pos"] = queries.content, queries.positions
        found["init_reference"] = queries.references

    transformer = model.transformer
    names = {
        "features": model.get_submodule("backbone.0.body"),
        "memory": transformer.encoder,
        "enc0_attn": transformer.encoder.layers[0].self_attn,
        "enc0_sampling_offsets": transformer.encoder.layers[0].self_attn.sampling_offsets,
        "dec0_self_attn": transformer.decoder.layers[0].self_attn,
        "dec0_norm2": transformer.decoder.layers[0].norm2,
        "dec0_cross_attn": transformer.decoder.layers[0].cross_attn,
        "dec0_norm1": transformer.decoder.layers[0].norm1,
        **{f"src{i}": module for i, module in enumerate(model.input_proj)},
        **{f"enc_layer{i}": module for i, module in enumerate(transformer.encoder.layers)},
        **{f"hs{i}": module for i, module in enumerate(transformer.decoder.layers)},
    }
    if model.config.is_two_stage:
        names |= {
            "output_memory": transformer.enc_output_norm,
            "pos_trans_out": transformer.pos_trans_norm,
        }
        yield transformer.pos_trans.register_forward_pre_hook(
            lambda _, given: found.update(proposal_pos_embed=given[0])
        )
    yield transformer.encoder.register_forward_pre_hook(keep_encoder_inputs)
    yield transformer.decoder.register_forward_pre_hook(keep_queries)
    for key, module in names.items():
        yield module.register_forward_hook(partial(keep, key))


def _last(model: DeformableDetr, outputs: RawOutputs, found: dict[str, Any]) -> dict[str, Any]:
    """What is not passed between modules."""
    config, grid, features = model.config, found.pop("grid"), found.pop("features")
    last = {f"feat{i}": features[level] for i, level in enumerate(config.trunk_levels)}
    for index, mask in enumerate(grid.padding_masks):
        flat = sine_positions(mask, config.channels)
        last[f"mask{index}"] = mask
        last[f"pos{index}"] = flat.mT.reshape(len(mask), config.channels, *mask.shape[1:])
    last["flat_mask"] = grid.padding_mask
    last["spatial_shapes"] = torch.tensor(grid.shapes)
    last["valid_ratios"] = grid.valid_ratios
    last["hs"] = torch.stack([found.pop(f"hs{i}") for i in range(config.decoder_layers)])
    last["logits_all"], last["boxes_all"] = outputs.class_logits, outputs.boxes_cxcywh_norm
    last["pred_logits"], last["pred_boxes"] = outputs.class_logits[-1], last["boxes_all"][-1]
    if outputs.proposals is not None:
        last["output_proposals"] = grid_proposals(grid)
        last["enc_class0"] = outputs.proposals.class_logits[..., 0]
        last["enc_coord_unact"] = outputs.proposals.box_logits
    return last


OF_QUERIES = (
    "tgt", "query_pos", "init_reference", "proposal_pos_embed", "pos_trans_out", "dec0_self_attn",
    "dec0_norm2", "dec0_cross_attn", "dec0_norm1", "pred_logits", "pred_boxes",
)  # fmt: skip
OF_LAYERS_AND_QUERIES = ("hs", "logits_all", "boxes_all")


def reorder(found: Arrays, official: np.ndarray) -> None:
    """Put queries in the golden's order: near ties of proposals may come out either way.

    Tokens that cannot propose all score the same: which of them are taken is arbitrary, and their
    queries are equal.
    """
    objectness, can_propose = found["enc_class0"], np.isfinite(found["output_proposals"][..., 0])
    for picture, tokens in enumerate(official):
        ours = np.argsort(-objectness[picture], kind="stable")[: len(tokens)]
        is_real = can_propose[picture, ours]
        assert set(ours[is_real]) == set(tokens[can_propose[picture, tokens]])
        row_of = {token: row for row, token in enumerate(ours) if is_real[row]}
        others = iter(np.flatnonzero(~is_real))
        rows = [row_of[token] if token in row_of else next(others) for token in tokens]
        for name in OF_QUERIES:
            found[name][picture] = found[name][picture, rows]
        for name in OF_LAYERS_AND_QUERIES:
            found[name][:, picture] = found[name][:, picture][:, rows]


def limits(name: str, stage: str) -> tuple[float, float]:
    """Largest and mean difference allowed."""
    largest, mean = LIMITS.get(stage, USUAL)
    return largest, _REFINED_MEAN if stage in LIMITS and "base" not in name and mean else mean


# Padding reaches these stages, but no answer: there numbers may differ.
PADDED = ("lvl_pos_embed", "memory", "enc_reference_points", "enc0_attn", "enc0_sampling_offsets",
          *(f"enc_layer{i}" for i in range(6)))  # fmt: skip


def difference(given: Golden, stage: str, found: Arrays) -> tuple[float, float]:
    """Largest and mean absolute difference, where there is no padding."""
    full = found[stage]
    counts = np.ones(full.shape, dtype=bool)
    if stage in PADDED:
        mask = found["flat_mask"]
        counts &= ~mask.reshape(*mask.shape, *[1] * (full.ndim - 2))
    if stage.startswith("pos") and stage[3:].isdigit():
        counts &= ~found[f"mask{stage[3:]}"][:, None]
    official, counts = given[stage], given.sliced(stage, counts)
    ours = given.sliced(stage, full)
    assert ours.shape == official.shape
    is_equal = ours == official  # infinities too
    gaps = np.abs(np.where(is_equal, 0, ours - np.where(is_equal, 0, official)))[counts]
    return float(gaps.max()), float(gaps.mean())


if __name__ == "__main__":
    for golden_name in CASES:
        recorded, ours = golden(FAMILY, golden_name), stages(golden_name)
        for stage_name in recorded.arrays:
            if stage_name in ours and ours[stage_name].dtype == np.float32:
                worst, mean = difference(recorded, stage_name, ours)
                print(f"{golden_name:24} {stage_name:24} {worst:.1e} {mean:.1e}")  # noqa: T201
