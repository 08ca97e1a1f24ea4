"""SiamMask's sessions: what is told and reported, batches, snapshots, what is refused."""

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from models.predictor import VideoPredictor
from models.siammask import passes
from tests.families import siammask_tiny
from tests.families.siammask_tiny import BOXES, assert_same, follow

SIZE = (70, 90)


@pytest.fixture(scope="module")
def predictor():
    return siammask_tiny.predictor()


@pytest.fixture(scope="module")
def frames():
    return siammask_tiny.clip(8)


def disk(x=40, y=30, radius=11):
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    return (columns - x) ** 2 + (rows - y) ** 2 <= radius**2


def test_it_is_a_video_predictor_that_takes_boxes_and_masks(predictor):
    assert isinstance(predictor, VideoPredictor)
    assert predictor.prompts == {"box", "mask"}
    assert predictor.input_shape((480, 854)) == (255, 255)


def test_a_mask_is_reported_as_drawn_with_the_box_around_it(predictor, frames):
    state, step = predictor.start(frames[0], {7: disk()})
    (tracked,) = step.objects
    assert step.state is state
    assert np.array_equal(step.masks()[7], disk())
    assert tracked.box_xyxy == (29, 19, 52, 42)
    assert tracked.score == 1
    assert tracked.is_visible
    corners = np.array(tracked.rotated_box)
    assert corners.shape == (4, 2)
    assert np.ptp(corners, axis=0).min() >= 20


def test_a_box_is_reported_as_told_with_the_mask_that_the_network_sees(predictor, frames):
    state, step = predictor.start(frames[0], BOXES)
    for tracked, (object_id, box_xyxy) in zip(step.objects, BOXES.items(), strict=True):
        assert tracked.id == object_id
        assert tracked.box_xyxy == tuple(box_xyxy.tolist())
        assert tracked.score == 1
    again = predictor.step([state], [frames[0]])[0]
    for ours, other in zip(step.masks().values(), again.masks().values(), strict=True):
        assert np.array_equal(ours, other)


def test_a_mask_and_the_box_around_it_start_the_same_session(predictor, frames):
    drawn, _ = predictor.start(frames[0], {7: disk()})
    boxed, _ = predictor.start(frames[0], {7: np.array([29.0, 19.0, 52.0, 42.0])})
    assert_same(drawn, boxed)


def test_ids_are_the_callers_and_come_in_rising_order(predictor, frames):
    state, step = predictor.start(frames[0], {900: BOXES[1], 17: BOXES[2]})
    assert [tracked.id for tracked in step.objects] == [17, 900]
    assert state.object_ids == (17, 900)
    (step,) = predictor.step([state], [frames[1]])
    assert [tracked.id for tracked in step.objects] == [17, 900]


def test_boxes_follow_the_state_and_stay_within_the_frame(predictor, frames):
    state, _ = predictor.start(frames[0], BOXES)
    for step in follow(predictor, state, frames[1:]):
        for target, tracked in zip(step.state.targets, step.objects, strict=True):
            assert tracked.box_xyxy == target.box_xyxy
            assert 0 <= target.position[0] <= SIZE[1]
            assert 0 <= target.position[1] <= SIZE[0]
            assert 10 <= target.size[0] <= SIZE[1]
            assert 10 <= target.size[1] <= SIZE[0]
            assert 0 < tracked.score < 1
            assert len(tracked.rotated_box) == 4


def test_a_lost_target_is_looked_for_as_any_other(frames):
    # What is lost is a question of the report alone: the same places, seen or not.
    sure, unsure = (siammask_tiny.predictor(visible_score=limit) for limit in (0.0, 1.0))
    steps = [
        follow(tracker, tracker.start(frames[0], BOXES)[0], frames[1:])
        for tracker in (sure, unsure)
    ]
    for seen, lost in zip(*steps, strict=True):
        assert_same(seen.state, lost.state)
        assert all(tracked.is_visible for tracked in seen.objects)
        assert not any(tracked.is_visible for tracked in lost.objects)


def test_a_target_is_lost_below_the_score_and_comes_back_above(frames):
    tracker = siammask_tiny.predictor()
    scores = [step.objects[0].score for step in follow(tracker, *begin(tracker, frames))]
    limit = sorted(scores)[len(scores) // 2]
    strict = siammask_tiny.predictor(visible_score=limit)
    steps = follow(strict, *begin(strict, frames))
    found = [step.objects[0].is_visible for step in steps]
    assert found == [score >= limit for score in scores]
    assert set(found) == {True, False}


def begin(tracker, frames):
    return tracker.start(frames[0], {1: BOXES[1]})[0], frames[1:]


def test_targets_change_nothing_for_one_another(predictor, frames):
    together, _ = predictor.start(frames[0], BOXES)
    for object_id, box_xyxy in BOXES.items():
        alone, _ = predictor.start(frames[0], {object_id: box_xyxy})
        for one, all_ in zip(
            follow(predictor, alone, frames[1:]),
            follow(predictor, together, frames[1:]),
            strict=True,
        ):
            assert_close(one, all_, object_id)


def assert_close(step, other, object_id):
    ours, theirs = (
        {target.object_id: target for target in one.state.targets}[object_id]
        for one in (step, other)
    )
    assert ours.position == pytest.approx(theirs.position, abs=1e-3)
    assert ours.size == pytest.approx(theirs.size, abs=1e-3)
    apart = step.masks()[object_id] != other.masks()[object_id]
    assert apart.mean() < 1e-3


def test_sessions_stepped_together_get_what_each_gets_alone(predictor):
    sizes = [(70, 90), (90, 70), (64, 200)]
    states, following = [], []
    for seed, size in enumerate(sizes):
        clip = siammask_tiny.clip(5, size, seed)
        boxes = {object_id: BOXES[object_id] for object_id in list(BOXES)[: seed + 1]}
        states.append(predictor.start(clip[0], boxes)[0])
        following.append(clip[1:])
    alone = [follow(predictor, *pair) for pair in zip(states, following, strict=True)]
    for index in range(4):
        steps = predictor.step(states, [clip[index] for clip in following])
        states = [step.state for step in steps]
        for step, single in zip(steps, alone, strict=True):
            assert np.array_equal(step.state.frame, single[index].state.frame)
            for object_id in step.state.object_ids:
                assert_close(step, single[index], object_id)


def test_more_targets_than_a_pass_takes_are_followed_in_parts(predictor, frames, monkeypatch):
    whole = follow(predictor, predictor.start(frames[0], BOXES)[0], frames[1:4])
    monkeypatch.setattr(passes, "_TARGETS_AT_A_TIME", 2)
    parts = follow(predictor, predictor.start(frames[0], BOXES)[0], frames[1:4])
    for some, other in zip(whole, parts, strict=True):
        for object_id in BOXES:
            assert_close(some, other, object_id)


def test_a_state_is_never_changed(predictor, frames):
    state, _ = predictor.start(frames[0], BOXES)
    before = {name: tensor.clone() for name, tensor in state.dump().items()}
    first = follow(predictor, state, frames[1:4])
    predictor.add_objects(state, frames[0], {9: disk()})
    predictor.remove_objects(state, [1])
    for name, tensor in state.dump().items():
        assert torch.equal(tensor, before[name])
    for some, other in zip(first, follow(predictor, state, frames[1:4]), strict=True):
        assert_same(some.state, other.state)


def test_frames_and_masks_may_be_reused_by_the_caller(predictor, frames):
    buffer, mask = frames[0].copy(), disk()
    state, step = predictor.start(buffer, {1: mask})
    buffer[:], mask[:] = 0, False
    assert np.array_equal(state.frame, frames[0])
    assert step.masks()[1].any()
    buffer[:] = frames[1]
    (step,) = predictor.step([state], [buffer])
    buffer[:] = 0
    assert np.array_equal(step.state.frame, frames[1])


def test_targets_can_be_added_on_the_frame_stepped_to_or_on_the_next(predictor, frames):
    state, _ = predictor.start(frames[0], {1: BOXES[1]})
    late = {3: BOXES[3], 2: disk()}
    (step,) = follow(predictor, state, frames[1:2])
    grown = predictor.add_objects(step.state, frames[1], late)
    assert grown.object_ids == (1, 2, 3)
    assert_same(grown, predictor.add_objects(state, frames[1], late))
    fresh, _ = predictor.start(frames[1], late)
    assert_same(predictor.remove_objects(grown, [1]), fresh)


def test_a_target_told_anew_keeps_its_place_and_forgets_what_it_looked_like(predictor, frames):
    state, _ = predictor.start(frames[0], BOXES)
    (step,) = follow(predictor, state, frames[1:2])
    again = predictor.add_objects(step.state, frames[1], {2: disk()})
    fresh, _ = predictor.start(frames[1], {2: disk()})
    assert again.object_ids == (1, 2, 3)
    assert_same(predictor.remove_objects(again, [1, 3]), fresh)
    assert again.targets[0] is step.state.targets[0]


def test_without_targets_frames_pass_by(predictor, frames):
    state, _ = predictor.start(frames[0], BOXES)
    empty = predictor.remove_objects(state, BOXES)
    (step,) = predictor.step([empty], [frames[1]])
    assert step.objects == ()
    assert_same(predictor.restore(step.state.dump()), step.state)
    grown = predictor.add_objects(step.state, frames[1], {5: BOXES[1]})
    assert grown.object_ids == (5,)


def test_a_snapshot_goes_on_bit_for_bit(predictor, frames):
    state, _ = predictor.start(frames[0], BOXES)
    state = follow(predictor, state, frames[1:4])[-1].state
    revived = siammask_tiny.predictor().restore(load(save(state.dump())))
    assert_same(revived, state)
    for some, other in zip(
        follow(predictor, revived, frames[4:]), follow(predictor, state, frames[4:]), strict=True
    ):
        assert_same(some.state, other.state)
        for ours, theirs in zip(some.objects, other.objects, strict=True):
            assert ours.mask == theirs.mask
            assert ours.rotated_box == theirs.rotated_box


def test_the_memory_of_a_session_does_not_grow(predictor, frames):
    state, _ = predictor.start(frames[0], BOXES)
    expected = sum(tensor.nbytes for tensor in state.dump().values())
    assert state.nbytes == expected > frames[0].nbytes
    assert follow(predictor, state, frames[1:])[-1].state.nbytes == expected


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
        (damaged(frame=lambda value: value[:0]), "no pixels"),
        (damaged(object_ids=lambda value: value * 0 + 4), "not unique"),
        (damaged(object_ids=lambda value: value - 3), "not positive"),
        (damaged(positions=lambda value: value[1:]), "positions is"),
        (damaged(positions=lambda value: value.float()), "positions is"),
        (damaged(positions=lambda value: value * torch.inf), "where a target can be"),
        (damaged(sizes=lambda value: value * 0), "where a target can be"),
        (damaged(sizes=lambda value: value * torch.nan), "where a target can be"),
        (damaged(sizes=lambda value: value * 1e9), "where a target can be"),
        (damaged(borders=None), "lacks borders"),
        (damaged(kernels__2=lambda value: value[:, 1:]), r"kernels\.2 is"),
        (damaged(kernels__2=lambda value: value.half()), r"kernels\.2 is"),
    ],
)
def test_a_damaged_snapshot_is_refused_and_says_why(predictor, frames, damage, complaint):
    tensors = predictor.start(frames[0], BOXES)[0].dump()
    damage(tensors)
    with pytest.raises(ValueError, match=complaint):
        predictor.restore(tensors)


def test_a_snapshot_of_another_network_is_refused(predictor, frames):
    state, _ = predictor.start(frames[0], BOXES)
    with pytest.raises(ValueError, match=r"kernels\.1 is"):
        siammask_tiny.predictor(feature_channels=16).restore(state.dump())


@pytest.mark.parametrize(
    ("told", "complaint"),
    [
        ({}, "no object to follow"),
        ({0: BOXES[1]}, "above 0"),
        ({1: np.array([5.0, 5.0, 5.5, 9.0])}, "less than a pixel"),
        ({1: np.array([9.0, 5.0, 5.0, 9.0])}, "less than a pixel"),
        ({1: np.array([90.0, 5.0, 99.0, 9.0])}, "outside the frame"),
        ({1: np.array([-9.0, 5.0, 0.0, 9.0])}, "outside the frame"),
        ({1: np.array([5.0, -9.0, 9.0, 0.0])}, "outside the frame"),
        ({1: np.array([5.0, 70.0, 9.0, 99.0])}, "outside the frame"),
        ({1: np.array([5.0, 5.0, np.nan, 9.0])}, "million"),
        ({1: np.array([5.0, 5.0, np.inf, 9.0])}, "million"),
        ({1: np.array([-2e6, 5.0, 8.0, 9.0])}, "million"),
        ({1: np.array([5.0, 5.0, 9.0])}, "neither a box"),
        ({1: np.zeros(SIZE, dtype=np.uint8)}, "neither a box"),
        ({1: np.zeros((70, 91), dtype=bool)}, "neither a box"),
        ({1: np.ones(4, dtype=bool)}, "neither a box"),
        ({1: np.zeros(SIZE, dtype=bool)}, "no pixel"),
    ],
)
def test_what_cannot_be_followed_is_refused(predictor, frames, told, complaint):
    with pytest.raises(ValueError, match=complaint):
        predictor.start(frames[0], told)
    state, _ = predictor.start(frames[0], BOXES)
    with pytest.raises(ValueError, match=complaint):
        predictor.add_objects(state, frames[0], told)


def test_wrong_frames_and_unknown_targets_are_refused(predictor, frames):
    state, _ = predictor.start(frames[0], BOXES)
    with pytest.raises(ValueError, match="in a session of"):
        predictor.step([state], [frames[1][1:]])
    with pytest.raises(ValueError, match="in a session of"):
        predictor.add_objects(state, frames[1][1:], BOXES)
    with pytest.raises(ValueError, match="uint8 expected"):
        predictor.start(frames[0].astype(np.float32), BOXES)
    with pytest.raises(ValueError, match="zip"):
        predictor.step([state], frames[1:3])
    with pytest.raises(ValueError, match=r"no objects \[4\]"):
        predictor.remove_objects(state, [1, 4])


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (8, 9), (16, 300), (9, 1)])
def test_frames_of_any_size_are_followed(predictor, size):
    clip = siammask_tiny.clip(3, size)
    whole = np.array([0.0, 0.0, size[1], size[0]])
    state, _ = predictor.start(clip[0], {1: whole, 2: np.ones(size, dtype=bool)})
    for step in follow(predictor, state, clip[1:]):
        assert step.masks()[1].shape == size
        assert np.isfinite([target.position + target.size for target in step.state.targets]).all()


def test_a_box_may_reach_far_beyond_the_frame(predictor, frames):
    huge = np.array([-1e6, -1e6, 1e6, 1e6])
    state, step = predictor.start(frames[0], {1: huge})
    assert step.masks()[1].shape == SIZE
    assert_same(predictor.restore(state.dump()), state)
    (step,) = follow(predictor, state, frames[1:2])
    assert max(step.state.targets[0].size) <= max(SIZE)


def test_half_precision_remembers_in_half_and_sees_about_the_same(frames):
    boxes = []
    for dtype in (torch.float32, torch.bfloat16):
        tracker = siammask_tiny.predictor(dtype)
        state, _ = tracker.start(frames[0], BOXES)
        (step,) = follow(tracker, state, frames[1:2])
        assert state.targets[0].kernels.dtype == dtype
        assert_same(tracker.restore(step.state.dump()), step.state)
        boxes.append([tracked.box_xyxy for tracked in step.objects])
    assert np.abs(np.subtract(*boxes)).max() < 40
