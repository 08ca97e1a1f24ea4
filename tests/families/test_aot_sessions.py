"""What AOT's sessions promise: values, batches that change nothing, bounded memory, snapshots."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from torch.nn import functional as F

from models.aot.postprocess import frame_logits, merge_groups
from models.aot.preprocess import input_shape, preprocess
from models.predictor import VideoPredictor
from tests.families import aot_tiny
from tests.families.aot_tiny import assert_same, follow

SIZE = (50, 70)


@pytest.fixture(scope="module")
def predictor():
    return aot_tiny.predictor()


@pytest.fixture(scope="module")
def frames():
    return aot_tiny.clip(8)


def test_it_is_a_video_predictor_that_takes_masks(predictor):
    assert isinstance(predictor, VideoPredictor)
    assert predictor.prompts == {"mask"}
    assert predictor.input_shape((480, 854)) == (65, 129)


def test_small_frames_are_enlarged_where_the_config_says_so():
    config = replace(aot_tiny.TINY, min_long_edge=97)
    assert input_shape((30, 60), config) == (49, 97)
    assert input_shape((110, 60), config) == (113, 65)
    assert input_shape((480, 854), config) == (65, 129)
    assert preprocess([torch.zeros(30, 60, 3).byte()], config).shape == (1, 3, 49, 97)


def test_the_first_step_reports_what_was_drawn(predictor, frames):
    drawn = aot_tiny.masks(4)
    state, step = predictor.start(frames[0], drawn)
    assert step.state is state
    reported = step.masks()
    assert list(reported) == [1, 2, 3, 4]
    for object_id, mask in drawn.items():
        assert np.array_equal(reported[object_id], mask)
    assert all(tracked.score == 1 and tracked.is_visible for tracked in step.objects)
    assert step.objects[0].box_xyxy == (7, 0, 22, 50)


def test_where_masks_overlap_the_later_one_wins(predictor, frames):
    everywhere, bar = np.ones(SIZE, dtype=bool), aot_tiny.masks(2)[2]
    _, step = predictor.start(frames[0], {5: everywhere, 2: bar})
    assert np.array_equal(step.masks()[2], bar)
    assert np.array_equal(step.masks()[5], ~bar)


def test_ids_are_the_callers_and_come_in_rising_order(predictor, frames):
    drawn = aot_tiny.masks(2)
    state, _ = predictor.start(frames[0], {900: drawn[1], 17: drawn[2]})
    (step,) = predictor.step([state], [frames[1]])
    assert [tracked.id for tracked in step.objects] == [17, 900]
    assert state.object_ids == (17, 900)


def test_boxes_and_scores_are_those_of_the_masks(predictor, frames):
    state, _ = predictor.start(frames[0], aot_tiny.masks(5))
    seen = set()
    for frame in frames[1:]:
        (step,) = predictor.step([state], [frame])
        state = step.state
        for tracked, mask in zip(step.objects, step.masks().values(), strict=True):
            assert tracked.is_visible == mask.any()
            seen.add(tracked.is_visible)
            rows, columns = np.nonzero(mask)
            box = (0, 0, 0, 0)
            if mask.any():
                box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            assert tracked.box_xyxy == box
            assert (0 < tracked.score < 1) == tracked.is_visible
            assert tracked.rotated_box is None
        stacked = np.stack([*step.masks().values()])
        assert (stacked.sum(0) <= 1).all()
    assert seen == {True, False}


def test_a_state_is_never_changed(predictor, frames):
    state, _ = predictor.start(frames[0], aot_tiny.masks(2))
    before = {name: tensor.clone() for name, tensor in state.dump().items()}
    first = follow(predictor, state, frames[1:4])
    predictor.add_objects(state, frames[0], aot_tiny.masks(1, first_id=9))
    predictor.remove_objects(state, [1])
    for name, tensor in state.dump().items():
        assert torch.equal(tensor, before[name])
    for some, other in zip(first, follow(predictor, state, frames[1:4]), strict=True):
        assert_same(some, other)


def test_a_frame_may_be_reused_by_the_caller(predictor, frames):
    buffer = frames[0].copy()
    state, _ = predictor.start(buffer, aot_tiny.masks(2))
    buffer[:] = 0
    assert np.array_equal(state.frame, frames[0])
    buffer[:] = frames[1]
    (step,) = predictor.step([state], [buffer])
    buffer[:] = 0
    assert np.array_equal(step.state.frame, frames[1])


def test_sessions_stepped_together_get_what_each_gets_alone(predictor):
    # Different lengths of memory, numbers of groups, frame sizes of one input shape and of two.
    kinds = [
        ((50, 70), 2, 1),
        ((50, 70), 5, 1),
        ((52, 68), 2, 4),
        ((33, 90), 4, 3),
        ((50, 70), 2, 5),
    ]
    states, following = [], []
    for seed, (size, count, stepped) in enumerate(kinds):
        clip = aot_tiny.clip(stepped + 4, size, seed)
        state, _ = predictor.start(clip[0], aot_tiny.masks(count, size))
        states.append(follow(predictor, state, clip[1:stepped])[-1] if stepped > 1 else state)
        following.append(clip[stepped:])
    alone = [follow(predictor, *pair) for pair in zip(states, following, strict=True)]
    for index in range(4):
        steps = predictor.step(states, [clip[index] for clip in following])
        states = [step.state for step in steps]
        for together, single in zip(states, alone, strict=True):
            assert np.array_equal(together.label_map, single[index].label_map)
            wanted = single[index].dump()
            for name, tensor in together.dump().items():
                if tensor.is_floating_point():
                    torch.testing.assert_close(tensor, wanted[name], atol=1e-4, rtol=1e-4)


def test_snapshots_go_on_bit_for_bit(predictor, frames):
    state, _ = predictor.start(frames[0], aot_tiny.masks(5))
    state = follow(predictor, state, frames[1:4])[-1]
    state = predictor.remove_objects(state, [2])
    revived = aot_tiny.predictor().restore(load(save(state.dump())))
    assert_same(revived, state)
    for some, other in zip(
        follow(predictor, revived, frames[4:]), follow(predictor, state, frames[4:]), strict=True
    ):
        assert_same(some, other)
    drawn = aot_tiny.masks(1, first_id=30)
    assert_same(
        predictor.add_objects(revived, state.frame, drawn),
        predictor.add_objects(state, state.frame, drawn),
    )


def test_a_session_just_started_can_be_saved_too(predictor, frames):
    # The format refuses tensors that share memory, as the two memories could at first.
    state, _ = predictor.start(frames[0], aot_tiny.masks(2))
    assert_same(predictor.restore(load(save(state.dump()))), state)


def damaged(**changes):
    def damage(tensors):
        for name, change in changes.items():
            key = name.replace("__", ".")
            if change is None:
                del tensors[key]
            else:
                tensors[key] = change(tensors.get(key))

    return damage


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (damaged(frame=None), "lacks frame"),
        (damaged(strange=lambda _: torch.zeros(1)), "unknown strange"),
        (damaged(format=lambda value: value + 1), "another format"),
        (damaged(format=lambda value: value.float()), "format is .* not"),
        (damaged(frame=lambda value: value[:0]), "no pixels"),
        (damaged(label_map=lambda value: value[1:]), "label_map is"),
        (damaged(label_map=lambda value: value + 9), "does not list"),
        (damaged(group_sizes=lambda value: value - 1), "groups of"),
        (damaged(group_sizes=lambda value: value * 0), "groups of"),
        (damaged(object_ids=lambda value: value * 0 + 4), "not unique"),
        (damaged(object_ids=lambda value: value - 3), "not positive"),
        (damaged(ages=lambda value: value - 9), "frames old"),
        (damaged(groups__0__is_annotated=lambda value: value[:0]), "remembers nothing"),
        (damaged(groups__1__long_term__keys=lambda value: value[:, 1:]), "long_term.keys is"),
        (damaged(groups__1__short_term__values=lambda value: value.half()), "short_term.values is"),
    ],
)
def test_a_damaged_snapshot_is_refused_and_says_why(predictor, frames, damage, complaint):
    state, _ = predictor.start(frames[0], aot_tiny.masks(5))
    tensors = state.dump()
    damage(tensors)
    with pytest.raises(ValueError, match=complaint):
        predictor.restore(tensors)


def test_a_snapshot_of_another_network_is_refused(predictor, frames):
    state, _ = predictor.start(frames[0], aot_tiny.masks(1))
    with pytest.raises(ValueError, match=r"long_term\.keys is"):
        aot_tiny.predictor(layers=1).restore(state.dump())


def test_half_precision_remembers_in_half_and_sees_about_the_same(frames):
    labels = []
    for dtype in (torch.float32, torch.bfloat16):
        predictor = aot_tiny.predictor(dtype)
        state, _ = predictor.start(frames[0], aot_tiny.masks(5))
        (state,) = follow(predictor, state, frames[1:2])
        assert {tensor.dtype for tensor in state.groups[1].long_term} == {dtype}
        assert_same(predictor.restore(state.dump()), state)
        labels.append(state.label_map)
    assert (labels[0] == labels[1]).mean() > 0.9


@pytest.mark.parametrize("size", [(1, 1), (8, 9), (16, 300), (37, 41)])
def test_frames_of_any_size_are_followed(predictor, size):
    clip = aot_tiny.clip(3, size)
    state, _ = predictor.start(clip[0], {1: np.ones(size, dtype=bool)})
    for later in follow(predictor, state, clip[1:]):
        assert later.label_map.shape == size
        assert later.groups[0].long_term.keys.isfinite().all()


def test_large_frames_are_labelled_band_by_band_as_in_one_piece():
    logits, size = [torch.randn(4, 9, 7), torch.randn(3, 9, 7)], (61, 45)
    bands = [*frame_logits(logits, size, band_pixels=45 * 7)]
    assert [band.shape[1] for band in bands] == [7] * 8 + [5]
    whole = merge_groups(
        [
            F.interpolate(group[None], size, mode="bilinear", align_corners=True)[0]
            for group in logits
        ]
    )
    torch.testing.assert_close(torch.cat(bands, dim=1), whole)
