import pytest
import torch
import torch.nn.functional as F

from models.ops.correlation import correlate_depthwise
from tests.goldens import golden, needs_goldens


@needs_goldens
def test_correlation_agrees_with_the_official_one():
    official = golden("siammask", "ops")
    search, kernels = (torch.from_numpy(official[f"xcorr_{name}"]) for name in "xk")
    ours = correlate_depthwise(search, kernels)
    torch.testing.assert_close(ours, torch.from_numpy(official["xcorr_out"]), atol=1e-6, rtol=0)


def test_each_sample_meets_its_own_kernel_and_nothing_is_flipped():
    search, kernels = torch.randn(3, 4, 9, 8), torch.randn(3, 4, 3, 2)
    ours = correlate_depthwise(search, kernels)
    assert ours.shape == (3, 4, 7, 7)
    for sample in range(3):
        for channel in range(4):
            alone = F.conv2d(
                search[sample, channel][None, None], kernels[sample, channel][None, None]
            )
            torch.testing.assert_close(ours[sample, channel], alone[0, 0])


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_the_order_in_memory_does_not_matter(memory_format):
    search, kernels = torch.randn(2, 6, 9, 9), torch.randn(2, 6, 5, 5)
    expected = correlate_depthwise(search, kernels)
    stored = search.contiguous(memory_format=memory_format)
    torch.testing.assert_close(correlate_depthwise(stored, kernels), expected)
