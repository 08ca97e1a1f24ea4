"""Rich surfaces: tiles that fit together, seen without finer detail than a pixel shows."""

import numpy as np
import pytest

from models.training import surfaces
from models.training.grid import Grid, Pose
from models.training.textures import RICH, Texture, paint

COLOURS = ((0.9, 0.2, 0.1), (0.1, 0.3, 0.8))
TILES = [surfaces.fractal, surfaces.leaves, surfaces.strokes]


@pytest.mark.parametrize("make", TILES)
def test_opposite_sides_of_a_tile_fit(make):
    tile = make(COLOURS, 3)
    steps = np.abs(np.diff(tile, axis=1)).mean(), np.abs(np.diff(tile, axis=2)).mean()
    seams = np.abs(tile[:, 0] - tile[:, -1]).mean(), np.abs(tile[..., 0] - tile[..., -1]).mean()
    assert np.all(np.array(seams) < 2.5 * np.array(steps))


@pytest.mark.parametrize("make", TILES)
def test_a_seed_names_a_tile(make):
    assert np.array_equal(make(COLOURS, 3), make.__wrapped__(COLOURS, 3))
    assert not np.array_equal(make(COLOURS, 3), make(COLOURS, 4))
    assert make(COLOURS, 3).std() > 0.05


def grid_at(x=10.0, y=7.0, scale=96.0, angle=0.0):
    return Grid.over(slice(0, 40), slice(0, 50), Pose(x, y, scale, angle))


def test_at_its_own_scale_a_tile_is_seen_pixel_by_pixel():
    tile = surfaces.leaves(COLOURS, 1)
    seen = surfaces.look_at(tile, grid_at(), direction=0, period=1)
    rows, columns = (np.arange(40) - 7) % 96, (np.arange(50) - 10) % 96
    np.testing.assert_allclose(seen, tile[:, rows[:, None], columns], atol=1e-4)


def test_between_the_pixels_of_a_tile_neighbours_mix_across_its_border_too():
    tile = surfaces.leaves(COLOURS, 1)
    grid = Grid.over(slice(0, 96), slice(0, 96), Pose(0.25, 0.5, 96, 0))
    seen = surfaces.look_at(tile, grid, direction=0, period=1)
    lines = (tile + np.roll(tile, 1, axis=1)) / 2
    expected = 0.75 * lines + 0.25 * np.roll(lines, 1, axis=2)
    np.testing.assert_allclose(seen, expected, atol=1e-4)


def test_a_surface_repeats_after_its_period_and_moves_with_its_pose():
    tile = surfaces.strokes(COLOURS, 1)
    here = surfaces.look_at(tile, grid_at(), direction=0.3, period=0.5)
    moved = surfaces.look_at(tile, grid_at(x=13, y=5), direction=0.3, period=0.5)
    np.testing.assert_allclose(moved[:, :-2, 3:], here[:, 2:, :-3], atol=1e-3)
    turned = surfaces.look_at(tile, grid_at(angle=0.3), direction=0, period=0.5)
    np.testing.assert_allclose(turned, here, atol=1e-3)
    straight = surfaces.look_at(tile, grid_at(), direction=0, period=0.25)
    np.testing.assert_allclose(straight[:, :, 24:], straight[:, :, :-24], atol=1e-3)


def test_from_far_away_details_melt():
    tile = surfaces.strokes(COLOURS, 1)
    far = surfaces.look_at(tile, grid_at(scale=96 / 16), direction=0, period=1)
    picked = tile[:, ::16, ::16]
    assert far.std(axis=(1, 2)).mean() < 0.7 * picked.std(axis=(1, 2)).mean()
    np.testing.assert_allclose(far.mean(axis=(1, 2)), tile.mean(axis=(1, 2)), atol=0.05)


@pytest.mark.parametrize("pattern", RICH)
def test_rich_patterns_are_painted_with_their_tiles(pattern):
    texture = Texture(pattern, COLOURS, direction=0.2, period=1.5, seed=9)
    painted = paint(texture, grid_at())
    tile = getattr(surfaces, pattern.value)(COLOURS, 9)
    assert painted.dtype == np.float32
    np.testing.assert_array_equal(painted, surfaces.look_at(tile, grid_at(), 0.2, 1.5))
