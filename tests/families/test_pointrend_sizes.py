"""Sizes on the way in and on the way back."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from models.pointrend import DEEPLABV3_R50, FPN_R50_ADE20K, FPN_R101_CITYSCAPES, postprocess
from models.pointrend.postprocess import Stage, label_map, resized_rows, way_back
from models.pointrend.preprocess import input_shape, preprocess, resized_size
from tests.goldens import golden, needs_goldens

_CONFIGS = {"tv": DEEPLABV3_R50, "d2": FPN_R101_CITYSCAPES, "mm": FPN_R50_ADE20K}
_CASES = {
    "tv0": {"min_size": 61},
    "tv1": {"min_size": 150},
    "d20": {"min_size": 64, "max_size": 333},
    "d21": {"min_size": 140, "max_size": 150},
    "d22": {"min_size": 150, "max_size": 999},
    "mm0": {"min_size": 64, "max_size": 256},
    "mm1": {"min_size": 110, "max_size": 120},
    "mm2": {"min_size": 160, "max_size": 640},
}


@needs_goldens
@pytest.mark.parametrize("case", _CASES)
def test_the_input_is_the_official_one(case):
    official = golden("pointrend", "ops_preprocess")
    config = replace(_CONFIGS[case[:2]], **_CASES[case])
    batch = preprocess([torch.from_numpy(official["image"])], config)
    height, width = official.meta["parameters"][case]["out"]
    assert batch.image_sizes == [(height, width)]
    found = official.sliced(f"{case}_input", batch.images[:, :, :height, :width].numpy())
    np.testing.assert_allclose(found, official[f"{case}_input"], atol=2e-6)
    assert not batch.images[:, :, height:].any()
    assert not batch.images[:, :, :, width:].any()


@pytest.mark.parametrize(
    ("rule", "image_size", "expected"),
    [
        ("tv", (480, 640), (520, 693)),  # 693.33 is cut down
        ("tv", (640, 480), (693, 520)),
        ("tv", (100, 4000), (52, 2080)),  # the limit that torchvision has not
        ("d2", (1024, 2048), (1024, 2048)),
        ("d2", (480, 640), (1024, 1365)),  # 1365.33
        ("d2", (375, 500), (1024, 1365)),
        ("d2", (400, 601), (1024, 1539)),  # 1538.56 is rounded
        ("d2", (300, 1000), (614, 2048)),  # 614.4
        ("mm", (480, 640), (512, 683)),  # 682.67 is rounded
        ("mm", (100, 1000), (205, 2048)),
        ("mm", (1, 5000), (1, 2048)),  # nothing falls below one pixel
        ("d2", (5000, 1), (2048, 1)),
        ("tv", (5000, 1), (2080, 1)),
    ],
)
def test_sizes_follow_each_publications_rule(rule, image_size, expected):
    assert resized_size(image_size, _CONFIGS[rule]) == expected


@pytest.mark.parametrize("rule", _CONFIGS)
@given(image_size=st.tuples(st.integers(1, 9000), st.integers(1, 9000)))
def test_no_picture_makes_a_large_input(rule, image_size):
    config = _CONFIGS[rule]
    height, width = input_shape(image_size, config)
    assert min(height, width) >= 1
    assert max(height, width) <= config.max_size
    assert height % config.size_divisor == width % config.size_divisor == 0


side = st.integers(1, 40)
size = st.tuples(side, side)


@settings(max_examples=50)
@given(map_size=size, shape=size, image_size=size, original_size=size, seed=st.integers(0, 99))
def test_rows_in_bands_are_the_rows_of_the_whole(map_size, shape, image_size, original_size, seed):
    image_size = (min(image_size[0], shape[0]), min(image_size[1], shape[1]))
    torch.manual_seed(seed)
    logits = torch.randn(3, *map_size)
    whole = logits[None]
    whole = F.interpolate(whole, shape, mode="bilinear", align_corners=False)
    whole = whole[:, :, : image_size[0], : image_size[1]]
    whole = F.interpolate(whole, original_size, mode="bilinear", align_corners=False)[0]
    way = way_back(shape, image_size, original_size)
    first = original_size[0] // 3
    for rows in (slice(0, first), slice(first, original_size[0])):
        if rows.stop > rows.start:
            band = resized_rows(logits, way, rows)
            torch.testing.assert_close(band, whole[:, rows], rtol=1e-4, atol=1e-5)


def test_a_band_reads_only_the_rows_that_it_needs():
    logits = torch.full((2, 100, 10), torch.nan)
    logits[:, 40:62] = 1
    way = way_back((200, 20), (200, 20), (400, 40))
    assert torch.equal(resized_rows(logits, way, slice(180, 220)), torch.ones(2, 40, 40))


def test_a_map_in_many_bands_is_the_map_in_one():
    torch.manual_seed(0)
    logits = torch.randn(150, 40, 50)
    way = (Stage((300, 400), (300, 390)),)  # 18 million logits: five bands
    whole = F.interpolate(logits[None], (300, 400), mode="bilinear", align_corners=False)
    found = label_map(logits, way)
    assert found.dtype == torch.uint8
    assert found.shape == (300, 390)
    assert (found == whole[0, :, :, :390].argmax(0)).float().mean() > 0.9999


def test_a_map_of_rows_that_are_too_long_is_made_in_bands_of_columns():
    logits = torch.randn(150, 3, 5, generator=torch.Generator().manual_seed(2))
    way = way_back((8, 200), (6, 180), (2, 40_000))
    assert way[-1].size[1] * len(logits) > postprocess._BAND_VALUES
    found = label_map(logits, way)
    assert found.is_contiguous()
    whole = resized_rows(logits, way, slice(0, 2))
    best = whole.max(dim=0).values
    assert torch.allclose(whole.gather(0, found[None].long())[0], best, atol=1e-5)
