import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.layers.conv import Conv3x3, conv_relu


def channels_last(*shape: int) -> Tensor:
    return torch.randn(shape).contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("has_shortcut", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_fused_convolutions_say_the_same_as_training_does(
    stride: int, dtype: torch.dtype, *, has_shortcut: bool
) -> None:
    conv = nn.Conv2d(8, 16, 3, stride, padding=1).to(dtype)
    features = channels_last(2, 8, 10, 12).to(dtype)
    shortcut = channels_last(2, 16, 10 // stride, 12 // stride).to(dtype) if has_shortcut else None
    expected = conv_relu(conv, nn.Identity(), features, shortcut)
    again = None if shortcut is None else shortcut.clone()
    with torch.inference_mode():
        fused = conv_relu(conv, nn.Identity(), features, again)
    tolerance = 1e-5 if dtype == torch.float32 else 0.1
    torch.testing.assert_close(fused, expected.detach(), rtol=0, atol=tolerance)
    assert (fused >= 0).all()
    assert (fused == 0).any()


def test_a_shortcut_is_left_alone_while_gradients_are_wanted() -> None:
    conv, shortcut = nn.Conv2d(4, 4, 1), torch.randn(1, 4, 5, 5)
    kept = shortcut.clone()
    conv_relu(conv, nn.BatchNorm2d(4), torch.randn(1, 4, 5, 5), shortcut)
    assert torch.equal(shortcut, kept)


@pytest.mark.parametrize("shape", [(1, 256, 50, 50), (2, 256, 50, 50), (2, 256, 10, 10)])
def test_inference_convolves_as_training_does(shape: tuple[int, ...]) -> None:
    conv, features = Conv3x3(256, 256), channels_last(*shape)
    expected = F.conv2d(features, conv.weight, conv.bias, padding=1)
    assert torch.equal(conv(features), expected)
    with torch.inference_mode():
        torch.testing.assert_close(conv(features), expected.detach(), rtol=0, atol=5e-5)


def test_how_a_picture_is_convolved_does_not_depend_on_companions() -> None:
    conv, features = Conv3x3(256, 256), channels_last(3, 256, 30, 30)
    with torch.inference_mode():
        alone = torch.cat([conv(features[i : i + 1]) for i in range(3)])
        torch.testing.assert_close(conv(features), alone, rtol=0, atol=1e-6)
