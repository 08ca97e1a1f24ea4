"""J and F against cases that can be counted by hand."""

import numpy as np
import pytest

from models.training.video_metrics import (
    boundary,
    boundary_accuracy,
    follow_scores,
    region_similarity,
)


def square(top, left, side, size=(60, 80)):
    mask = np.zeros(size, dtype=bool)
    mask[top : top + side, left : left + side] = True
    return mask


NOTHING = np.zeros((60, 80), dtype=bool)


def test_region_similarity_is_intersection_over_union():
    assert region_similarity(square(10, 10, 20), square(10, 10, 20)) == 1
    assert region_similarity(square(10, 10, 20), square(10, 20, 20)) == pytest.approx(200 / 600)
    assert region_similarity(square(10, 10, 20), square(40, 40, 10)) == 0


def test_what_is_rightly_not_found_is_perfect_and_wrongly_nothing():
    for measure in (region_similarity, boundary_accuracy):
        assert measure(NOTHING, NOTHING) == 1
        assert measure(square(10, 10, 20), NOTHING) == 0
        assert measure(NOTHING, square(10, 10, 20)) == 0


def test_a_boundary_runs_along_the_upper_left_of_each_edge():
    edges = boundary(square(2, 3, 2, (6, 7))).astype(int)
    assert edges.tolist() == [
        [0, 0, 0, 0, 0, 0, 0],
        [0, 0, 1, 1, 1, 0, 0],
        [0, 0, 1, 0, 1, 0, 0],
        [0, 0, 1, 1, 1, 0, 0],
        [0, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0],
    ]


def test_the_frames_edge_is_no_boundary():
    lower_right = np.zeros((4, 4), dtype=bool)
    lower_right[2:, 2:] = True
    assert boundary(lower_right).astype(int).tolist() == [
        [0, 0, 0, 0],
        [0, 1, 1, 1],
        [0, 1, 0, 0],
        [0, 1, 0, 0],
    ]
    assert not boundary(np.ones((4, 4), dtype=bool)).any()


def test_boundaries_agree_within_the_tolerance():
    # 0.8 % of the diagonal of 60 x 80 is 0.8 pixels: rounded up, one pixel.
    true = square(10, 10, 20)
    assert boundary_accuracy(square(11, 10, 20), true) == 1
    assert boundary_accuracy(square(10, 9, 20), true) == 1
    # Two pixels down, most of the horizontal edges is out of reach.
    assert 0.5 < boundary_accuracy(square(12, 10, 20), true) < 0.6
    # A larger frame tolerates more.
    small, large = square(10, 10, 20, (300, 400)), square(13, 10, 20, (300, 400))
    assert boundary_accuracy(large, small) == 1


def test_within_reach_means_by_straight_distance():
    # On 120 x 160 two pixels are near: (1, 1) is, (2, 2) is not.
    true, found = np.zeros((2, 120, 160), dtype=bool)
    true[50:, 50:] = True
    for shift, score in ((1, 1.0), (2, None)):
        found[:] = False
        found[50 + shift :, 50 + shift :] = True
        assert (boundary_accuracy(found, true) == 1) == (score == 1)


def test_precision_and_recall_are_averaged_harmonically():
    true = square(10, 10, 10) | square(40, 60, 10)
    found = square(10, 10, 10)
    # All that was found is right, half of what is there was found.
    assert boundary_accuracy(found, true) == pytest.approx(2 * 1 * 0.5 / 1.5)
    assert boundary_accuracy(true, found) == pytest.approx(2 * 1 * 0.5 / 1.5)


def test_first_and_last_frame_do_not_count():
    owners = np.stack([square(10, 10, 20).astype(np.uint8)] * 4)
    owners[:, 40:50, 40:50] = 2
    found = owners.copy()
    found[0], found[3] = 0, 0
    found[2][found[2] == 2] = 0
    scores = [*follow_scores(found, owners, 2)]
    assert scores == [(1, 1), (1, 1), (1, 1), (0, 0)]
