import numpy as np
import pytest
import torch

from models.ops.roi_align import crop_masks, roi_align
from tests.goldens import golden, needs_goldens


def official(name: str) -> torch.Tensor:
    return torch.from_numpy(golden("mask_rcnn", "ops-roialign")[name])


@needs_goldens
@pytest.mark.parametrize(("name", "size"), [("pool7_sr2", 7), ("pool14_sr2", 14)])
def test_awkward_boxes_are_pooled_as_officially(name: str, size: int) -> None:
    rois = official("rois")
    pooled = roi_align(official("features"), rois[:, 1:], rois[:, 0].long(), 0.25, size)
    ours = golden("mask_rcnn", "ops-roialign").sliced(name, pooled.numpy())
    np.testing.assert_allclose(ours, official(name).numpy(), rtol=1e-5, atol=2e-6)


@needs_goldens
def test_the_half_pixel_shift_of_aligned_pooling_would_show() -> None:
    rois = official("rois")
    pooled = roi_align(official("features"), rois[:, 1:], rois[:, 0].long(), 0.25, 7)
    assert (pooled - official("contrast_pool7_sr2_aligned")).abs().max() > 0.1


@needs_goldens
def test_adaptive_sampling_agrees_with_the_official_one() -> None:
    rois = official("rois")
    for channel in range(6):
        cropped = crop_masks(
            official("features")[:, channel], rois[:, 1:] * 0.25, rois[:, 0].long(), 7
        )
        expected = official("pool7_adaptive")[:, channel]
        np.testing.assert_allclose(cropped.numpy(), expected.numpy(), rtol=1e-5, atol=2e-6)


def ramp(height: int, width: int) -> torch.Tensor:
    """Two channels: x and y of every cell."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([x, y]).float()[None]


def test_on_a_ramp_a_bin_has_the_value_at_its_centre() -> None:
    pooled = roi_align(
        ramp(20, 30), torch.tensor([[4.0, 2.0, 18.0, 16.0]]), torch.tensor([0]), 1, 7
    )
    centres = torch.arange(7) * 2 + 1.0
    torch.testing.assert_close(pooled[0, 0], (4 + centres).expand(7, 7))
    torch.testing.assert_close(pooled[0, 1], (2 + centres)[:, None].expand(7, 7))


def test_samples_beyond_the_map_count_as_zeros_in_the_mean() -> None:
    ones = torch.ones(1, 1, 8, 8)
    pooled = roi_align(ones, torch.tensor([[4.0, 0.0, 20.0, 7.0]]), torch.tensor([0]), 1, 4)
    # Samples at x = 5, 7, 9, 11, ...: 7 is clamped inside, 9 lies more than a cell outside.
    assert pooled[0, 0, 0].tolist() == [1.0, 0.0, 0.0, 0.0]


def test_no_boxes_give_no_features() -> None:
    none = torch.zeros(0, 4)
    index = torch.zeros(0, dtype=torch.int64)
    assert roi_align(torch.ones(1, 5, 8, 8), none, index, 1, 7).shape == (0, 5, 7, 7)
    assert crop_masks(torch.ones(1, 8, 8), none, index, 28).shape == (0, 28, 28)


def test_half_precision_features_give_half_precision_bins() -> None:
    features = torch.rand(1, 8, 16, 16, generator=torch.Generator().manual_seed(0))
    boxes_xyxy, index = torch.tensor([[1.0, 2.0, 13.0, 15.0]]), torch.tensor([0])
    half = roi_align(features.bfloat16(), boxes_xyxy, index, 1, 7)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(
        half.float(), roi_align(features, boxes_xyxy, index, 1, 7), rtol=0, atol=1e-2
    )


def test_gradients_reach_the_features() -> None:
    features = ramp(16, 16).double().requires_grad_()
    boxes_xyxy = torch.tensor([[1.0, 2.0, 13.0, 15.0], [0.0, 0.0, 30.0, 30.0]]).double()
    index = torch.tensor([0, 0])
    assert torch.autograd.gradcheck(lambda f: roi_align(f, boxes_xyxy, index, 1, 2), (features,))


def test_many_masks_are_cut_like_each_by_itself() -> None:
    generator = torch.Generator().manual_seed(0)
    masks = (torch.rand(3, 40, 50, generator=generator) > 0.5).byte()
    corners = torch.rand(70, 2, generator=generator) * 20
    boxes_xyxy = torch.cat([corners, corners + 15], dim=1)
    index = torch.arange(70) % 3
    together = crop_masks(masks, boxes_xyxy, index, 28)
    alone = [crop_masks(masks, boxes_xyxy[i : i + 1], index[i : i + 1], 28) for i in range(70)]
    torch.testing.assert_close(together, torch.cat(alone))
