"""AOT against the official numbers: stage by stage with recorded labels, then whole clips.

The reference allows 1e-3 of a stage's spread with recorded labels fed back, and 0.5 % of the label
pixels where the network feeds itself. Here it is a third of the first.
"""

import numpy as np
import pytest
import torch

from models import aot, checkpoint
from models.aot import annotation, passes
from models.aot.attention import LongTermAttention, SelfAttention
from models.aot.lstt import GroupedActivation, position_embedding
from models.aot.model import one_hot
from models.aot.postprocess import frame_logits, merge_groups
from models.aot.preprocess import input_shape, preprocess
from models.aot.tokens import Memory
from models.ops.resize import resize_nearest
from tests.families import aot_stages as network
from tests.goldens import golden, needs_goldens

pytestmark = needs_goldens

STAGE_LIMIT = 3e-4
LABEL_LIMIT = 1e-4  # share of pixels, labels fed back
FREE_LIMIT = 5e-3  # share of pixels, running free


@pytest.mark.parametrize("clip", network.CLIPS)
def test_every_recorded_stage_agrees(clip):
    given, ours = golden("aot", clip), network.run(clip).stages
    names = network.recorded_stages(clip)
    assert len(names) > 60
    apart = {name: network.difference(given, name, ours[name]) for name in names}
    assert max(apart.values()) < STAGE_LIMIT, {
        name: value for name, value in apart.items() if value >= STAGE_LIMIT
    }


@pytest.mark.parametrize("clip", network.CLIPS)
def test_labels_agree_with_recorded_labels_fed_back(clip):
    given = golden("aot", clip)
    for index, labels in enumerate(network.run(clip).labels, start=1):
        before_merge = f"f{index:03}_label_before_merge"
        wanted = given.arrays.get(before_merge, given["labels"][index])
        assert (labels != wanted).mean() <= LABEL_LIMIT


@pytest.mark.parametrize("clip", network.CLIPS)
def test_memories_grow_and_age_as_recorded(clip):
    for entry in golden("aot", clip).meta["memory_log"]:
        groups = network.run(clip).states[entry["frame"]].groups
        assert len(groups) == len(entry["engines"])
        for group, official in zip(groups, entry["engines"], strict=True):
            tokens = [keys[0] for keys, _ in official["long"]]
            assert [group.long_term.keys.shape[1]] * len(tokens) == tokens
            assert group.age == official["frame_step"] - official["last_mem_step"]
            assert [len(group.object_ids)] == official["obj_nums"]


@pytest.mark.parametrize("clip", network.CLIPS)
def test_whole_clips_agree_running_free(clip):
    given, predictor = golden("aot", clip), network.load(clip)
    state, step = predictor.start(given["frames"][0], network.objects(given["mask_f000"]))
    assert np.array_equal(to_labels(step), given["labels"][0])
    for index, frame in enumerate(given["frames"][1:], start=1):
        (step,) = predictor.step([state], [frame])
        state = step.state
        drawn = given.arrays.get(f"mask_f{index:03}")
        if drawn is None:
            labels = to_labels(step)
        else:
            state = predictor.add_objects(state, frame, network.objects(drawn))
            labels = state.label_map
        assert (labels != given["labels"][index]).mean() <= FREE_LIMIT


def to_labels(step):
    labels = np.zeros(step.state.frame_size, dtype=np.uint8)
    for object_id, mask in step.masks().items():
        labels[mask] = object_id
    return labels


def test_mirrored_sessions_average_to_the_official_probabilities():
    # Flipping is the official test-time augmentation: two sessions that know nothing of each other.
    given, predictor = golden("aot", "aott-flip"), network.load("aott-flip")
    mirrored = np.ascontiguousarray(given["frames"][:, :, ::-1])
    drawn = network.objects(given["mask_f000"])
    plain, _ = predictor.start(given["frames"][0], drawn)
    flipped, _ = predictor.start(mirrored[0], {key: mask[:, ::-1] for key, mask in drawn.items()})
    for index in range(1, len(mirrored)):
        frames = [given["frames"][index], mirrored[index]]
        with torch.inference_mode():
            seen = passes.propagate(predictor._model, [plain, flipped], frames)
        ours, theirs = (
            torch.cat([*frame_logits([group[:4]], plain.frame_size)], dim=1).softmax(0)
            for (group,) in seen.logits
        )
        mean = (ours + theirs.flip(2)) / 2
        stored = given[f"f{index:03}_prob"]
        apart = np.abs(given.sliced(f"f{index:03}_prob", mean[None].numpy()) - stored)
        assert apart.max() < 1e-3
        assert (mean.argmax(0).numpy() != given["labels"][index]).mean() <= FREE_LIMIT
        plain, flipped = (step.state for step in predictor.step([plain, flipped], frames))
    for kind, field in (("k", "keys"), ("v", "values")):
        tokens = getattr(plain.groups[0].long_term, field)[0][:, None].numpy()
        assert network.difference(given, f"f003_long_{kind}_0", tokens) < STAGE_LIMIT


@pytest.fixture(scope="module")
def operators():
    return golden("aot", "ops")


def tensor(array):
    return torch.from_numpy(array)


def tokens(array):
    """[t, b, c] as recorded to [b, t, c]."""
    return tensor(array).transpose(0, 1)


def loaded(module, operators, prefix):
    """The module with its recorded weights."""
    marks = f"w/{prefix}."
    weights = {
        name.removeprefix(marks): tensor(array)
        for name, array in operators.arrays.items()
        if name.startswith(marks)
    }
    checkpoint.load_strict(module, weights)
    return module.eval().requires_grad_(requires_grad=False)


def close(ours, recorded):
    np.testing.assert_allclose(ours.numpy(), recorded, rtol=0, atol=1e-5 * recorded.std())


def test_long_term_attention_agrees(operators):
    attention = loaded(LongTermAttention(32, 2), operators, "lt")
    keys, values = tokens(operators["lt_k"]), tokens(operators["lt_v"])
    memories = [Memory(*pair) for pair in zip(keys, values, strict=True)]
    read = attention(tokens(operators["lt_q"]), memories)
    close(read.transpose(0, 1), operators["lt_out"])


def test_self_attention_agrees(operators):
    attention = loaded(SelfAttention(32, 2), operators, "sa")
    position = tokens(operators["sa_pos"])
    read = attention(tokens(operators["sa_x"]), position)
    close(read.transpose(0, 1), operators["sa_out"])


def test_the_feed_forwards_activation_agrees(operators):
    activation = loaded(GroupedActivation(64, 32), operators, "ffn")
    close(activation(tokens(operators["ffn_x"]), (9, 12)).transpose(0, 1), operators["ffn_out"])


@pytest.mark.parametrize(("name", "grid"), [("pos0_10x13", (10, 13)), ("pos1_5x7", (5, 7))])
def test_position_embedding_agrees(operators, name, grid):
    position = position_embedding(grid, 256).T.reshape(1, 256, *grid)
    close(position[:, ::4], operators[name])


def test_sizes_follow_the_official_rule(operators):
    rows = operators["size_rule"].tolist()
    plain = [row for row in rows if row[2] == -1 and row[4] == 1 and row[5] == 1]
    assert len(plain) == 9
    for height, width, _, max_long, _, _, *wanted in plain:
        config = aot.AotConfig(max_long_edge=max_long)
        assert list(input_shape((int(height), int(width)), config)) == wanted


def test_frames_are_resized_and_normalised_as_recorded(operators):
    image = preprocess([tensor(operators["pre_raw"])], aot.L)[0].numpy()
    # 0.035 grey levels lie between this cubic resize and the official library's.
    assert np.abs(image - operators["pre_out"]).max() < 0.035 / 255 / 0.224


@pytest.mark.parametrize(
    "name",
    ["150_145", "200_193", "145_150", "1080_577", "854_849", "37_145"],
)
def test_label_maps_are_resized_by_the_recorded_indices(operators, name):
    old, new = map(int, name.split("_"))
    indices = torch.stack([torch.arange(old) % 256, torch.arange(old) // 256]).byte()
    low, high = resize_nearest(indices[:, None], (1, new))[:, 0].int()
    assert np.array_equal((high * 256 + low).numpy(), operators[f"nearest_{name}"])


def test_groups_merge_to_the_recorded_logits(operators):
    merged = merge_groups(list(tensor(operators["merge_in"])[:, 0]))
    close(merged, operators["merge_logit"][0])
    close(merged.softmax(0), operators["merge_prob"][0])


def test_the_merge_is_not_the_minimum_of_backgrounds(operators):
    merged = merge_groups(list(tensor(operators["merge_in"])[:, 0]))
    assert np.abs(merged.numpy() - operators["merge_min_variant_unused"][0]).max() > 0.1


def test_slots_are_shared_out_as_recorded(operators):
    sizes = operators.meta["detail"]["sep_obj_nums"]
    label_map = tensor(operators["sep_mask"])[0]
    for group, size in enumerate(sizes):
        own = annotation.local_labels(label_map, sum(sizes[:group]), size)
        assert np.array_equal(own.numpy(), operators["sep_out"][group])
    first = one_hot(tensor(operators["sep_out"])[0], 11)
    assert np.array_equal(first.byte().numpy(), operators["one_hot_first"])


def test_labels_beyond_the_channels_are_in_none():
    assert not one_hot(torch.tensor([[[255, 11]]], dtype=torch.uint8), 11).any()
