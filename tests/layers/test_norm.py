import pytest
import torch
from torch import nn

from models.layers.norm import FrozenBatchNorm2d, build_norm, fold_batch_norms


def randomise(module: nn.Module) -> None:
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            tensor.uniform_(0.5, 1.5) if "var" in name else tensor.normal_()


@pytest.mark.parametrize("kind", ["batch", "frozen"])
@pytest.mark.parametrize("has_bias", [True, False])
def test_folding_changes_no_answer(kind: str, *, has_bias: bool) -> None:
    norm = build_norm(kind, 1e-5)
    network = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 8, 3, bias=has_bias), norm(8), nn.ReLU()),
        nn.Conv2d(8, 4, 1, bias=has_bias),
        norm(4),
    ).eval()
    randomise(network)
    images = torch.rand(2, 3, 9, 9)
    expected = network(images)
    fold_batch_norms(network)
    assert not any(isinstance(m, nn.BatchNorm2d | FrozenBatchNorm2d) for m in network.modules())
    torch.testing.assert_close(network(images), expected, rtol=1e-5, atol=1e-5)


def test_a_norm_without_a_convolution_before_it_cannot_be_folded() -> None:
    with pytest.raises(TypeError, match="no convolution before"):
        fold_batch_norms(nn.Sequential(nn.ReLU(), nn.BatchNorm2d(3)))


def test_a_frozen_norm_equals_an_ordinary_one_with_the_same_statistics() -> None:
    ordinary, frozen = nn.BatchNorm2d(6, eps=1e-3).eval(), FrozenBatchNorm2d(6, eps=1e-3)
    randomise(ordinary)
    frozen.load_state_dict(ordinary.state_dict(), strict=False)
    features = torch.randn(2, 6, 5, 5)
    torch.testing.assert_close(frozen(features), ordinary(features))


def test_a_frozen_norm_has_nothing_to_train() -> None:
    assert not list(FrozenBatchNorm2d(6, eps=0.0).parameters())
