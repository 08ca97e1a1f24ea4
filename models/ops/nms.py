"""Exact greedy non-maximum suppression without a loop over boxes."""

from collections.abc import Iterator

import torch
from torch import Tensor

from models.ops import boxes

# Box pairs looked at together: a block must fit into memory, a strip of it into the cache.
_BLOCK_PAIRS = 4_000_000
_STRIP_PAIRS = 200_000


def nms(boxes_xyxy: Tensor, scores: Tensor, group_ids: Tensor, iou_threshold: float) -> Tensor:
    """Return the boxes that no better kept box of the same group overlaps too much.

    Better is the higher score, of equals the lower index. A box goes when its IoU with a better
    kept one is strictly greater than the threshold; boxes without area never suppress each other.

    Args:
        boxes_xyxy: [n, 4] float32, pixels.
        scores: [n] float32.
        group_ids: [n] int64. Only boxes of one group (class, level, picture) meet.
        iou_threshold: in [0, 1].

    Returns:
        [m] int64, indices of the kept boxes, best first.
    """
    by_score = scores.argsort(descending=True, stable=True)
    by_group = by_score[group_ids[by_score].argsort(stable=True)]
    # One box of NaN at the end stands in where a group is shorter than its block.
    padded_boxes = torch.cat([boxes_xyxy[by_group], boxes_xyxy.new_full((1, 4), torch.nan)])
    is_kept = torch.ones(len(padded_boxes), dtype=torch.bool, device=boxes_xyxy.device)
    for block in _blocks(group_ids[by_group]):
        is_kept[block] = _kept_in_block(padded_boxes[block], iou_threshold)
    is_kept_by_index = torch.empty_like(is_kept[:-1])
    is_kept_by_index[by_group] = is_kept[:-1]
    return by_score[is_kept_by_index[by_score]]


def _blocks(sorted_ids: Tensor) -> Iterator[Tensor]:
    """Positions of whole groups of similar length, [groups, longest] int64; padding = n."""
    _, counts = torch.unique_consecutive(sorted_ids, return_counts=True)
    starts = counts.cumsum(0) - counts
    order = counts.argsort(descending=True)
    counts, starts = counts[order], starts[order]
    lengths = counts.tolist()
    first = 0
    while first < len(lengths) and lengths[first] > 1:
        longest = lengths[first]
        limit = first + max(1, _BLOCK_PAIRS // longest**2)
        last = first + 1
        while last < min(limit, len(lengths)) and lengths[last] > longest // 2:
            last += 1
        offsets = torch.arange(longest, device=sorted_ids.device)
        positions = starts[first:last, None] + offsets
        yield positions.where(offsets < counts[first:last, None], len(sorted_ids))
        first = last


def _kept_in_block(boxes_xyxy: Tensor, iou_threshold: float) -> Tensor:
    """[g, n, 4], best first -> [g, n] bool: kept by the greedy rule within each group.

    "Kept = not overlapped by a kept better box", repeated until nothing changes: the first box
    is right from the start, and each round settles at least the best box not yet settled.
    """
    groups, length, _ = boxes_xyxy.shape
    better, worse = _overlapping_pairs(boxes_xyxy, iou_threshold)
    is_kept = torch.ones(groups * length, dtype=torch.bool, device=boxes_xyxy.device)
    while True:
        now_kept = torch.ones_like(is_kept)
        now_kept[worse[is_kept[better]]] = False
        if torch.equal(now_kept, is_kept):
            return is_kept.view(groups, length)
        is_kept = now_kept


def _overlapping_pairs(boxes_xyxy: Tensor, iou_threshold: float) -> tuple[Tensor, Tensor]:
    """[g, n, 4], best first -> flat positions of the better and the worse box of each pair."""
    groups, length, _ = boxes_xyxy.shape
    rows = max(1, _STRIP_PAIRS // (groups * length))
    pairs = []
    for first in range(0, length, rows):
        strip, rest = boxes_xyxy[:, first : first + rows], boxes_xyxy[:, first:]
        overlaps = (boxes.iou_matrix(strip, rest) > iou_threshold).triu_(1)
        group, better, worse = overlaps.nonzero(as_tuple=True)
        offset = group * length + first
        pairs.append(torch.stack([better + offset, worse + offset]))
    better, worse = torch.cat(pairs, dim=1)
    return better, worse
