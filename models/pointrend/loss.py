"""Losses of PointRend: cross entropy of the coarse logits everywhere, and of the points' logits.

Training asks at random points, more of them where the coarse logits are uncertain, not on a grid.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from models.ops.point_sample import point_sample, point_sample_nearest, uncertainty
from models.pointrend.config import PointRendConfig
from models.pointrend.model import CoarseOutputs, PointRend
from models.pointrend.point_head import PointHead

IGNORED = 255  # the label of pixels that nobody labelled

Draw = Callable[[int, int, int], Tensor]


def losses(model: PointRend, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Return the two losses of a batch.

    Args:
        model: in training mode, with a point head.
        images: [b, 3, h, w] floating, normalised and padded.
        labels: [b, h, w] int64, channels of the logits, or `IGNORED`.

    Returns:
        Name -> [] float32; their plain sum is trained on.
    """
    if model.point_head is None:
        raise TypeError("a network without a point head has nothing to train at points")
    config, outputs = model.config, model(images)
    points = choose_points(outputs.coarse_logits, config)
    return {
        "coarse": coarse_loss(outputs.coarse_logits, labels, config),
        "points": point_loss(model.point_head, outputs, labels, points, config),
    }


@torch.no_grad()
def choose_points(
    coarse_logits: Tensor, config: PointRendConfig, draw: Draw = torch.rand
) -> Tensor:
    """Choose where the point head is trained.

    Of many random candidates the least certain are kept; the rest is random without choice.

    Args:
        coarse_logits: [b, k, h, w] float32.
        config: how many points.
        draw: gives [b, p, 2] uniform numbers in [0, 1); candidates are drawn first.

    Returns:
        [b, p, 2] float32, (x, y) in units of the map.

    Source: Kirillov et al. 2020, section 3.1; detectron2: point_rend/point_features.py,
        get_uncertain_point_coords_with_randomness; differs: none. zsef123/PointRend-PyTorch sorts
        the classes before it samples.
    """
    images, device = len(coarse_logits), coarse_logits.device
    chosen = int(config.train_importance_ratio * config.train_num_points)
    candidates = draw(images, config.train_oversample_ratio * config.train_num_points, 2)
    candidates = candidates.to(device)
    sampled = point_sample(coarse_logits, candidates).transpose(1, 2)
    best = uncertainty(sampled).topk(chosen, dim=1).indices
    uncertain = candidates.gather(1, best[:, :, None].expand(-1, -1, 2))
    rest = draw(images, config.train_num_points - chosen, 2).to(device)
    return torch.cat((uncertain, rest), dim=1)


def coarse_loss(coarse_logits: Tensor, labels: Tensor, config: PointRendConfig) -> Tensor:
    """Compare the coarse logits, enlarged, with every pixel's label.

    Args:
        coarse_logits: [b, k, h, w] float32.
        labels: [b, h', w'] int64, channels of the logits, or `IGNORED`.
        config: how logits are enlarged and what the mean runs over.

    Returns:
        [] float32.
    """
    enlarged = F.interpolate(
        coarse_logits,
        labels.shape[1:],
        mode="bilinear",
        align_corners=config.subdivision_aligns_corners,
    )
    return _cross_entropy(enlarged, labels, config)


def point_loss(
    point_head: PointHead,
    outputs: CoarseOutputs,
    labels: Tensor,
    points: Tensor,
    config: PointRendConfig,
) -> Tensor:
    """Compare the point head's logits with the labels at points.

    Gradients reach the fine features and, through the sampled logits, the coarse head.

    Args:
        point_head: classifies points.
        outputs: of the network.
        labels: [b, h, w] int64, channels of the logits, or `IGNORED`.
        points: [b, p, 2] float32, (x, y) in units of the map.
        config: what the mean runs over.

    Returns:
        [] float32.
    """
    coarse = point_sample(outputs.coarse_logits, points)
    fine = point_sample(outputs.fine_features, points)
    logits = point_head(fine, coarse.to(fine.dtype)).float().transpose(1, 2)
    return _cross_entropy(logits, point_sample_nearest(labels, points), config)


def _cross_entropy(logits: Tensor, labels: Tensor, config: PointRendConfig) -> Tensor:
    """Mean over labelled pixels or over all; 0 with a gradient where none is labelled."""
    total = F.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum")
    if config.train_counts_ignored:
        return total / labels.numel()
    return total / (labels != IGNORED).sum().clamp(min=1)
