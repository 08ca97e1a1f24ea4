"""The demo world keeps its promises: sizes, radii, hiding, masks, determinism."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.training.figures import KINDS, cover, figure_box
from models.training.finish import Finish, apply_finish
from models.training.grid import Grid, Pose
from models.training.scenes import MAX_FIGURES, RADII, World, render, scene_at

scenes = st.builds(
    scene_at, st.integers(0, 2**31), st.integers(0, 2**31), st.just(World((128, 224)))
)
quickly = settings(max_examples=25, deadline=None)


def lone_mask(figure, image_size):
    """The figure's pixels if nothing stood before it."""
    mask = np.zeros(image_size, dtype=bool)
    box = figure_box(figure.pose, image_size)
    mask[box] = cover(figure.kind, Grid.over(*box, figure.pose)) >= 0.5
    return mask


@quickly
@given(scenes)
def test_no_figure_is_hidden_by_more_than_the_limit(scene):
    seen = render(scene).masks
    for figure, mask in zip(scene.figures, seen, strict=True):
        alone = lone_mask(figure, scene.image_size)
        assert not (mask & ~alone).any()
        assert mask.sum() >= 0.55 * alone.sum() > 0


@quickly
@given(scenes)
def test_radii_and_numbers_of_figures_are_the_worlds(scene):
    short = min(scene.image_size)
    assert len(scene.figures) <= MAX_FIGURES
    for figure in scene.figures:
        assert RADII[0] * short <= figure.pose.scale <= RADII[1] * short
        assert 0 <= figure.pose.x <= scene.image_size[1]
        assert 0 <= figure.pose.y <= scene.image_size[0]


@quickly
@given(scenes)
def test_boxes_are_tight_around_disjoint_masks(scene):
    rendering = render(scene)
    assert rendering.masks.sum(axis=0).max(initial=0) <= 1
    assert rendering.labels.tolist() == [figure.kind + 1 for figure in scene.figures]
    for mask, box in zip(rendering.masks, rendering.boxes_xyxy.astype(int), strict=True):
        left, top, right, bottom = box
        inside = mask[top:bottom, left:right]
        assert inside.sum() == mask.sum()
        assert inside[0].any()
        assert inside[-1].any()
        assert inside[:, 0].any()
        assert inside[:, -1].any()


@quickly
@given(st.integers(0, 2**31), st.integers(0, 2**31))
def test_sides_stay_within_the_world(seed, index):
    height, width = scene_at(seed, index).image_size
    assert 128 <= min(height, width) <= max(height, width) <= 640


def test_the_same_seed_and_index_give_the_same_picture():
    one, same, other = (render(scene_at(5, index, World((128, 160)))) for index in (3, 3, 4))
    assert np.array_equal(one.image, same.image)
    assert np.array_equal(one.owners, same.owners)
    assert one.image.shape != other.image.shape or not np.array_equal(one.image, other.image)


def test_sequences_hold_every_kind_and_empty_pictures():
    drawn = [scene_at(1, index) for index in range(200)]
    assert {figure.kind for scene in drawn for figure in scene.figures} == set(range(len(KINDS)))
    assert any(not scene.figures for scene in drawn)
    assert max(len(scene.figures) for scene in drawn) == MAX_FIGURES


@pytest.mark.parametrize(
    ("kind", "share"),
    [
        ("circle", np.pi),
        ("square", 2),
        ("triangle", 3 * np.sqrt(3) / 4),
        ("star", 10 * 0.5 * 0.42 * np.sin(np.pi / 5)),
        ("cross", 4 * 5 / 9 / (1 + 1 / 9)),
        ("ring", np.pi * (1 - 0.55**2)),
    ],
)
@pytest.mark.parametrize("angle", [0, 0.5, 2.0])
def test_figures_have_the_area_of_their_geometry(kind, share, angle):
    pose = Pose(60, 60, 50, angle)
    covered = cover(KINDS.index(kind), Grid.over(slice(0, 120), slice(0, 120), pose))
    assert covered.sum() == pytest.approx(share * 50**2, rel=0.005)


def test_a_star_points_where_its_angle_says():
    covered = cover(KINDS.index("star"), Grid.over(slice(0, 40), slice(0, 40), Pose(20, 20, 19, 0)))
    assert covered[20, 36] > 0.5  # a point to the right
    assert covered[20, 4] < 0.5  # a notch to the left
    assert np.allclose(covered, covered[::-1], atol=1e-3)


def test_waves_are_the_sum_of_cosines():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(3, 2)).astype(np.float32)
    phases, amplitudes = rng.normal(size=(2, 3)).astype(np.float32)
    grid = Grid.over(slice(2, 9), slice(1, 12), Pose(5, 4, 3, 0.7))
    own = np.stack((grid.along(0), grid.along(np.pi / 2)), axis=-1)
    expected = (amplitudes * np.cos(2 * np.pi * own @ vectors.T + phases)).sum(axis=-1)
    np.testing.assert_allclose(grid.waves(vectors, phases, amplitudes), expected, atol=1e-5)


def test_figures_stand_out_from_what_is_behind_them():
    for index in range(40):
        scene = scene_at(2, index, World((128, 160)))
        ends = np.array([np.array(figure.texture.colours) for figure in scene.figures])
        behind = np.array(scene.backdrop.colours)
        if len(ends):
            gaps = np.linalg.norm(ends[:, :, None] - behind, axis=-1)
            assert np.median(gaps) > 0.42
            assert gaps.min() > 0.15


@pytest.mark.parametrize(
    "finish",
    [Finish(contrast=0.8), Finish(brightness=0.1), Finish(blur=1), Finish(noise=0.05, seed=1)],
)
def test_a_finish_changes_the_picture_only(finish):
    drawing = np.zeros((3, 16, 16), dtype=np.float32)
    drawing[:, 4:12, 4:12] = 0.8
    clean, changed = apply_finish(Finish(), drawing), apply_finish(finish, drawing)
    assert clean.max() == 204
    assert np.abs(clean.astype(int) - changed).mean() > 2


def test_jpeg_leaves_artefacts():
    drawing = np.random.default_rng(0).random((3, 16, 16), dtype=np.float32)
    clean = apply_finish(Finish(), drawing)
    assert not np.array_equal(clean, apply_finish(Finish(jpeg_quality=30), drawing))
