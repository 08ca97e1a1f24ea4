"""The decoder that draws one cell's mask with the help of the trunk's levels."""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.siammask.config import SiamMaskConfig
from models.siammask.trunk import LEVEL_STRIDES, STRIDE, level_sizes

_HIDDEN = 4  # times a level's channels in the decoder


class Refinement(nn.Module):
    """From the correlation at a cell to a mask as large as the template.

    The sides double, nearly, from step to step: a level as the trunk has it under a template.

    Args:
        level_channels: of the trunk at strides 2, 4 and 8.
        config: channels of the decoder, side of the template.

    Source: SiamMask: experiments/siammask_sharp/custom.py, Refine; differs: takes several cells of
        several samples.
    """

    def __init__(self, level_channels: Sequence[int], config: SiamMaskConfig) -> None:
        super().__init__()
        self._sizes = (*level_sizes(config.template_size)[::-1], config.template_size)
        channels = config.refine_channels
        for index, (wide, narrow) in enumerate(zip(level_channels, channels, strict=True)):
            hidden = narrow * _HIDDEN
            self.add_module(f"v{index}", _double_conv(wide, hidden, narrow))
            self.add_module(f"h{index}", _double_conv(narrow, narrow, narrow))
        side = self._sizes[0]
        self.deconv = nn.ConvTranspose2d(config.feature_channels, channels[2], side, stride=side)
        for index, (wide, narrow) in enumerate(pairwise((*channels[::-1], 1))):
            self.add_module(f"post{index}", nn.Conv2d(wide, narrow, 3, padding=1))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight, a=1)

    def forward(
        self, levels: Sequence[Tensor], correlation: Tensor, samples: Tensor, cells: Tensor
    ) -> Tensor:
        """Return the masks of some cells.

        Args:
            levels: [b, c, h, w] floating, of the search at strides 2, 4 and 8.
            correlation: [b, c, g, g] of the same dtype.
            samples: [n] int64, in [0, b), on the CPU, as windows are cut out one by one.
            cells: [n, 2] int64, (row, column) in [0, g), on the CPU.

        Returns:
            [n, m, m] of the same dtype, logits; m is the template's side.
        """
        grid = correlation.shape[2]
        rows, columns = cells.unbind(1)
        hidden = self.deconv(correlation[samples, :, rows, columns][:, :, None, None])
        for step in range(3):
            index = 2 - step
            size, next_size = self._sizes[step], self._sizes[step + 1]
            windows = _windows(levels[index], LEVEL_STRIDES[index], (size, grid), samples, cells)
            hidden = self.get_submodule(f"h{index}")(hidden)
            hidden = hidden + self.get_submodule(f"v{index}")(windows)
            hidden = F.interpolate(hidden, (next_size, next_size), mode="nearest")
            hidden = self.get_submodule(f"post{step}")(hidden)
        return hidden[:, 0]


def _windows(
    level: Tensor, stride: int, sizes: tuple[int, int], samples: Tensor, cells: Tensor
) -> Tensor:
    """What the trunk has under each cell's template, [n, c, size, size].

    Args:
        level: [b, c, h, w]; of a large search its border cells reach beyond it: zeros.
        stride: of the level.
        sizes: of a window, and of the grid of cells.
        samples: [n].
        cells: [n, 2].
    """
    size, grid = sizes
    step = STRIDE // stride
    margin = (size + step * (grid - 1) - level.shape[2]) // 2
    places = zip(samples.tolist(), (cells * step - margin).tolist(), strict=True)
    return torch.cat([_cut(level[sample, None], place, size) for sample, place in places])


def _cut(features: Tensor, place: Sequence[int], size: int) -> Tensor:
    """A square from (row, column) on, zeros beyond the map: [1, c, size, size]."""
    (top, above), (left, before) = ((max(start, 0), max(-start, 0)) for start in place)
    seen = features[:, :, top : top + size - above, left : left + size - before]
    below, after = size - above - seen.shape[2], size - before - seen.shape[3]
    return F.pad(seen, (before, after, above, below))


def _double_conv(in_channels: int, hidden: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, hidden, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(hidden, out_channels, 3, padding=1),
        nn.ReLU(inplace=True),
    )
