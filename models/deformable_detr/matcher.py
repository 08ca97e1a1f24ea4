"""Which query answers for which object: the cheapest assignment of one to one."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.deformable_detr.config import DeformableDetrConfig
from models.ops.boxes import cxcywh_to_xyxy, giou

_EPS = 1e-8


@dataclass(frozen=True)
class Objects:
    """What is on one picture.

    Attributes:
        labels: [n] int64, columns of the class logits.
        boxes_cxcywh_norm: [n, 4] float32, in [0, 1], of the unpadded picture, sides > 0.
    """

    labels: Tensor
    boxes_cxcywh_norm: Tensor


@torch.no_grad()
def match_costs(
    class_logits: Tensor, boxes_cxcywh_norm: Tensor, truth: Objects, config: DeformableDetrConfig
) -> Tensor:
    """Return what it costs to let a query answer for an object.

    Args:
        class_logits: [..., q, k] float32.
        boxes_cxcywh_norm: [..., q, 4] float32, in [0, 1].
        truth: the picture's objects.
        config: weights of the parts.

    Returns:
        [..., q, n] float32.

    Source: Deformable-DETR matcher.py, HungarianMatcher; differs: none.
    """
    scores = class_logits[..., truth.labels].sigmoid()
    alpha, gamma = config.focal_alpha, config.focal_gamma
    positive = alpha * (1 - scores) ** gamma * -(scores + _EPS).log()
    negative = (1 - alpha) * scores**gamma * -(1 - scores + _EPS).log()
    boxes, wanted = boxes_cxcywh_norm[..., None, :], truth.boxes_cxcywh_norm
    distances = (boxes - wanted).abs().sum(-1)
    overlaps = giou(cxcywh_to_xyxy(boxes), cxcywh_to_xyxy(wanted))
    return (
        config.class_weight * (positive - negative)
        + config.l1_weight * distances
        - config.giou_weight * overlaps
    )


def assign(costs: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
    """Return the one-to-one assignment of least total cost, exactly.

    One object after the other finds the cheapest chain of reassignments that ends at a free query,
    by Dijkstra's algorithm over reduced costs; all queries are looked at in one vector.

    Args:
        costs: [q, n] floating, finite; n <= q.

    Returns:
        [n] int64: the query of each object.

    Raises:
        ValueError: more objects than queries, or costs that are not finite.

    Source: Jonker and Volgenant 1987, the augmentation step; differs: none.
    """
    queries, objects = costs.shape
    if objects > queries:
        raise ValueError(f"{objects} objects cannot be told apart by {queries} queries")
    if not np.isfinite(costs).all():
        raise ValueError("costs of matching that are not finite: the network's outputs are not")
    matching = _Matching(np.ascontiguousarray(costs.T, dtype=np.float64))
    for item in range(objects):
        matching.add(item)
    return matching.query_of


class _Matching:
    """An optimal assignment of some objects, extended one by one.

    State: for every query its object or -1, and its price; for every object its query or -1. With
    prices taken off, no query is cheaper for an object than its own.
    """

    def __init__(self, costs: npt.NDArray[np.float64]) -> None:
        self._costs = costs  # [n, q]
        self._prices = np.zeros(costs.shape[1])
        self._object_of = np.full(costs.shape[1], -1)
        self.query_of = np.full(len(costs), -1)

    def add(self, item: int) -> None:
        """Assign one more object."""
        count = self._costs.shape[1]
        distances, before = np.full(count, np.inf), np.full(count, -1)
        is_open = np.ones(count, dtype=bool)
        source, travelled = item, 0.0
        while True:
            reduced = self._costs[source] - self._prices
            own = self.query_of[source]
            floor = reduced[own] if own >= 0 else 0.0
            through = travelled + (reduced - floor)
            is_nearer = is_open & (through < distances)
            distances[is_nearer], before[is_nearer] = through[is_nearer], source
            query = int(np.where(is_open, distances, np.inf).argmin())
            travelled = distances[query]
            is_open[query] = False
            if self._object_of[query] < 0:
                break
            source = int(self._object_of[query])
        closed = ~is_open
        self._prices[closed] += distances[closed] - travelled
        self._augment(item, query, before)

    def _augment(self, item: int, query: int, before: npt.NDArray[np.int64]) -> None:
        """Hand queries on along the chain that ends at a free one."""
        while True:
            source = int(before[query])
            previous = int(self.query_of[source])
            self._object_of[query], self.query_of[source] = source, query
            if source == item:
                return
            query = previous
