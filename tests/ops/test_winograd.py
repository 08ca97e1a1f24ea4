import pytest
import torch
import torch.nn.functional as F

from models.ops.winograd import conv3x3


@pytest.mark.parametrize(
    "shape", [(1, 5, 8, 12), (2, 3, 7, 9), (3, 4, 1, 1), (1, 2, 150, 31), (40, 2, 14, 14)]
)
@pytest.mark.parametrize("has_bias", [True, False])
def test_it_equals_the_direct_convolution(
    shape: tuple[int, int, int, int], *, has_bias: bool
) -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(shape, generator=generator)
    weight = torch.randn(6, shape[1], 3, 3, generator=generator)
    bias = torch.randn(6, generator=generator) if has_bias else None
    ours = conv3x3(features.contiguous(memory_format=torch.channels_last), weight, bias)
    assert ours.is_contiguous(memory_format=torch.channels_last)
    expected = F.conv2d(features.double(), weight.double(), _double(bias), padding=1)
    torch.testing.assert_close(ours.double(), expected, rtol=0, atol=2e-4)


def _double(tensor: torch.Tensor | None) -> torch.Tensor | None:
    return None if tensor is None else tensor.double()


def test_rounding_errors_stay_near_those_of_the_direct_sum() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(1, 256, 24, 24, generator=generator)
    weight = torch.randn(256, 256, 3, 3, generator=generator) / (9 * 256) ** 0.5
    exact = F.conv2d(features.double(), weight.double(), padding=1)
    error = (conv3x3(features, weight, None) - exact).abs().max() / exact.std()
    assert error < 5e-5
