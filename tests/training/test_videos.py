"""Moving pictures: poses follow from the frame's number, masks are exact, what left comes back."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.training.figures import Blob, cover, figure_box
from models.training.finish import Finish
from models.training.grid import Grid, Pose
from models.training.scenes import THINGS, World, render
from models.training.videos import FRAMES, Motion, Video, _to_and_fro, video_at

WORLD = World((128, 160), figures=(1, 4))
videos = st.builds(video_at, st.just(5), st.integers(0, 2**31), st.just(WORLD))
quickly = settings(max_examples=25, deadline=None)
STILL = Motion((0, 0), (-99, 999), (-99, 999), 0, 0, 0, 0, 0)


def lone_video(motion, frames=12):
    """The first figure of a scene, moving as told, without faults of the picture."""
    video = video_at(5, 3, WORLD)
    scene = replace(video.scene, figures=video.scene.figures[:1], finish=Finish())
    return Video(scene, (motion,), ((0.0, 0.0),) * frames, (0.0, 0.0))


@quickly
@given(videos)
def test_a_video_begins_with_its_scene_and_is_as_long_as_the_world_has_it(video):
    first = video.frame(0)
    assert FRAMES[0] <= len(video) <= FRAMES[1]
    assert first.camera == video.scene.camera
    assert first.finish == video.scene.finish
    for figure, original in zip(first.figures, video.scene.figures, strict=True):
        assert figure.pose.x == pytest.approx(original.pose.x)
        assert figure.pose.y == pytest.approx(original.pose.y)
        assert figure.pose.scale == pytest.approx(original.pose.scale)


@quickly
@given(videos, st.integers(0, FRAMES[0] - 1))
def test_masks_are_what_figures_cover_and_later_ones_do_not_hide(video, number):
    scene = video.frame(number)
    hidden = np.zeros(scene.image_size, dtype=bool)
    for figure, mask in reversed([*zip(scene.figures, render(scene).masks, strict=True)]):
        alone = np.zeros(scene.image_size, dtype=bool)
        box = figure_box(figure.pose, scene.image_size)
        alone[box] = cover(figure.kind, Grid.over(*box, figure.pose)) >= 0.5
        assert np.array_equal(mask, alone & ~hidden)
        hidden |= alone


def test_the_same_index_gives_the_same_video_and_another_another():
    assert video_at(5, 1, WORLD) == video_at(5, 1, WORLD)
    assert video_at(5, 1, WORLD) != video_at(5, 2, WORLD)


@given(st.floats(-500, 500), st.floats(-50, 50), st.floats(1, 200))
def test_places_go_to_and_fro_without_a_jump(place, low, length):
    here, next_to = (_to_and_fro(place + step, low, low + length) for step in (0, 0.01))
    assert low - 1e-6 <= here <= low + length + 1e-6
    assert abs(next_to - here) <= 0.01 + 1e-6
    inside = low + (place % length)
    assert _to_and_fro(inside, low, low + length) == pytest.approx(inside, abs=1e-6)


def test_a_figure_bounces_off_the_frame():
    pose = video_at(5, 3, WORLD).scene.figures[0].pose
    video = lone_video(replace(STILL, speed=(10, 0), x_range=(0, pose.x + 25)))
    places = [video.frame(number).figures[0].pose.x - pose.x for number in range(6)]
    assert places == pytest.approx([0, 10, 20, 20, 10, 0])


def test_a_figure_that_leaves_is_not_seen_and_comes_back():
    pose = video_at(5, 3, WORLD).scene.figures[0].pose
    out = -2 * pose.scale
    video = lone_video(replace(STILL, speed=((out - pose.x) / 5, 0), x_range=(out, 999)))
    seen = [render(video.frame(number)).masks.any() for number in range(11)]
    assert seen[0]
    assert not seen[5]
    assert seen[10]


@pytest.mark.parametrize("place", [(-40, 30), (30, -40), (200, 30), (30, 200)])
def test_a_figure_out_of_the_frame_touches_no_pixel(place):
    rows, columns = figure_box(Pose(*place, 20, 0), (100, 120))
    pixels = np.zeros((100, 120))[rows, columns]
    assert pixels.size == 0
    grid = Grid.over(rows, columns, Pose(*place, 20, 0))
    assert cover(0, grid).shape == pixels.shape


def test_a_figure_swells_about_its_own_size_and_turns():
    video = lone_video(replace(STILL, swell=0.2, swell_speed=np.pi / 2, spin=0.1))
    poses = [video.frame(number).figures[0].pose for number in range(4)]
    sizes = [pose.scale / poses[0].scale for pose in poses]
    assert sizes == pytest.approx([1, np.exp(0.2), 1, np.exp(-0.2)])
    assert poses[3].angle - poses[0].angle == pytest.approx(0.3)


def test_a_trembling_camera_moves_all_of_the_picture():
    video = lone_video(STILL, frames=2)
    shaken = replace(video, shifts=((0.0, 0.0), (3.0, -2.0)))
    before, after = (render(shaken.frame(number)) for number in (0, 1))
    np.testing.assert_array_equal(after.owners[:-2, 3:], before.owners[2:, :-3])
    difference = after.image[:-2, 3:].astype(int) - before.image[2:, :-3]
    assert np.abs(difference).max() <= 1


def test_every_frame_has_noise_of_its_own():
    video = lone_video(STILL, frames=2)
    noisy = replace(video, scene=replace(video.scene, finish=Finish(noise=0.05, seed=3)))
    one, other = (render(noisy.frame(number)).image for number in (0, 1))
    assert not np.array_equal(one, other)


def test_things_without_a_name_writhe_before_a_backdrop_that_may_move():
    drawn = [video_at(5, index, replace(WORLD, look=THINGS)) for index in range(12)]
    assert {video.pan == (0, 0) for video in drawn} == {True, False}
    for video in drawn:
        for before, after in zip(video.scene.figures, video.frame(3).figures, strict=True):
            assert isinstance(before.kind, Blob)
            assert before.kind != after.kind
            assert [height for height, _ in before.kind.waves] == [
                height for height, _ in after.kind.waves
            ]
        assert set(render(video.scene).labels) == {0}
    assert all(video_at(5, index, WORLD).pan == (0, 0) for index in range(12))


def test_a_blob_covers_the_disk_that_its_waves_bend():
    grid = Grid.over(slice(0, 80), slice(0, 80), Pose(40, 40, 30, 0))
    disk = cover(Blob(()), grid)
    assert disk.sum() == pytest.approx(np.pi * 30**2, rel=0.01)
    lobed = cover(Blob(((0.0, 0.0), (0.5, 0.0))), grid)  # long along x, waisted along y
    assert lobed[40, 68] > 0.5 > lobed[68, 40]
    assert not (lobed > disk + 0.1).any()
