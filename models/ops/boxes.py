"""Box arithmetic in continuous pixel-edge coordinates: width = x2 - x1, no +1 anywhere."""

import math

import torch
from torch import Tensor

# Ren et al. 2015, appendix of the official code: sides grow at most by 1000 / 16 in one decoding.
MAX_LOG_SCALE = math.log(1000.0 / 16)


def areas(boxes_xyxy: Tensor) -> Tensor:
    """Return the areas of boxes.

    Args:
        boxes_xyxy: [..., 4] float32, pixels.

    Returns:
        [...] float32, square pixels; negative or positive as the sides say, never clamped.
    """
    x1, y1, x2, y2 = boxes_xyxy.unbind(-1)
    return (x2 - x1) * (y2 - y1)


def iou_matrix(boxes_xyxy: Tensor, others_xyxy: Tensor) -> Tensor:
    """Return the intersection over union of every box with every other box.

    Args:
        boxes_xyxy: [..., n, 4] float32, pixels.
        others_xyxy: [..., m, 4] float32, pixels.

    Returns:
        [..., n, m] float32, in [0, 1]; NaN for two boxes without area.
    """
    ax1, ay1, ax2, ay2 = boxes_xyxy.unsqueeze(-2).unbind(-1)
    bx1, by1, bx2, by2 = others_xyxy.unsqueeze(-3).unbind(-1)
    widths = torch.minimum(ax2, bx2).sub_(torch.maximum(ax1, bx1)).clamp_(min=0)
    heights = torch.minimum(ay2, by2).sub_(torch.maximum(ay1, by1)).clamp_(min=0)
    intersection = widths.mul_(heights)
    union = areas(boxes_xyxy).unsqueeze(-1) + areas(others_xyxy).unsqueeze(-2)
    return intersection / union.sub_(intersection)


def giou(boxes_xyxy: Tensor, others_xyxy: Tensor) -> Tensor:
    """Return the generalised intersection over union of boxes, pair by pair.

    Args:
        boxes_xyxy: [..., 4] float32, sides >= 0.
        others_xyxy: [..., 4] float32, sides >= 0, broadcast against the boxes.

    Returns:
        [...] float32, in (-1, 1]: the IoU less the share of the hull that neither box covers; NaN
        for two boxes without area.

    Source: Rezatofighi et al. 2019, algorithm 1; differs: none.
    """
    top_left, others_top_left = boxes_xyxy[..., :2], others_xyxy[..., :2]
    bottom_right, others_bottom_right = boxes_xyxy[..., 2:], others_xyxy[..., 2:]
    shared = torch.minimum(bottom_right, others_bottom_right)
    shared = (shared - torch.maximum(top_left, others_top_left)).clamp(min=0).prod(-1)
    hull = torch.maximum(bottom_right, others_bottom_right)
    hull = (hull - torch.minimum(top_left, others_top_left)).prod(-1)
    union = areas(boxes_xyxy) + areas(others_xyxy) - shared
    return shared / union - (hull - union) / hull


def cxcywh_to_xyxy(boxes_cxcywh: Tensor) -> Tensor:
    """Return boxes by their corners.

    Args:
        boxes_cxcywh: [..., 4] float32, centre and sides.

    Returns:
        [..., 4] float32, in the same unit, xyxy.
    """
    centres, halves = boxes_cxcywh[..., :2], boxes_cxcywh[..., 2:] * 0.5
    return torch.cat([centres - halves, centres + halves], dim=-1)


def xyxy_to_cxcywh(boxes_xyxy: Tensor) -> Tensor:
    """Turn corners into centres and sides.

    Args:
        boxes_xyxy: [..., 4] floating, any unit.

    Returns:
        [..., 4] of the same dtype and unit.
    """
    lows, highs = boxes_xyxy.chunk(2, dim=-1)
    return torch.cat([(lows + highs) / 2, highs - lows], dim=-1)


def encode(
    boxes_xyxy: Tensor, anchors_xyxy: Tensor, weights: tuple[float, float, float, float]
) -> Tensor:
    """Return the deltas that turn anchors into boxes; the inverse of `decode`.

    Args:
        boxes_xyxy: [..., 4] float32, pixels, sides > 0.
        anchors_xyxy: [..., 4] float32, pixels, sides > 0.
        weights: factors of (dx, dy, dw, dh).

    Returns:
        [..., 4] float32, (dx, dy, dw, dh): shifts in anchor sides, logarithms of side ratios,
        each times its weight.

    Source: Girshick et al. 2014, appendix C; differs: none.
    """
    centres, sides = _centres_and_sides(anchors_xyxy)
    wanted_centres, wanted_sides = _centres_and_sides(boxes_xyxy)
    shifts = (wanted_centres - centres) / sides
    log_scales = (wanted_sides / sides).log()
    return torch.cat([shifts, log_scales], dim=-1) * boxes_xyxy.new_tensor(weights)


def decode(
    box_deltas: Tensor, anchors_xyxy: Tensor, weights: tuple[float, float, float, float]
) -> Tensor:
    """Return the boxes that deltas make of anchors.

    Args:
        box_deltas: [..., 4] float32, (dx, dy, dw, dh), see `encode`.
        anchors_xyxy: [..., 4] float32, pixels; broadcast against the deltas.
        weights: factors of (dx, dy, dw, dh).

    Returns:
        [..., 4] float32, pixels, xyxy. Sides grow at most by 1000 / 16.

    Source: Girshick et al. 2014, appendix C; differs: the clamp of the official detection code.
    """
    centres, sides = _centres_and_sides(anchors_xyxy)
    deltas = box_deltas / box_deltas.new_tensor(weights)
    new_centres = deltas[..., :2] * sides + centres
    half_sides = deltas[..., 2:].clamp(max=MAX_LOG_SCALE).exp() * sides / 2
    return torch.cat([new_centres - half_sides, new_centres + half_sides], dim=-1)


def clip(boxes_xyxy: Tensor, image_sizes: Tensor) -> Tensor:
    """Return the boxes cut to their pictures: x to [0, width], y to [0, height].

    Args:
        boxes_xyxy: [..., 4] float32, pixels.
        image_sizes: [..., 2] float32, (height, width) in pixels; broadcast against the boxes.

    Returns:
        [..., 4] float32, pixels, xyxy.
    """
    widths_heights = image_sizes.flip(-1)
    limits = torch.cat([widths_heights, widths_heights], dim=-1)
    return torch.minimum(boxes_xyxy.clamp(min=0), limits)


def has_sides(boxes_xyxy: Tensor, min_side: float) -> Tensor:
    """Tell which boxes have both sides of at least `min_side` pixels.

    Args:
        boxes_xyxy: [..., 4] float32, pixels.
        min_side: pixels.

    Returns:
        [...] bool.
    """
    return (boxes_xyxy[..., 2:] - boxes_xyxy[..., :2]).amin(-1) >= min_side


def _centres_and_sides(boxes_xyxy: Tensor) -> tuple[Tensor, Tensor]:
    """[..., 4] -> centres (x, y) [..., 2], sides (w, h) [..., 2]."""
    corners = boxes_xyxy[..., :2]
    sides = boxes_xyxy[..., 2:] - corners
    return corners + sides * 0.5, sides
