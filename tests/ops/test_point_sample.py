import numpy as np
import pytest
import torch
from torch.nn import functional as F

from models.ops.point_sample import (
    grid_coords,
    point_sample,
    point_sample_nearest,
    select_uncertain,
    uncertainty,
)
from tests.goldens import golden, needs_goldens


def tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array)


@needs_goldens
def test_sampling_agrees_with_the_official_numbers():
    official = golden("pointrend", "ops_point_sample")
    features = tensor(official["map"])
    at_points = point_sample(features, tensor(official["points"]))
    torch.testing.assert_close(at_points.transpose(1, 2), tensor(official["bilinear"]))
    on_grid = point_sample(features, tensor(official["points_grid"]))
    torch.testing.assert_close(on_grid.permute(0, 3, 1, 2), tensor(official["bilinear_grid"]))


@needs_goldens
@pytest.mark.parametrize("mistake", ["wrong_align_corners_true", "wrong_border_padding"])
def test_sampling_is_none_of_the_usual_mistakes(mistake):
    official = golden("pointrend", "ops_point_sample")
    at_points = point_sample(tensor(official["map"]), tensor(official["points"]))
    assert (at_points.transpose(1, 2) - tensor(official[mistake])).abs().max() > 0.01


@needs_goldens
def test_nearest_sampling_rounds_halves_to_even_and_is_zero_outside():
    official = golden("pointrend", "ops_point_sample")
    labels = tensor(official["nearest_half_map"])[:, 0]
    at_points = point_sample_nearest(labels, tensor(official["nearest_half_points"]))
    assert torch.equal(at_points, tensor(official["nearest_half"])[:, 0])
    first_channel = point_sample_nearest(tensor(official["map"])[:, 0], tensor(official["points"]))
    assert torch.equal(first_channel, tensor(official["nearest"])[:, 0])


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_sampling_equals_grid_sample_far_outside_too(memory_format):
    features = torch.randn(2, 5, 6, 9).contiguous(memory_format=memory_format)
    point_coords = torch.rand(2, 400, 2) * 2 - 0.5
    expected = F.grid_sample(features, 2 * point_coords[:, None] - 1, align_corners=False)
    sampled = point_sample(features, point_coords)
    torch.testing.assert_close(sampled, expected[:, :, 0].transpose(1, 2))


def test_gradient_of_sampling_equals_that_of_grid_sample():
    point_coords = torch.rand(2, 50, 2)
    cotangent = torch.randn(2, 50, 4)
    ours = torch.randn(2, 4, 5, 7, requires_grad=True)
    theirs = ours.detach().clone().requires_grad_()
    point_sample(ours, point_coords).mul(cotangent).sum().backward()
    official = F.grid_sample(theirs, 2 * point_coords[:, None] - 1, align_corners=False)
    official[:, :, 0].transpose(1, 2).mul(cotangent).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_half_precision_features_are_sampled_at_float32_positions():
    features = torch.arange(4096.0).reshape(1, 1, 1, 4096)
    point_coords = grid_coords(torch.tensor([[4001]]), (1, 4096))
    sampled = point_sample(features.bfloat16(), point_coords)
    assert sampled.dtype == torch.bfloat16
    assert sampled.item() == features[0, 0, 0, 4001].bfloat16().item()


@needs_goldens
@pytest.mark.parametrize("prefix", ["", "tie_"])
def test_selection_holds_every_cell_above_the_official_threshold(prefix):
    official = golden("pointrend", "ops_selection")
    measured = uncertainty(tensor(official[f"{prefix}logits"]))
    assert torch.equal(measured, tensor(official[f"{prefix}uncertainty"]))
    chosen = select_uncertain(measured, official.meta["N"])
    for image, cells in enumerate(chosen):
        above = set(np.flatnonzero(official[f"{prefix}above"][image]))
        ties = np.flatnonzero(official[f"{prefix}at_threshold"][image])
        lowest = ties[: official.meta["N"] - len(above)]
        assert set(cells.tolist()) == above | set(lowest.tolist())


@needs_goldens
def test_coordinates_of_chosen_cells_agree_with_the_official_numbers():
    official = golden("pointrend", "ops_selection")
    chosen = select_uncertain(tensor(official["uncertainty"]), official.meta["N"])
    assert torch.equal(chosen, tensor(official["indices_sorted"]).long())
    coords = grid_coords(chosen, official["uncertainty"].shape[1:])
    assert torch.equal(coords, tensor(official["coords_of_sorted"]))


@needs_goldens
def test_a_grid_smaller_than_the_number_of_points_is_taken_whole():
    official = golden("pointrend", "ops_selection")
    measured = uncertainty(tensor(official["all_logits"]))
    chosen = select_uncertain(measured, official.meta["N"])
    assert torch.equal(chosen, tensor(official["all_indices_sorted"]).long())
    coords = grid_coords(chosen, measured.shape[1:])
    assert torch.equal(coords, tensor(official["all_coords_of_sorted"]))


def test_equal_certainty_everywhere_takes_the_lowest_indices():
    chosen = select_uncertain(torch.zeros(3, 8, 8), 10)
    assert torch.equal(chosen, torch.arange(10).expand(3, -1))


def test_uncertainty_of_two_equal_best_classes_is_zero():
    logits = torch.tensor([[3.0, 5.0, 5.0, -1.0]]).reshape(1, 4, 1, 1)
    assert uncertainty(logits).item() == 0
