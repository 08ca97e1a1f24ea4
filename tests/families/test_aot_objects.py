"""AOT's objects: added, corrected, removed, refused."""

import numpy as np
import pytest

from tests.families import aot_tiny
from tests.families.aot_tiny import assert_same, follow

SIZE = (50, 70)


@pytest.fixture(scope="module")
def predictor():
    return aot_tiny.predictor()


@pytest.fixture(scope="module")
def frames():
    return aot_tiny.clip(8)


def test_objects_added_on_the_first_frame_are_as_if_there_from_the_start(predictor, frames):
    drawn = aot_tiny.masks(5)
    first, _ = predictor.start(frames[0], {key: drawn[key] for key in (1, 2)})
    grown = predictor.add_objects(first, frames[0], {key: drawn[key] for key in (3, 4, 5)})
    whole, _ = predictor.start(frames[0], drawn)
    assert_same(grown, whole)


def test_objects_can_be_added_on_the_frame_stepped_to_or_on_the_next(predictor, frames):
    state, _ = predictor.start(frames[0], aot_tiny.masks(2))
    late = aot_tiny.masks(6, first_id=11)
    late = {key: late[key] for key in (12, 14)}
    # On frame 2 the prediction is memorised first, by the gap, and then replaced.
    for states in (follow(predictor, state, frames[1:2]), follow(predictor, state, frames[1:3])):
        before = states[-1]
        frame = frames[len(states) + 1]
        (stepped,) = follow(predictor, before, [frame])
        assert_same(
            predictor.add_objects(before, frame, late), predictor.add_objects(stepped, frame, late)
        )


def test_added_objects_lie_over_the_prediction_and_open_groups(predictor, frames):
    state, _ = predictor.start(frames[0], aot_tiny.masks(2))
    (stepped,) = follow(predictor, state, frames[1:2])
    late = {20 + key: mask for key, mask in aot_tiny.masks(4).items() if key % 2}
    late[30] = aot_tiny.masks(8)[8]
    grown = predictor.add_objects(stepped, frames[1], late)
    assert grown.object_ids == (1, 2, 21, 23, 30)
    assert [group.object_ids for group in grown.groups] == [(1, 2, 21), (23, 30)]
    assert [group.age for group in grown.groups] == [0, 0]
    assert [group.is_annotated for group in grown.groups] == [(True, True), (True,)]
    drawn = np.any([*late.values()], axis=0)
    assert np.array_equal(grown.label_map[~drawn], stepped.label_map[~drawn])
    for slot, object_id in ((3, 21), (4, 23), (5, 30)):
        assert np.array_equal(grown.label_map == slot, late[object_id] & (grown.label_map == slot))
    assert np.array_equal(grown.label_map == 5, late[30])
    (step,) = predictor.step([grown], [frames[2]])
    assert list(step.masks()) == [1, 2, 21, 23, 30]


def test_a_corrected_object_is_nowhere_else(predictor, frames):
    state, _ = predictor.start(frames[0], aot_tiny.masks(2))
    (stepped,) = follow(predictor, state, frames[1:2])
    assert (stepped.label_map == 2).any()
    corner = np.zeros(SIZE, dtype=bool)
    corner[:10, :10] = True
    corrected = predictor.add_objects(stepped, frames[1], {2: corner})
    assert np.array_equal(corrected.label_map == 2, corner)
    assert corrected.object_ids == (1, 2)
    was_other = stepped.label_map == 1
    assert np.array_equal(corrected.label_map == 1, was_other & ~corner)


def test_a_removed_object_disturbs_no_other(predictor, frames):
    state, _ = predictor.start(frames[0], aot_tiny.masks(5))
    fewer = predictor.remove_objects(state, iter([2, 5]))
    assert fewer.object_ids == (1, 3, 4)
    (whole,) = predictor.step([state], [frames[1]])
    (rest,) = predictor.step([fewer], [frames[1]])
    assert [tracked.id for tracked in rest.objects] == [1, 3, 4]
    expected = whole.masks()
    for object_id, mask in rest.masks().items():
        assert np.array_equal(mask, expected[object_id])
    assert fewer.nbytes == state.nbytes


def test_a_group_without_objects_gives_its_memory_back(predictor, frames):
    state, _ = predictor.start(frames[0], aot_tiny.masks(5))
    fewer = predictor.remove_objects(state, [1, 2, 3])
    assert [group.object_ids for group in fewer.groups] == [(4, 5)]
    group = state.groups[0]
    its_own = sum(tensor.nbytes for tensor in (*group.long_term, *group.short_term))
    assert fewer.nbytes <= state.nbytes - its_own
    drawn = aot_tiny.masks(5)
    assert np.array_equal(fewer.label_map == 1, drawn[4])
    assert np.array_equal(fewer.label_map == 2, drawn[5])
    assert set(np.unique(fewer.label_map)) == {0, 1, 2}
    (step,) = predictor.step([fewer], [frames[1]])
    assert list(step.masks()) == [4, 5]


def test_a_session_may_be_empty_for_a_while(predictor, frames):
    state, _ = predictor.start(frames[0], aot_tiny.masks(2))
    empty = predictor.remove_objects(state, [1, 2])
    other, _ = predictor.start(frames[0], aot_tiny.masks(2))
    nothing, something = predictor.step([empty, other], [frames[1], frames[1]])
    assert nothing.objects == ()
    assert nothing.masks() == {}
    assert len(something.objects) == 2
    assert np.array_equal(nothing.state.frame, frames[1])
    revived = predictor.restore(nothing.state.dump())
    again = predictor.add_objects(revived, frames[2], aot_tiny.masks(2))
    fresh, _ = predictor.start(frames[2], aot_tiny.masks(2))
    assert_same(again, fresh)


def test_a_removed_id_comes_back_as_a_new_object(predictor, frames):
    state, _ = predictor.start(frames[0], aot_tiny.masks(2))
    state = predictor.remove_objects(state, [1])
    state = predictor.add_objects(state, frames[0], {1: aot_tiny.masks(2)[1]})
    assert state.groups[0].object_ids == (0, 2, 1)


@pytest.mark.parametrize(
    ("objects", "complaint"),
    [
        ({}, "no object"),
        ({0: np.ones(SIZE, dtype=bool)}, "above 0"),
        ({1: np.array([0.0, 0.0, 9.0, 9.0])}, "object 1 needs a mask; a box alone"),
        ({1: np.ones((70, 50), dtype=bool)}, r"mask of object 1 is \[70, 50\] bool"),
        ({1: np.ones(SIZE, dtype=np.uint8)}, "uint8, not"),
        ({1: np.zeros(SIZE, dtype=bool)}, "no pixel"),
    ],
)
def test_what_cannot_be_followed_is_refused(predictor, frames, objects, complaint):
    with pytest.raises(ValueError, match=complaint):
        predictor.start(frames[0], objects)
    state, _ = predictor.start(frames[0], aot_tiny.masks(1))
    with pytest.raises(ValueError, match=complaint):
        predictor.add_objects(state, frames[0], objects)


def test_more_objects_than_a_label_map_tells_apart_are_refused(predictor):
    size = (16, 256)
    with pytest.raises(ValueError, match="255 objects at most, not 256"):
        predictor.start(np.zeros((*size, 3), dtype=np.uint8), columns(256))


def columns(count):
    return {
        key: np.arange(count)[None].repeat(16, axis=0) == key - 1 for key in range(1, count + 1)
    }


def test_255_objects_are_followed():
    predictor = aot_tiny.predictor(group_objects=10, layers=1)
    frame = np.zeros((16, 255, 3), dtype=np.uint8)
    state, step = predictor.start(frame, columns(255))
    assert np.array_equal(state.label_map[0], np.arange(1, 256))
    assert all(mask.sum() == 16 for mask in step.masks().values())
    (step,) = predictor.step([state], [frame])
    assert len(step.objects) == 255


def test_frames_keep_their_size(predictor, frames):
    state, _ = predictor.start(frames[0], aot_tiny.masks(1))
    other = aot_tiny.clip(1, (50, 71))[0]
    for refused in (
        lambda: predictor.step([state, state], [frames[1], other]),
        lambda: predictor.add_objects(state, other, aot_tiny.masks(1)),
    ):
        with pytest.raises(ValueError, match=r"\[50, 71, 3\] in a session of \[50, 70, 3\]"):
            refused()
    with pytest.raises(ValueError, match=r"shorter|longer"):
        predictor.step([state, state], [frames[1]])


def test_an_object_that_is_not_followed_cannot_be_removed(predictor, frames):
    state, _ = predictor.start(frames[0], aot_tiny.masks(2))
    with pytest.raises(ValueError, match=r"no objects \[7\] among \[1, 2\]"):
        predictor.remove_objects(state, [1, 7])
