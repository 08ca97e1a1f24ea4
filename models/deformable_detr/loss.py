"""Losses of Deformable DETR: every decoder layer, and the proposals, against the whole truth.

Sources: Carion et al. 2020, section 3.1; Zhu et al. 2021, section A.4; Deformable-DETR
`models/deformable_detr.py`: SetCriterion; differs: the sums over layers are returned.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from models.deformable_detr.config import DeformableDetrConfig
from models.deformable_detr.matcher import Objects, assign, match_costs
from models.deformable_detr.model import DeformableDetr, RawOutputs
from models.ops.boxes import cxcywh_to_xyxy, giou

__all__ = ["Objects", "SetLosses", "losses", "match", "outputs_losses", "set_losses"]


@dataclass(frozen=True)
class SetLosses:
    """Losses of i sets of predictions, before their weights.

    Attributes:
        classes: [i] float32, focal, of all queries and classes.
        l1: [i] float32, of the matched boxes.
        giou: [i] float32, of the matched boxes.
    """

    classes: Tensor
    l1: Tensor
    giou: Tensor

    def weighted(self, config: DeformableDetrConfig) -> dict[str, Tensor]:
        """Return name -> [] float32: summed over the sets, with their weights."""
        return {
            "classes": config.class_weight * self.classes.sum(),
            "l1": config.l1_weight * self.l1.sum(),
            "giou": config.giou_weight * self.giou.sum(),
        }


def losses(
    model: DeformableDetr, images: Tensor, padding_mask: Tensor, objects: Sequence[Objects]
) -> dict[str, Tensor]:
    """Return the losses of a batch.

    Args:
        model: in training mode.
        images: [b, 3, h, w] floating, normalised and padded.
        padding_mask: [b, h, w] bool, True = padding.
        objects: of each picture.

    Returns:
        Name -> [] float32; their plain sum is trained on.
    """
    return outputs_losses(model(images, padding_mask), objects, model.config)


def outputs_losses(
    outputs: RawOutputs, objects: Sequence[Objects], config: DeformableDetrConfig
) -> dict[str, Tensor]:
    """Return the weighted losses of all decoder layers, and of the proposals if there are any.

    Args:
        outputs: of the network.
        objects: of each picture.
        config: weights, and those of the matching.

    Returns:
        Name -> [] float32; their plain sum is trained on.
    """
    layers = set_losses(outputs.class_logits, outputs.boxes_cxcywh_norm, objects, config)
    weighted = layers.weighted(config)
    if outputs.proposals is not None:
        # A proposal is of some object or of none: all are of the first column's class.
        unlabelled = [replace(truth, labels=torch.zeros_like(truth.labels)) for truth in objects]
        boxes = outputs.proposals.box_logits.sigmoid()
        first = set_losses(
            outputs.proposals.class_logits[None], boxes[None], unlabelled, config
        ).weighted(config)
        weighted |= {f"proposal_{name}": loss for name, loss in first.items()}
    return weighted


def set_losses(
    class_logits: Tensor,
    boxes_cxcywh_norm: Tensor,
    objects: Sequence[Objects],
    config: DeformableDetrConfig,
) -> SetLosses:
    """Match predictions with objects, every layer by itself, and score them.

    Args:
        class_logits: [i, b, q, k] float32.
        boxes_cxcywh_norm: [i, b, q, 4] float32, in [0, 1].
        objects: of each picture.
        config: weights of the matching, and the focal loss.

    Returns:
        All sums divided by the number of objects of the batch, 1 at least.
    """
    count = max(1, sum(len(truth.labels) for truth in objects))
    wanted = torch.zeros_like(class_logits)
    l1, giou_loss = class_logits.new_zeros(2, len(class_logits))
    layers = torch.arange(len(class_logits), device=class_logits.device)[:, None]
    for picture, truth in enumerate(objects):
        boxes = boxes_cxcywh_norm[:, picture]
        queries = match(class_logits[:, picture], boxes, truth, config)  # [i, n]
        wanted[layers, picture, queries, truth.labels] = 1
        matched, truths = boxes[layers, queries], truth.boxes_cxcywh_norm
        l1 = l1 + (matched - truths).abs().sum((1, 2))
        overlaps = giou(cxcywh_to_xyxy(matched), cxcywh_to_xyxy(truths))
        giou_loss = giou_loss + (1 - overlaps).sum(1)
    focal = _focal(class_logits, wanted, config).sum((1, 2, 3))
    return SetLosses(focal / count, l1 / count, giou_loss / count)


def match(
    class_logits: Tensor, boxes_cxcywh_norm: Tensor, truth: Objects, config: DeformableDetrConfig
) -> Tensor:
    """Return the query of every object of one picture, layer by layer.

    Args:
        class_logits: [i, q, k] float32.
        boxes_cxcywh_norm: [i, q, 4] float32, in [0, 1].
        truth: the picture's objects.
        config: weights of the matching.

    Returns:
        [i, n] int64.

    Raises:
        ValueError: more objects than queries, or outputs that are not finite.
    """
    costs = match_costs(class_logits, boxes_cxcywh_norm, truth, config).cpu().numpy()
    queries = [torch.from_numpy(assign(layer)) for layer in costs]
    return torch.stack(queries).to(class_logits.device)


def _focal(class_logits: Tensor, wanted: Tensor, config: DeformableDetrConfig) -> Tensor:
    """Lin et al. 2017, equation 5, for every logit: same shape, [...] float32."""
    entropy = F.binary_cross_entropy_with_logits(class_logits, wanted, reduction="none")
    scores = class_logits.sigmoid()
    missed = wanted + scores - 2 * wanted * scores  # 1 - score where wanted, score elsewhere
    alpha = config.focal_alpha
    return (1 - alpha + (2 * alpha - 1) * wanted) * missed**config.focal_gamma * entropy
