"""From what the network says of a search window to where the target is.

All of it is computed in float64 on the CPU: the next window is rounded from it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.siammask.anchors import search_anchors, window
from models.siammask.config import SiamMaskConfig
from models.siammask.model import SearchOutputs
from models.siammask.preprocess import Box, Pair, SearchWindow, around

# A side grows by e**20 in one step at most: nothing overflows, whatever the network says.
_MAX_LOG_SCALE = 20.0


@dataclass(frozen=True)
class Sighting:
    """Where a target is found.

    Attributes:
        position, size: of the target, pixels of the frame, not yet kept within it.
        score: of the target's class, in [0, 1].
        cell: (row, column) whose mask is the target's.
        window: in which it was found.
    """

    position: Pair
    size: Pair
    score: float
    cell: tuple[int, int]
    window: SearchWindow

    @property
    def box_xyxy(self) -> Box:
        """Pixels of the frame; it may reach beyond it."""
        return around(self.position, self.size)


@dataclass(frozen=True)
class Judgement:
    """What speaks for each anchor of a search window.

    Attributes:
        boxes: [n, 4, k] float64: x and y from the window's middle, width, height, pixels of the
            search; anchor by anchor, row by row.
        scores: [n, k] float64, in [0, 1], of the target's class.
        penalties: [n, k] float64, in [0, 1], less the more size and shape change.
        ranks: [n, k] float64, the highest is taken.
    """

    boxes: Tensor
    scores: Tensor
    penalties: Tensor
    ranks: Tensor


def judge(
    class_logits: Tensor, box_deltas: Tensor, sizes: Tensor, config: SiamMaskConfig
) -> Judgement:
    """Weigh every anchor against the target's size, shape and place on the frame before.

    Args:
        class_logits: [n, 2, a, g, g] floating.
        box_deltas: [n, 4, a, g, g] floating.
        sizes: [n, 2] float64, (width, height) of the targets, pixels of the search.
        config: of the network.

    Source: Li et al. 2018, section 4.3; SiamMask: tools/test.py, siamese_track; differs: none.
    """
    anchors = search_anchors(config)
    shifts, log_scales = box_deltas.float().cpu().chunk(2, dim=1)
    centres = shifts * anchors[2:] + anchors[:2]
    sides = log_scales.clamp(max=_MAX_LOG_SCALE).exp() * anchors[2:]
    boxes = torch.cat([centres, sides], dim=1).flatten(2).double()
    scores = class_logits.float().cpu().flatten(2).softmax(1)[:, 1].double()
    widths, heights = boxes[:, 2], boxes[:, 3]
    target_widths, target_heights = sizes[:, :1], sizes[:, 1:]
    size_change = _change(_extent(widths, heights) / _extent(target_widths, target_heights))
    shape_change = _change((target_widths / target_heights) / (widths / heights))
    penalties = (-config.penalty_k * (size_change * shape_change - 1)).exp()
    nearness = window(config).repeat(len(config.anchor_ratios), 1).flatten()
    influence = config.window_influence
    ranks = penalties * scores * (1 - influence) + nearness * influence
    return Judgement(boxes, scores, penalties, ranks)


def find(
    outputs: SearchOutputs,
    sizes: Sequence[Pair],
    windows: Sequence[SearchWindow],
    config: SiamMaskConfig,
) -> list[Sighting]:
    """Return where each target is: its best anchor, towards whose size its own goes.

    Args:
        outputs: of the network, one row a target.
        sizes: on the frame before.
        windows: in which the targets were looked for.
        config: of the network.

    Source: SiamMask: tools/test.py, siamese_track; differs: none.
    """
    scales = torch.tensor([[window.scale] for window in windows], dtype=torch.float64)
    known = torch.tensor(sizes, dtype=torch.float64)
    judgement = judge(outputs.class_logits, outputs.box_deltas, known * scales, config)
    best = judgement.ranks.argmax(1)
    rows = torch.arange(len(best))
    scores = judgement.scores[rows, best]
    rates = (judgement.penalties[rows, best] * scores * config.lr)[:, None]
    shifts, sides = (judgement.boxes[rows, :, best] / scales).chunk(2, dim=1)
    new_sizes = known * (1 - rates) + sides * rates
    grid = outputs.class_logits.shape[-1]
    return [
        Sighting(
            (window.centre[0] + x, window.centre[1] + y),
            (width, height),
            score,
            divmod(index % grid**2, grid),
            window,
        )
        for window, (x, y), (width, height), score, index in zip(
            windows,
            shifts.tolist(),
            new_sizes.tolist(),
            scores.tolist(),
            best.tolist(),
            strict=True,
        )
    ]


def keep_within(
    sighting: Sighting, frame_size: tuple[int, int], config: SiamMaskConfig
) -> tuple[Pair, Pair]:
    """Return position and size from which the target is looked for next.

    Args:
        sighting: of the target.
        frame_size: (height, width), pixels.
        config: of the network.

    Source: SiamMask: tools/test.py, siamese_track; differs: none. A target may stand on the border
        past the last pixel.
    """
    height, width = frame_size
    (x, y), (own_width, own_height) = sighting.position, sighting.size
    return (
        (max(0.0, min(width, x)), max(0.0, min(height, y))),
        (
            max(config.min_side, min(width, own_width)),
            max(config.min_side, min(height, own_height)),
        ),
    )


def _extent(widths: Tensor, heights: Tensor) -> Tensor:
    """Side of the square as large as a box with its context."""
    context = (widths + heights) * 0.5
    return ((widths + context) * (heights + context)).sqrt()


def _change(ratios: Tensor) -> Tensor:
    """How often the larger of two contains the smaller."""
    return torch.maximum(ratios, 1 / ratios)
