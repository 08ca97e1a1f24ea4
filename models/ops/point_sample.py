"""Values at points of a map, and the choice of the points that are worth asking about.

Points are (x, y) in units of the whole map: (0, 0) is the outer corner of its top-left pixel,
(1, 1) the outer corner of its bottom-right one.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def point_sample(features: Tensor, point_coords: Tensor) -> Tensor:
    """Sample a map bilinearly; beyond its border it is zero.

    One weighted sum of four rows a point, so nothing but the points is touched; fastest on a
    channels-last map. Coordinates stay float32 whatever the map's precision.

    Args:
        features: [b, c, h, w] float.
        point_coords: [b, ..., 2] float32, (x, y) in units of the map. May lie outside.

    Returns:
        [b, ..., c], the map's dtype.

    Source: Kirillov et al. 2020, section 3.1; detectron2: projects/PointRend/point_rend/
    point_features.py, point_sample (bilinear, align_corners false, zero padding); differs: none.
    """
    b, c, h, w = features.shape
    x, y = _pixel_positions(point_coords.reshape(-1, 2), (h, w)).unbind(-1)
    left, top = x.floor(), y.floor()
    right_share, bottom_share = x - left, y - top
    columns = torch.stack((left, left + 1, left, left + 1), dim=-1)
    rows = torch.stack((top, top, top + 1, top + 1), dim=-1)
    across = torch.stack((1 - right_share, right_share), dim=-1)
    down = torch.stack((1 - bottom_share, bottom_share), dim=-1)
    weights = (down[:, :, None] * across[:, None, :]).flatten(1)
    is_inside = (columns >= 0) & (columns < w) & (rows >= 0) & (rows < h)
    cells = rows.clamp(0, h - 1).long() * w + columns.clamp(0, w - 1).long()
    image = torch.arange(b, device=cells.device).repeat_interleave(len(cells) // b) * (h * w)
    sampled = F.embedding_bag(
        cells + image[:, None],
        features.permute(0, 2, 3, 1).reshape(-1, c),
        per_sample_weights=(weights * is_inside).to(features.dtype),
        mode="sum",
    )
    return sampled.reshape(*point_coords.shape[:-1], c)


def point_sample_nearest(labels: Tensor, point_coords: Tensor) -> Tensor:
    """Read a label map at points; beyond its border it is 0.

    Args:
        labels: [b, h, w] int.
        point_coords: [b, p, 2] float32, (x, y) in units of the map.

    Returns:
        [b, p], the dtype of `labels`: the nearest pixel, halves to the even index.

    Source: as `point_sample`, mode nearest; differs: none.
    """
    b, h, w = labels.shape
    x, y = _pixel_positions(point_coords, (h, w)).round().long().unbind(-1)
    is_inside = (x >= 0) & (x < w) & (y >= 0) & (y < h)
    cells = y.clamp(0, h - 1) * w + x.clamp(0, w - 1)
    return labels.reshape(b, -1).gather(1, cells) * is_inside


def uncertainty(class_logits: Tensor) -> Tensor:
    """Measure how close the two best classes are.

    A running pair of maxima over the classes: no sorting, no copy of the logits.

    Args:
        class_logits: [b, k, ...] float, k >= 2.

    Returns:
        [b, ...]: second largest minus largest, at most 0; 0 is the least certain.

    Source: Kirillov et al. 2020, section 4; detectron2: point_rend/semantic_seg.py,
    calculate_uncertainty; differs: none.
    """
    first, second, *others = class_logits.unbind(1)
    best, next_best = torch.maximum(first, second), torch.minimum(first, second)
    loser = torch.empty_like(best)
    for logits in others:
        torch.minimum(best, logits, out=loser)
        torch.maximum(next_best, loser, out=next_best)
        torch.maximum(best, logits, out=best)
    return next_best.sub_(best)


def select_uncertain(uncertainties: Tensor, num_points: int) -> Tensor:
    """Choose the most uncertain cells of a grid.

    Args:
        uncertainties: [b, h, w] float.
        num_points: how many an image; all cells if there are fewer.

    Returns:
        [b, p] int64, cell indices y * w + x in rising order, p = min(num_points, h * w). Of equals
        at the last place those of lowest index are taken.

    Source: detectron2: point_rend/point_features.py, get_uncertain_point_coords_on_grid; differs:
    equal values are resolved by index, there by the accident of top-k.
    """
    flat = uncertainties.flatten(1)
    b, cells = flat.shape
    if num_points >= cells:
        return torch.arange(cells, device=flat.device).expand(b, -1)
    threshold = flat.kthvalue(cells - num_points + 1, dim=1, keepdim=True).values
    is_above, is_equal = flat > threshold, flat == threshold
    room = num_points - is_above.sum(dim=1, keepdim=True)
    is_chosen = is_above | (is_equal & (is_equal.cumsum(dim=1) <= room))
    return is_chosen.nonzero()[:, 1].reshape(b, num_points)


def grid_coords(cells: Tensor, grid_size: tuple[int, int]) -> Tensor:
    """Give the centres of grid cells as points.

    Args:
        cells: [b, p] int64, y * w + x.
        grid_size: (h, w).

    Returns:
        [b, p, 2] float32, (x, y) in units of the grid.

    Source: as `select_uncertain`: half a step plus index times step, in float32.
    """
    h, w = grid_size
    x = (cells % w).float() * (1 / w) + 0.5 / w
    y = (cells // w).float() * (1 / h) + 0.5 / h
    return torch.stack((x, y), dim=-1)


def _pixel_positions(point_coords: Tensor, map_size: tuple[int, int]) -> Tensor:
    """Return [..., 2] float32, pixels: p * size - 0.5.

    By way of [-1, 1], because the official code goes there and its rounding decides what lies half
    way between two pixels.
    """
    h, w = map_size
    return (((point_coords * 2 - 1) + 1) * point_coords.new_tensor([w, h]) - 1) / 2
