import numpy as np
import pytest
import torch
from PIL import Image

from models.ops.resize_uint8 import crop_opencv, resize_opencv, resize_pillow
from tests.goldens import golden, needs_goldens


@needs_goldens
@pytest.mark.parametrize("case", ["tv0", "tv1", "d20", "d21", "d22"])
def test_pillow_resizing_equals_the_official_bytes(case):
    official = golden("pointrend", "ops_preprocess")
    size = tuple(official.meta["parameters"][case]["out"])
    resized = resize_pillow(torch.from_numpy(official["image"]), size)
    assert np.array_equal(resized.numpy(), official[f"{case}_resized"])


@needs_goldens
@pytest.mark.parametrize("case", ["mm0", "mm1", "mm2"])
def test_opencv_resizing_equals_the_official_bytes(case):
    official = golden("pointrend", "ops_preprocess")
    size = tuple(official.meta["parameters"][case]["out"])
    resized = resize_opencv(torch.from_numpy(official["image"]), size)
    assert np.array_equal(resized.numpy(), official[f"{case}_resized"])


@pytest.mark.parametrize(
    "size",
    [(61, 82), (150, 203), (50, 203), (150, 60), (97, 60), (96, 203), (97, 131), (1, 1), (2, 700)],
)
def test_pillow_resizing_equals_pillow_whichever_way_each_side_goes(size):
    image = np.random.default_rng(0).integers(0, 256, (97, 131, 3), dtype=np.uint8)
    expected = Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR)
    assert np.array_equal(resize_pillow(torch.from_numpy(image), size).numpy(), expected)


@pytest.mark.parametrize("resize", [resize_pillow, resize_opencv])
def test_a_picture_of_the_wanted_size_stays_as_it_is(resize):
    image = torch.randint(0, 256, (19, 23, 3), dtype=torch.uint8)
    assert torch.equal(resize(image, (19, 23)), image)


@pytest.mark.parametrize("resize", [resize_pillow, resize_opencv])
def test_a_single_pixel_fills_whatever_size_is_wanted(resize):
    image = torch.tensor([[[7, 130, 255]]], dtype=torch.uint8)
    assert torch.equal(resize(image, (5, 9)), image.expand(5, 9, 3))


def test_opencv_halving_is_the_mean_of_four_pixels():
    image = torch.randint(0, 256, (20, 26, 3), dtype=torch.uint8)
    four = image.int().reshape(10, 2, 13, 2, 3).sum(dim=(1, 3))
    assert torch.equal(resize_opencv(image, (10, 13)).int(), (four + 2) // 4)


@needs_goldens
@pytest.mark.parametrize("number", range(16))
def test_squares_are_cut_out_and_resized_to_the_official_bytes(number):
    official = golden("siammask", "ops")
    case = official.meta["sub"][number]
    side, size = case["original_sz"], case["model_sz"]
    origin = tuple(round(centre - (side + 1) / 2) for centre in case["pos"])
    image = torch.from_numpy(official["image"][..., ::-1].copy())
    border = torch.from_numpy(official["avg_chans_bgr"]).byte()
    square = crop_opencv(image, origin, side, size, border)
    assert np.array_equal(square.numpy(), official[f"sub{number}_bgr"])


@pytest.mark.parametrize(("x", "y"), [(-30, 4), (6, -45), (12, 9), (-4, -4), (200, 0), (0, -200)])
@pytest.mark.parametrize("side", [7, 13, 40])
def test_outside_the_picture_a_square_has_the_border_colour(x, y, side):
    image = torch.randint(0, 256, (24, 31, 3), dtype=torch.uint8)
    border = torch.tensor([9, 250, 77], dtype=torch.uint8)
    wide = border.expand(600, 600, 3).clone()
    wide[250:274, 250:281] = image
    window = wide[250 + y : 250 + y + side, 250 + x : 250 + x + side]
    expected = resize_opencv(window, (13, 13))
    assert torch.equal(crop_opencv(image, (x, y), side, 13, border), expected)


def test_a_square_may_be_far_larger_than_memory():
    image = torch.full((5, 5, 3), 200, dtype=torch.uint8)
    border = torch.zeros(3, dtype=torch.uint8)
    square = crop_opencv(image, (-(10**8), -(10**8)), 2 * 10**8, 9, border)
    assert square.shape == (9, 9, 3)


@pytest.mark.parametrize("size", [(2, 10**9), (10**9, 2)])
def test_a_picture_may_be_far_longer_than_memory_has_room_for_its_lines(size):
    image = torch.full((1, 1, 3), 200, dtype=torch.uint8).expand(*size, 3)
    square = crop_opencv(image, (-(10**8), -(10**8)), 2 * 10**8, 9, torch.zeros(3).byte())
    assert square.shape == (9, 9, 3)
