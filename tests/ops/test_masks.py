import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco

from models.ops.masks import encode_crops, paste
from tests.goldens import golden, needs_goldens


def pasted_then_encoded(probs, boxes, image_size, threshold=0.5):
    bitmaps = (paste(probs, boxes, image_size) > threshold).numpy().astype(np.uint8)
    return [coco.encode(np.asfortranarray(bitmap)) for bitmap in bitmaps]


def assert_same_masks(probs, boxes, image_size, threshold=0.5):
    ours = encode_crops(probs, boxes, image_size, threshold)
    theirs = pasted_then_encoded(probs, boxes, image_size, threshold)
    assert [(mask["size"], mask["counts"].encode()) for mask in ours] == [
        (mask["size"], mask["counts"]) for mask in theirs
    ]


def smooth_probs(count, seed):
    """What a mask head answers: blobs with soft borders."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(count, 1, 6, 6, generator=generator) * 4
    logits = torch.nn.functional.interpolate(coarse, size=(28, 28), mode="bicubic")
    return torch.sigmoid(logits[:, 0])


@needs_goldens
def test_pasted_masks_are_the_official_ones():
    official = golden("mask_rcnn", "ops-paste")
    soft = paste(torch.tensor(official["mask_prob"]), torch.tensor(official["boxes"]), (97, 131))
    np.testing.assert_allclose(soft.numpy(), official["pasted"], rtol=0, atol=1e-6)
    np.testing.assert_array_equal(soft.numpy() > 0.5, official["pasted_binary"])


@needs_goldens
def test_encoded_masks_are_the_official_ones():
    official = golden("mask_rcnn", "ops-paste")
    ours = encode_crops(
        torch.tensor(official["mask_prob"]), torch.tensor(official["boxes"]), (97, 131)
    )
    theirs = [
        coco.encode(np.asfortranarray(mask.astype(np.uint8))) for mask in official["pasted_binary"]
    ]
    assert [mask["counts"].encode() for mask in ours] == [mask["counts"] for mask in theirs]


@st.composite
def scenes(draw):
    """Random masks in boxes inside, across and outside the borders, some on the threshold."""
    height, width = draw(st.integers(1, 500)), draw(st.integers(1, 500))
    seed, levels = draw(st.integers(0, 2**31)), draw(st.sampled_from([2, 4, 1000]))
    generator = torch.Generator().manual_seed(seed)
    probs = (torch.rand(4, 28, 28, generator=generator) * levels).round() / levels
    sides = torch.tensor([width, height])
    corners = (torch.rand(4, 2, generator=generator) * 1.6 - 0.3) * sides
    extents = torch.rand(4, 2, generator=generator) ** 2 * sides * 1.5
    return probs, torch.cat((corners, corners + extents), dim=1), (height, width)


@given(scenes(), st.sampled_from([0.5, 0.25, 0.0, 0.9]))
@settings(deadline=None, max_examples=150)
def test_encoding_crops_equals_pasting_then_encoding(scene, threshold):
    assert_same_masks(*scene, threshold)


@pytest.mark.parametrize("seed", range(3))
def test_large_crops_equal_pasting_then_encoding(seed):
    boxes = torch.tensor(
        [[-300.5, -200.25, 1900.0, 1400.0], [3.3, 5.7, 1500.9, 1100.2], [700.0, 400.0, 703.0, 1180]]
    )
    assert_same_masks(smooth_probs(3, seed), boxes, (1200, 1600))


@pytest.mark.parametrize("columns", [20, 90, 200])
def test_masks_on_the_threshold_are_decided_as_pasting_decides_them(columns):
    probs = torch.full((1, 28, 28), 0.5)
    probs[:, ::3, ::2] = 0.5 + 2**-24
    boxes = torch.tensor([[2.0, 3.0, 2.0 + columns, 38.0]])
    assert_same_masks(probs, boxes, (60, 260))


def test_a_pixel_at_the_threshold_is_background():
    assert encode_crops(torch.full((1, 28, 28), 0.5), torch.tensor([[0.0, 0, 28, 28]]), (28, 28))[
        0
    ] == {"size": [28, 28], "counts": "`h0"}


def test_a_box_outside_the_picture_gives_an_empty_mask():
    boxes = torch.tensor([[200.0, 0, 240, 30], [0, -90, 40, -50]])
    masks = encode_crops(torch.ones(2, 28, 28), boxes, (64, 64))
    assert [coco.area(mask) for mask in masks] == [0, 0]


def test_a_box_inside_out_is_one_pixel():
    probs, box = torch.ones(1, 28, 28), torch.tensor([[30.0, 30, 10, 10]])
    assert coco.area(encode_crops(probs, box, (64, 64))[0]) == 1
    assert_same_masks(probs, box, (64, 64))


def test_no_boxes_give_no_masks():
    assert encode_crops(torch.zeros(0, 28, 28), torch.zeros(0, 4), (64, 64)) == []
    assert paste(torch.zeros(0, 28, 28), torch.zeros(0, 4), (64, 48)).shape == (0, 64, 48)


_MEASURE = """
import resource, torch
from models.ops.masks import encode_crops
torch.set_num_threads(1)
def encode(count):
    torch.manual_seed(0)
    corners = torch.rand(count, 2) * torch.tensor([200.0, 150.0])
    boxes = torch.cat((corners, corners + torch.tensor([3700.0, 2800.0])), dim=1)
    return encode_crops(torch.rand(count, 28, 28), boxes, (3000, 4000))
encode(1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
encode(100)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
def test_a_hundred_masks_over_twelve_megapixels_need_little_memory():
    run = subprocess.run(  # noqa: S603 (our own text)
        [sys.executable, "-c", _MEASURE], check=True, capture_output=True, text=True
    )
    assert int(run.stdout) < 64 * 1024  # KiB; one bitmap of such a picture is 12 MB
