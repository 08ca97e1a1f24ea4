import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from models.ops.regions import largest_region, min_area_rectangle

BITMAPS = arrays.arrays(bool, arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12))
CORNERS = [(-1, -1), (-1, 1), (1, -1), (1, 1)]
SIDES = [(0, 1), (0, -1), (1, 0), (-1, 0)]


def spread(is_free, seed, steps):
    """All that a flood from `seed` reaches over free pixels."""
    unseen, waiting = np.pad(is_free, 1), [(seed[0] + 1, seed[1] + 1)]
    while waiting:
        row, column = waiting.pop()
        if unseen[row, column]:
            unseen[row, column] = False
            waiting += [(row + down, column + right) for down, right in steps]
    return is_free & ~unseen[1:-1, 1:-1]


def regions(bitmap):
    """By the definition: (area, pixels) of each region, topmost first."""
    outside = spread(~np.pad(bitmap, 1), (0, 0), SIDES)[1:-1, 1:-1]
    left, found = ~outside, []
    while left.any():
        region = spread(left, np.argwhere(left)[0], SIDES + CORNERS)
        left = left & ~region
        around = np.pad(region, 1).astype(int)
        set_centres = around[:-1, :-1] + around[1:, :-1] + around[:-1, 1:] + around[1:, 1:]
        found.append(((set_centres == 4).sum() + (set_centres == 3).sum() / 2, region))
    return found


@given(BITMAPS)
def test_the_largest_region_is_that_of_the_definition(bitmap):
    ours, expected = largest_region(bitmap), regions(bitmap)
    if not expected:
        assert ours is None
        return
    area, pixels = max(expected, key=lambda region: region[0])
    assert ours.area == area
    ends = set()
    for row in np.flatnonzero(pixels.any(1)):
        ends |= {(np.flatnonzero(pixels[row])[edge], row) for edge in (0, -1)}
    found = {tuple(point) for point in ours.points.tolist()}
    assert ends <= found
    assert all(pixels[y, x] for x, y in found)


def test_holes_are_filled_and_what_lies_in_them_is_no_region_of_its_own():
    bitmap = np.zeros((20, 20), dtype=bool)
    bitmap[2:18, 2:18] = True
    bitmap[4:16, 4:16] = False
    bitmap[8:11, 8:11] = True
    assert largest_region(bitmap).area == 15**2


def test_pixels_belong_together_by_their_corners_but_background_does_not():
    diagonal = np.eye(4, dtype=bool)
    assert {tuple(point) for point in largest_region(diagonal).points.tolist()} == {
        (place, place) for place in range(4)
    }
    # The ring's corners touch only diagonally, and still hold the hole.
    ring = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], dtype=bool)
    assert largest_region(ring).area == 2


def test_a_winding_region_is_one():
    bitmap = np.zeros((200, 200), dtype=bool)
    for column in range(0, 200, 4):
        bitmap[:, column : column + 2] = True
        bitmap[-1 if column % 8 else 0, column : column + 4] = True
    assert np.ptp(largest_region(bitmap).points[:, 0]) == 199


@given(st.lists(st.tuples(st.integers(-30, 30), st.integers(-30, 30)), min_size=3, max_size=20))
def test_no_turned_rectangle_is_smaller(points):
    points = np.array(points)
    corners = points - points[0]
    if np.linalg.matrix_rank(corners) < 2:
        return
    ours = min_area_rectangle(points)
    sides = np.roll(ours, -1, axis=0) - ours
    assert abs(sides[0] @ sides[1]) < 1e-6
    area = math.prod(np.hypot(*sides[:2].T))
    for angle in np.linspace(0, math.pi / 2, 91):
        turned = points @ np.array(
            [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
        )
        assert area <= np.ptp(turned, axis=0).prod() + 1e-6
    for point in points:
        for start, side in zip(ours, sides, strict=True):
            assert 0 - 1e-6 <= (point - start) @ side <= side @ side + 1e-6


@pytest.mark.parametrize("degrees", [0, 13, 45, 80])
def test_a_turned_rectangle_is_found_again(degrees):
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    given = np.array([[0, 0], [30, 0], [30, 10], [0, 10]]) @ turn
    inner = np.array([[5, 5], [12, 2]]) @ turn
    found = min_area_rectangle(np.concatenate([given, inner]))
    gaps = np.abs(found[:, None] - given[None]).max(2).min(0)
    assert gaps.max() < 1e-9
