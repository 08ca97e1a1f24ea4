"""AOT's losses against the official numbers, and what no golden shows."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from models import aot, checkpoint
from models.aot import loss
from models.aot.loss import (
    Clips,
    Schedule,
    bootstrapped_cross_entropy,
    losses,
    shuffle_identities,
    soft_jaccard,
)
from models.aot.model import UNUSED_NAMES
from models.aot.preprocess import preprocess
from tests.families import aot_tiny
from tests.goldens import golden, needs_goldens, weights


@needs_goldens
@pytest.mark.parametrize("step", [0, 125, 250, 500, 900])
def test_cross_entropy_of_the_worst_pixels_agrees(step):
    official = golden("aot", "ops")
    bootstrap = min(1, step / 500)
    share = bootstrap * aot.T.hard_share + 1 - bootstrap
    for sample in range(2):
        ours = bootstrapped_cross_entropy(*case(official, sample), share)
        assert ours.item() == pytest.approx(official[f"loss_ce_step{step}"][sample], abs=1e-5)


@needs_goldens
def test_soft_jaccard_agrees():
    official = golden("aot", "ops")
    for sample in range(2):
        ours = soft_jaccard(*case(official, sample))
        assert ours.item() == pytest.approx(official["loss_iou"][sample], abs=1e-5)


def case(official, sample):
    logits, labels = official[f"loss_logits{sample}"][0], official[f"loss_labels{sample}"][0]
    return torch.from_numpy(logits), torch.from_numpy(labels)


@cache
def official_case():
    """The network and the batch of the official training step."""
    official = golden("aot", "aott-train")
    model = aot.Aot(replace(aot.T, drop_path=official.meta["droppath"]))
    published = checkpoint.read(weights("aot", official.meta))
    checkpoint.load_strict(
        model, {name: value for name, value in published.items() if name not in UNUSED_NAMES}
    )
    for name in official.meta["frozen_params"]:
        model.get_parameter(name).requires_grad_(requires_grad=False)
    images = torch.from_numpy(official["images"])
    clips = Clips(
        torch.stack([preprocess(list(frames), aot.T) for frames in images]),
        torch.from_numpy(official["labels"]),
        official.meta["obj_nums"],
        torch.from_numpy(official["id_shuffle"]),
    )
    return model.train(), clips


@cache
def official_step():
    """The official training step, made by us: losses, and gradients by name."""
    meta = golden("aot", "aott-train").meta
    model, clips = official_case()
    schedule = Schedule(
        reference_weight=meta["aux_weight"],
        bootstrap=meta["hard_mining_fraction"],
        is_self_fed=meta["use_prev_pred"],
    )
    found = losses(model, clips, schedule)
    found.total.backward()
    gradients = {
        name: parameter.grad
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }
    return found, gradients


@needs_goldens
def test_losses_of_every_frame_agree():
    official = golden("aot", "aott-train")
    found, _ = official_step()
    np.testing.assert_allclose(found.frames.detach(), official["frame_losses"], atol=1e-5)
    assert found.total.item() == pytest.approx(official["loss_total"].item(), abs=1e-5)


@needs_goldens
def test_gradients_agree():
    # Gradients of the trunk pass the kinks of many ReLU6: the reference allows 2 %.
    official = golden("aot", "aott-train")
    _, gradients = official_step()
    norms = official.meta["grad_norms"]
    zero = "LSTT.layers.0.self_attn.linear_K.bias"  # in exact arithmetic
    assert set(gradients) == set(norms) - set(official.meta["frozen_params"]) - UNUSED_NAMES
    for name in set(gradients) - {zero}:
        limit = 2e-2 if name.startswith("encoder.") else 1e-4
        assert gradients[name].norm().item() == pytest.approx(norms[name], rel=limit), name
    total = torch.stack([gradient.norm() for gradient in gradients.values()]).norm().item()
    assert total == pytest.approx(official.meta["grad_norm_total_before_clip"], rel=1e-3)
    clip = 5 / total
    for name in official.arrays:
        if not name.startswith("grad_clipped/"):
            continue
        flat = gradients[name.removeprefix("grad_clipped/")].flatten()
        ours = flat[:: max(1, flat.numel() // 400)][:400].numpy() * clip
        limit = 2e-2 if "/encoder." in name else 1e-3
        np.testing.assert_allclose(ours, official[name], atol=limit * np.abs(official[name]).max())


@needs_goldens
def test_the_networks_own_labels_agree():
    official = golden("aot", "aott-train")
    model, clips = official_case()
    with torch.no_grad():
        frames = loss._follow(model, clips, Schedule(1, 0, is_self_fed=False))
        for logits, labels, wanted in zip(
            frames, clips.labels, official["pred_masks"], strict=True
        ):
            ours = loss._predict(logits, labels, clips.object_counts).numpy()
            assert (ours != wanted).mean() <= 5e-4


def tiny_case(**overrides):
    torch.manual_seed(1)
    model = aot.Aot(replace(aot_tiny.TINY, drop_path=0.0, **overrides)).train()
    images = torch.randn(4, 2, 3, 33, 49)
    labels = torch.randint(0, 3, (4, 2, 33, 49)).byte()
    shuffles = shuffle_identities(2, 4, torch.Generator().manual_seed(0))
    return model, Clips(images, labels, [2, 2], shuffles)


def test_a_network_fed_by_itself_teaches_its_identities_nothing():
    for is_self_fed in (False, True):
        model, clips = tiny_case()
        losses(model, clips, Schedule(1, 0, is_self_fed=is_self_fed)).total.backward()
        assert (model.patch_wise_id_bank.weight.grad is None) == is_self_fed
        assert model.LSTT.layers[0].linear_V.weight.grad.abs().sum() > 0


def test_a_network_fed_by_itself_sees_no_truth_but_the_first():
    model, clips = tiny_case()
    changed = replace(clips, labels=clips.labels.clone())
    changed.labels[1:-1] = 0
    for is_self_fed in (True, False):
        schedule = Schedule(1, 0, is_self_fed=is_self_fed)
        last, other = (losses(model, given, schedule).frames[-1] for given in (clips, changed))
        assert torch.equal(last, other) == is_self_fed


def test_the_first_frame_weighs_as_the_schedule_says():
    model, clips = tiny_case()
    found = losses(model, clips, Schedule(0.25, 0, is_self_fed=False))
    expected = 0.25 * found.frames[0].mean() + found.frames[1:].mean()
    torch.testing.assert_close(found.total, expected)


def test_the_long_term_memory_grows_by_the_gap_of_training():
    model, clips = tiny_case(long_term_gap_train=2)
    lengths = []
    model.LSTT.layers[0].long_term_attn.register_forward_pre_hook(
        lambda _, inputs: lengths.append(len(inputs[1][0].keys))
    )
    losses(model, clips, Schedule(1, 0, is_self_fed=False))
    assert lengths == [12, 12, 12, 24]


def test_unknown_pixels_change_no_overlap_and_cost_nothing():
    logits = torch.randn(3, 4, 6)
    labels = torch.randint(0, 3, (4, 6)).byte()
    half = labels.clone()
    half[:, 3:] = 255
    left = soft_jaccard(logits[:, :, :3], labels[:, :3])
    torch.testing.assert_close(soft_jaccard(logits, half), left)
    known = bootstrapped_cross_entropy(logits[:, :, :3], labels[:, :3], 1.0)
    torch.testing.assert_close(bootstrapped_cross_entropy(logits, half, 1.0), known / 2)
    assert soft_jaccard(logits, torch.full_like(labels, 255)) == 0


def test_identities_are_shuffled_but_for_the_background():
    shuffles = shuffle_identities(50, 11, torch.Generator().manual_seed(0))
    assert shuffles.shape == (50, 11, 11)
    assert (shuffles.sum(1) == 1).all()
    assert (shuffles.sum(2) == 1).all()
    assert (shuffles[:, 0, 0] == 1).all()
    assert len({tuple(shuffle.argmax(1).tolist()) for shuffle in shuffles}) > 45


def test_shuffled_identities_leave_labels_where_they_are():
    model, clips = tiny_case()
    with torch.no_grad():
        model.decoder.conv_out.weight.zero_()
        model.decoder.conv_out.bias.copy_(torch.arange(4))
        (logits, *_) = loss._follow(model, clips, Schedule(1, 0, is_self_fed=False))
    for clip_logits, shuffle in zip(logits, clips.shuffles, strict=True):
        assert clip_logits[:, 0, 0].tolist() == shuffle.argmax(1).tolist()


def test_residual_branches_are_dropped_in_training_alone():
    layer = aot.Aot(replace(aot_tiny.TINY, drop_path=0.5)).LSTT.layers[0]
    branch = torch.ones(200, 2, 3)
    dropped = layer.train()._drop(branch)
    assert set(dropped.flatten().tolist()) == {0.0, 2.0}
    assert all(len(set(sample.flatten().tolist())) == 1 for sample in dropped)
    assert torch.equal(layer.eval()._drop(branch), branch)


def test_mistakes_are_told_to_the_short_term_memory_alone(monkeypatch):
    model, clips = tiny_case()
    labels = clips.labels.clone()
    labels[1] = 0  # nothing there to take for something else
    mistakes = torch.full_like(labels, loss.IGNORED)
    mistakes[1:3] = 2
    memories = []
    propagate = model.LSTT.propagate

    def record(features, long_term, short_term):
        memories.append((long_term[0][0].values, short_term[0].values))
        return propagate(features, long_term, short_term)

    monkeypatch.setattr(model.LSTT, "propagate", record)
    schedule = Schedule(1, 0, is_self_fed=False)
    right = losses(model, replace(clips, labels=labels), schedule).frames
    wrong = losses(model, replace(clips, labels=labels, mistakes=mistakes), schedule).frames
    for frame in range(3):
        (long_term, short_term), (other_long_term, other_short_term) = memories[frame::3]
        assert torch.equal(long_term, other_long_term)
        assert torch.equal(short_term, other_short_term) == (frame < 2)
    assert torch.equal(right[:3], wrong[:3])
    assert (right[3] != wrong[3]).all()
