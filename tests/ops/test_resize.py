import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from models.ops.resize import fit_size, resize_bilinear, resize_nearest
from tests.goldens import golden, needs_goldens


@needs_goldens
def test_sizes_are_the_official_ones_on_the_whole_table() -> None:
    table = golden("mask_rcnn", "ops-transform")["geometry"]
    ours = [fit_size((h, w), low, high) for h, w, low, high in table[:, :4].tolist()]
    assert np.array_equal(ours, table[:, 4:6])


@needs_goldens
def test_rounded_sizes_would_show_in_the_table() -> None:
    table = golden("mask_rcnn", "ops-transform")["geometry"].astype(np.float64)
    scales = np.minimum(
        table[:, 2] / table[:, :2].min(axis=1), table[:, 3] / table[:, :2].max(axis=1)
    )
    rounded = np.rint(table[:, :2] * scales[:, None])
    assert (rounded != table[:, 4:6]).any(axis=1).sum() > 100


@pytest.mark.parametrize(
    ("image_size", "fitted"),
    [((1939, 1459), (1063, 799)), ((240, 320), (800, 1066)), ((1, 4000), (1, 1333))],
)
def test_sides_are_cut_down_and_never_vanish(
    image_size: tuple[int, int], fitted: tuple[int, int]
) -> None:
    assert fit_size(image_size, 800, 1333) == fitted


_side = st.integers(1, 40)


@given(st.tuples(_side, _side), st.tuples(_side, _side))
def test_bilinear_resizing_equals_the_interpolation_of_floats(
    old_size: tuple[int, int], new_size: tuple[int, int]
) -> None:
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (*old_size, 3), dtype=torch.uint8, generator=generator)
    planes = image.permute(2, 0, 1)[None].float()
    expected = F.interpolate(planes, new_size, mode="bilinear", align_corners=False)
    ours = resize_bilinear(image, new_size)
    torch.testing.assert_close(ours, expected[0].permute(1, 2, 0), rtol=1e-5, atol=2e-3)


@pytest.mark.parametrize("new_size", [(350, 430), (900, 1100)])
def test_bilinear_resizing_in_bands_equals_that_in_one(new_size: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (700, 800, 3), dtype=torch.uint8, generator=generator)
    planes = image.permute(2, 0, 1)[None].float()
    expected = F.interpolate(planes, new_size, mode="bilinear", align_corners=False)
    ours = resize_bilinear(image, new_size)
    torch.testing.assert_close(ours, expected[0].permute(1, 2, 0), rtol=1e-5, atol=2e-2)


@needs_goldens
def test_masks_are_resized_as_officially() -> None:
    official = golden("mask_rcnn", "ops-transform")
    ours = resize_nearest(torch.from_numpy(official["target_masks"]), (64, 91))
    assert np.array_equal(ours.numpy(), official["target_masks_resized"])
