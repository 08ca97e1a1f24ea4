import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.lib.stride_tricks import sliding_window_view

from models.training.semantic_metrics import Confusion, border_band

maps = arrays.arrays(
    np.int64,
    arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9),
    elements=st.integers(0, 3),
)


@given(maps, st.integers(1, 3))
def test_the_band_holds_what_has_another_label_within_reach(label_map, reach):
    padded = np.pad(label_map, reach, mode="edge")
    windows = sliding_window_view(padded, (2 * reach + 1, 2 * reach + 1))
    expected = (windows != label_map[:, :, None, None]).any(axis=(2, 3))
    np.testing.assert_array_equal(border_band(label_map, reach), expected)


def test_intersection_over_union_by_hand():
    confusion = Confusion(4)
    confusion.add(np.array([[0, 0, 1, 1]]), np.array([[0, 1, 1, 1]]))
    confusion.add(np.array([2, 2]), np.array([2, 0]))
    assert confusion.ious()[:3].tolist() == [1 / 3, 2 / 3, 1 / 2]
    assert np.isnan(confusion.ious()[3])
    assert confusion.mean_iou() == pytest.approx((1 / 3 + 2 / 3 + 1 / 2) / 3)


def test_a_label_that_is_only_found_counts_as_missed():
    confusion = Confusion(3)
    confusion.add(np.array([0, 2]), np.array([0, 0]))
    assert confusion.mean_iou() == pytest.approx(0.25)


def test_nothing_met_gives_no_mean():
    assert Confusion(3).mean_iou() == -1
