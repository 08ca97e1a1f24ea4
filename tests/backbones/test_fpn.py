"""The feature pyramid gives what is asked of it."""

import torch

from models.backbones.fpn import FeaturePyramid

CHANNELS = (4, 8, 12, 16)


def features() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {
        f"c{level}": torch.randn(1, channels, 64 >> level, 96 >> level)
        for level, channels in enumerate(CHANNELS, start=2)
    }


def test_a_pyramid_of_one_level_gives_that_level_of_the_whole_and_holds_nothing_else():
    whole, part = FeaturePyramid(CHANNELS, 6, None), FeaturePyramid(CHANNELS, 6, None, ("p2",))
    wanted = part.state_dict()
    assert {name for name in wanted if name.startswith("layer")} == {
        "layer_blocks.0.0.weight",
        "layer_blocks.0.0.bias",
    }
    part.load_state_dict({name: whole.state_dict()[name] for name in wanted})
    found = part(features())
    assert list(found) == ["p2"]
    assert torch.equal(found["p2"], whole(features())["p2"])
