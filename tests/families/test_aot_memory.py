"""What AOT's sessions keep in memory, and what they forget."""

from dataclasses import replace

import pytest
import torch

from models.aot import groups
from models.aot.groups import Group
from models.aot.tokens import Memory
from tests.families import aot_tiny
from tests.families.aot_tiny import follow


def test_memory_stays_flat_over_many_frames():
    predictor = aot_tiny.predictor(layers=1, long_term_gap=1, max_long_term_frames=4)
    clip = aot_tiny.clip(10, (17, 33))
    state, _ = predictor.start(clip[0], aot_tiny.masks(4, (17, 33)))
    sizes = []
    for index in range(200):
        (state,) = follow(predictor, state, [clip[index % 10]])
        sizes.append(state.nbytes)
    assert sizes[0] < sizes[1] < sizes[2]
    assert set(sizes[2:]) == {sizes[2]}
    # No view keeps a batch alive.
    for group in state.groups:
        for tensor in (*group.long_term, *group.short_term):
            assert tensor.untyped_storage().nbytes() == tensor.nbytes


def test_without_a_limit_memory_grows_by_the_gap():
    predictor = aot_tiny.predictor(long_term_gap=3, max_long_term_frames=None)
    clip = aot_tiny.clip(10, (17, 33))
    state, _ = predictor.start(clip[0], aot_tiny.masks(1, (17, 33)))
    states = follow(predictor, state, clip[1:])
    assert [len(state.groups[0].is_annotated) for state in states] == [1, 1, 2, 2, 2, 3, 3, 3, 4]
    assert [state.groups[0].age for state in states] == [1, 2, 0, 1, 2, 0, 1, 2, 0]
    newest = states[2].groups[0]
    assert torch.equal(newest.long_term.values[:, :6], newest.short_term.values)


def numbered_group(flags, age):
    """A group whose long-term frames hold the numbers 1, 2, … from the newest on."""
    frames = torch.arange(1.0, len(flags) + 1).view(1, -1, 1)
    return Group((1,), Memory(frames, frames), Memory(frames[:, :1], frames[:, :1]), flags, age)


def new_memory():
    return Memory(torch.zeros(1, 1, 1), torch.zeros(1, 1, 1))


@pytest.mark.parametrize(
    ("flags", "limit", "kept"),
    [
        ((False, False, True), 3, [0, 1, 3]),
        ((False, True, False), 3, [0, 1, 2]),
        ((True, True, True), 3, [1, 2, 3]),
        ((False, False, True), None, [0, 1, 2, 3]),
        ((True,), 1, [1]),
    ],
)
def test_the_oldest_frame_that_nobody_annotated_is_forgotten(flags, limit, kept):
    config = replace(aot_tiny.TINY, max_long_term_frames=limit, long_term_gap=5)
    group = groups.advance(numbered_group(flags, 4), new_memory(), config)
    assert group.long_term.keys.flatten().tolist() == kept
    assert group.long_term.values.flatten().tolist() == kept
    assert group.age == (0 if 0 in kept else 5)
    assert len(group.is_annotated) == len(kept)


def test_of_annotated_frames_alone_the_oldest_is_forgotten():
    config = replace(aot_tiny.TINY, max_long_term_frames=3)
    group = groups.annotate(numbered_group((True, True, True), 2), (1,), new_memory(), config)
    assert group.long_term.keys.flatten().tolist() == [0, 1, 2]


def test_a_frame_is_not_memorised_twice():
    config = replace(aot_tiny.TINY, max_long_term_frames=None)
    group = groups.annotate(numbered_group((False, True), 0), (1, 2), new_memory(), config)
    assert group.long_term.keys.flatten().tolist() == [0, 2]
    assert group.is_annotated == (True, True)
    assert group.object_ids == (1, 2)
