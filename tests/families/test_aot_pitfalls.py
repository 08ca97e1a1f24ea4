"""Choices that other implementations get wrong: each, made wrongly here, is seen by the goldens."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from models import aot, checkpoint
from models.layers.inference import prepare
from tests.families import aot_stages as network
from tests.goldens import golden, needs_goldens, weights

pytestmark = needs_goldens

STAGE_LIMIT = 3e-4
CLIP = "aotb-newobj"


def wrong_predictor(**overrides):
    """A predictor of its own, with fields of its config replaced."""
    given = golden("aot", CLIP)
    config = replace(network.load(CLIP)._model.config, **overrides)
    published = checkpoint.read(weights("aot", given.meta))
    return aot.AotPredictor(prepare(aot.load_network(config, published), "cpu", torch.float32))


def assert_noticed(predictor, stage):
    frames = int(stage[1:4]) + 1
    ours = network.Run(CLIP, predictor, frames).stages[stage]
    assert network.difference(golden("aot", CLIP), stage, ours) > 5 * STAGE_LIMIT


@pytest.mark.parametrize(
    ("stage", "wrong"),
    [
        ("f000_input", {"image_mean": (0.406, 0.456, 0.485)}),
        ("f000_enc_4x", {"norm_eps": 1e-3}),
    ],
)
def test_a_wrong_number_shows_at_its_stage(stage, wrong):
    assert_noticed(wrong_predictor(**wrong), stage)


@pytest.mark.parametrize("wrong", [{"long_term_gap": 3}, {"max_long_term_frames": 3}])
def test_a_wrong_gap_or_limit_shows_in_the_memory(wrong):
    memory = network.Run(CLIP, wrong_predictor(**wrong)).states[-1].groups[0].long_term
    assert memory.keys.shape != network.run(CLIP).states[-1].groups[0].long_term.keys.shape


def plain_tail(model):
    for index in (15, 16, 17):
        depthwise = model.encoder.features[index].conv[1][0]
        depthwise.dilation = depthwise.padding = (1, 1)


def large_eps(model):
    for module in model.modules():
        if isinstance(module, nn.LayerNorm | nn.GroupNorm):
            module.eps = 1e-3


def no_relative_values(model):
    for layer in model.LSTT.layers:
        layer.short_term_attn.relative_emb_v.zero_()


def turned_window(model):
    """The window's offsets column by column."""
    for layer in model.LSTT.layers:
        keys = layer.short_term_attn.relative_emb_k
        keys.weight.copy_(keys.weight.view(8, 15, 15, 32).transpose(1, 2).reshape(1800, 32, 1, 1))


def no_background(model):
    model.patch_wise_id_bank.weight[:, 0] = 0


@pytest.mark.parametrize(
    ("stage", "spoil"),
    [
        ("f000_enc_last", plain_tail),
        ("f001_logits_4x_e0", large_eps),
        ("f000_st_attn_0", no_relative_values),
        ("f000_st_attn_0", turned_window),
        ("f000_id_emb_e0", no_background),
    ],
)
def test_a_wrong_choice_shows_at_its_stage(stage, spoil):
    predictor = wrong_predictor()
    spoil(predictor._model)
    assert_noticed(predictor, stage)
