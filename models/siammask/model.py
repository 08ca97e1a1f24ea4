"""SiamMask (Wang et al. 2019): crops to kernels, scores, boxes and masks.

One row of a batch is one target; nothing here remembers it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.layers.norm import build_norm
from models.siammask.branches import CorrelationBranch, MaskModel, Rpn
from models.siammask.config import SiamMaskConfig
from models.siammask.refinement import Refinement
from models.siammask.trunk import Encoder, Features

BRANCHES = 3  # class scores, boxes and masks


@dataclass(frozen=True)
class SearchOutputs:
    """What the network says of every cell of a search window.

    Attributes:
        class_logits: [b, 2, a, g, g] floating, background and target.
        box_deltas: [b, 4, a, g, g] floating, (dx, dy, dw, dh) of each anchor.
        correlation: [b, c, g, g] floating, what masks are drawn from.
        features: of the search.
    """

    class_logits: Tensor
    box_deltas: Tensor
    correlation: Tensor
    features: Features


class SiamMask(nn.Module):
    """The whole network; its parts are what sessions and training call one by one.

    Args:
        config: every number.

    Source: SiamMask: models/siammask_sharp.py, models/siammask.py; differs: the template is given,
        not kept.
    """

    def __init__(self, config: SiamMaskConfig) -> None:
        super().__init__()
        self.config = config
        norm = build_norm("batch", config.norm_eps)
        channels = config.feature_channels
        self.features = Encoder(config)
        self.rpn_model = Rpn(channels, len(config.anchor_ratios), norm)
        self.mask_model = MaskModel(channels, config.coarse_mask_size, norm)
        if config.has_refinement:
            self.refine_model = Refinement(self.features.level_channels, config)

    def template_kernels(self, templates: Tensor) -> Tensor:
        """Return what a target looks like, as the three branches search for it.

        Args:
            templates: [b, 3, m, m] floating, BGR in 0 to 255.

        Returns:
            [b, 3, c, k, k] of the same dtype: kernels of class scores, boxes and masks.
        """
        template = self.features(templates).embedding
        return torch.stack([branch.kernel(template) for branch in self._branches], dim=1)

    def search(self, searches: Tensor, kernels: Tensor) -> SearchOutputs:
        """Look for each target in its search window.

        Args:
            searches: [b, 3, s, s] floating, BGR in 0 to 255.
            kernels: [b, 3, c, k, k] of the same dtype.
        """
        features = self.features(searches)
        classes, boxes, masks = (
            branch.correlate(features.embedding, own)
            for branch, own in zip(self._branches, kernels.unbind(1), strict=True)
        )
        return SearchOutputs(
            _by_anchor(self.rpn_model.cls.read(classes), 2),
            _by_anchor(self.rpn_model.loc.read(boxes), 4),
            masks,
            features,
        )

    def mask_logits(self, outputs: SearchOutputs, samples: Tensor, cells: Tensor) -> Tensor:
        """Draw the masks of some cells.

        Args:
            outputs: of the searches.
            samples: [n] int64, in [0, b), on the CPU.
            cells: [n, 2] int64, (row, column) in [0, g), on the CPU.

        Returns:
            [n, m, m] of the outputs' dtype, over the cell's template-sized window.
        """
        if self.config.has_refinement:
            return self.refine_model(outputs.features.levels, outputs.correlation, samples, cells)
        rows, columns = cells.unbind(1)
        chosen = outputs.correlation[samples, :, rows, columns][:, :, None, None]
        side = self.config.coarse_mask_size
        return self.mask_model.mask.read(chosen).view(-1, side, side)

    @property
    def _branches(self) -> tuple[CorrelationBranch, ...]:
        return self.rpn_model.cls, self.rpn_model.loc, self.mask_model.mask


def _by_anchor(read: Tensor, values: int) -> Tensor:
    """[b, values * a, g, g], value by value, as [b, values, a, g, g]."""
    return read.view(len(read), values, -1, *read.shape[2:])
