"""The second stage (He et al. 2017): class, box and mask of regions of the feature pyramid."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.layers.norm import BuildNorm, build_norm
from models.mask_rcnn.config import MaskRcnnConfig
from models.ops import boxes
from models.ops.grouping import members, owners
from models.ops.roi_align import roi_align

_LEVELS = ("p2", "p3", "p4", "p5")  # p6 only proposes
_STRIDES = (4, 8, 16, 32)
_LOWEST_LEVEL, _CANONICAL_LEVEL = 2, 4
# Larger intermediate results would leave the cache and be new to the system each time (measured).
_POOLED_AT_A_TIME = 256
_MASKS_AT_A_TIME = 32


class LinearBoxHead(nn.Module):
    """Two linear layers over the pooled features, flattened channel by channel."""

    def __init__(self, in_features: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.fc6 = nn.Linear(in_features, widths[0])
        self.fc7 = nn.Linear(widths[0], widths[1])

    def forward(self, roi_features: Tensor) -> Tensor:
        """Turn [n, c, h, w] floating into [n, d] of the same dtype."""
        hidden = F.relu(self.fc6(roi_features.flatten(1)), inplace=True)
        return F.relu(self.fc7(hidden), inplace=True)


class BoxPredictor(nn.Module):
    """Class logits and, for each class, box deltas."""

    def __init__(self, in_features: int, class_count: int) -> None:
        super().__init__()
        self.cls_score = nn.Linear(in_features, class_count)
        self.bbox_pred = nn.Linear(in_features, 4 * class_count)

    def forward(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Turn [n, d] floating into float32: logits [n, k] and deltas [n, k, 4]."""
        class_logits = self.cls_score(hidden).float()
        return class_logits, self.bbox_pred(hidden).float().unflatten(1, (-1, 4))


class MaskPredictor(nn.Module):
    """Doubles the resolution, then one mask a class, of which only the asked one is computed."""

    def __init__(self, channels: int, class_count: int) -> None:
        super().__init__()
        self.conv5_mask = nn.ConvTranspose2d(channels, channels, 2, stride=2)
        self.mask_fcn_logits = nn.Conv2d(channels, class_count, 1)
        _init_convs(self)

    def forward(self, roi_features: Tensor, labels: Tensor) -> Tensor:
        """Return each region's mask logits for its label.

        Args:
            roi_features: [n, c, h, w] floating.
            labels: [n] int64, in [0, k).

        Returns:
            [n, 2 * h, 2 * w] float32.
        """
        parts = zip(
            torch.split(roi_features, _MASKS_AT_A_TIME),
            torch.split(labels, _MASKS_AT_A_TIME),
            strict=True,
        )
        return torch.cat([self._logits(*part) for part in parts])

    def _logits(self, roi_features: Tensor, labels: Tensor) -> Tensor:
        count, channels, height, width = roi_features.shape
        # A 2x2 convolution with stride 2, transposed, is four linear maps of each cell; kept cell
        # by cell until one channel is left, its pixels need no shuffling before that.
        quarters = self.conv5_mask.weight.permute(2, 3, 1, 0).reshape(-1, channels)
        cells = roi_features.permute(0, 2, 3, 1)
        bias = self.get_parameter("conv5_mask.bias").repeat(4)
        pixels = F.relu(F.linear(cells, quarters, bias), inplace=True)
        kernels = self.mask_fcn_logits.weight[labels].view(count, channels, 1)
        logits = pixels.reshape(count, 4 * height * width, channels) @ kernels
        logits = logits + self.get_parameter("mask_fcn_logits.bias")[labels].view(count, 1, 1)
        grid = logits.float().view(count, height, width, 2, 2)
        return grid.permute(0, 1, 3, 2, 4).reshape(count, 2 * height, 2 * width)


class RoiHeads(nn.Module):
    """Box branch and mask branch; both take boxes and know nothing of how they were found."""

    def __init__(self, config: MaskRcnnConfig) -> None:
        super().__init__()
        self.config = config
        norm = build_norm(config.norm, config.norm_eps) if config.has_head_norms else None
        channels = config.pyramid_channels
        self.box_head = _build_box_head(config, norm)
        self.box_predictor = BoxPredictor(config.box_linears[-1], config.class_count)
        self.mask_head = nn.Sequential(*_convs(channels, config.mask_channels, norm))
        self.mask_predictor = MaskPredictor(config.mask_channels[-1], config.class_count)

    def box_branch(
        self, features: Mapping[str, Tensor], boxes_xyxy: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Return class logits and box deltas of every box.

        Args:
            features: "p2" to "p5" -> [b, c, h, w] floating.
            boxes_xyxy: a [n, 4] float32 tensor a picture, pixels of the network's input.

        Returns:
            [sum n, k] and [sum n, k, 4] float32, picture by picture.
        """
        pooled = self.pool(features, boxes_xyxy, self.config.box_pool_size)
        return self.box_predictor(self.box_head(pooled))

    def mask_branch(
        self, features: Mapping[str, Tensor], boxes_xyxy: Sequence[Tensor], labels: Tensor
    ) -> Tensor:
        """Return the mask logits of every box for its label.

        Args:
            features: "p2" to "p5" -> [b, c, h, w] floating.
            boxes_xyxy: a [n, 4] float32 tensor a picture, pixels of the network's input.
            labels: [sum n] int64, picture by picture.

        Returns:
            [sum n, 2 * mask_pool_size, 2 * mask_pool_size] float32.
        """
        pooled = self.pool(features, boxes_xyxy, self.config.mask_pool_size)
        return self.mask_predictor(self.mask_head(pooled), labels)

    def pool(
        self, features: Mapping[str, Tensor], boxes_xyxy: Sequence[Tensor], output_size: int
    ) -> Tensor:
        """Return the features under boxes, each from the pyramid level that suits its size.

        Args:
            features: "p2" to "p5" -> [b, c, h, w] floating.
            boxes_xyxy: a [n, 4] float32 tensor a picture, pixels of the network's input.
            output_size: bins a side.

        Returns:
            [sum n, c, output_size, output_size] of the features' dtype, picture by picture.
        """
        all_boxes = torch.cat(list(boxes_xyxy))
        batch_index = owners([len(image_boxes) for image_boxes in boxes_xyxy], all_boxes.device)
        levels = roi_levels(all_boxes, self.config.roi_canonical_size)
        lowest = features[_LEVELS[0]]
        pooled = lowest.new_empty(len(all_boxes), output_size, output_size, lowest.shape[1])
        by_level = zip(_LEVELS, _STRIDES, members(levels, len(_LEVELS)), strict=True)
        for name, stride, own in by_level:
            for rows in torch.split(own, _POOLED_AT_A_TIME) if len(own) else ():
                bins = roi_align(
                    features[name],
                    all_boxes[rows],
                    batch_index[rows],
                    1 / stride,
                    output_size,
                    self.config.roi_sampling_ratio,
                )
                pooled[rows] = bins.permute(0, 2, 3, 1)
        return pooled.permute(0, 3, 1, 2)


def roi_levels(boxes_xyxy: Tensor, canonical_size: float) -> Tensor:
    """Return the pyramid level from which each box is pooled.

    Args:
        boxes_xyxy: [n, 4] float32, pixels of the network's input.
        canonical_size: side of the box that belongs to p4, pixels.

    Returns:
        [n] int64, 0 for p2 to 3 for p5.

    Source: Lin et al. 2017, equation 1; differs: torchvision adds 1e-6 before the floor.
    """
    sides = boxes.areas(boxes_xyxy).clamp(min=0).sqrt()
    levels = (_CANONICAL_LEVEL + (sides / canonical_size).log2() + 1e-6).floor() - _LOWEST_LEVEL
    return levels.clamp(0, len(_LEVELS) - 1).long()


def _build_box_head(config: MaskRcnnConfig, norm: BuildNorm | None) -> nn.Module:
    """Linear layers alone, or convolutions and then linear layers."""
    channels = config.pyramid_channels
    in_features = channels * config.box_pool_size**2
    if not config.box_convs:
        return LinearBoxHead(in_features, config.box_linears)
    layers = _convs(channels, [channels] * config.box_convs, norm)
    layers.append(nn.Flatten())
    for width in config.box_linears:
        layers += [nn.Linear(in_features, width), nn.ReLU(inplace=True)]
        in_features = width
    return nn.Sequential(*layers)


def _convs(channels: int, widths: Sequence[int], norm: BuildNorm | None) -> list[nn.Module]:
    """3x3 convolutions with ReLU, with norms or with biases."""
    blocks: list[nn.Module] = []
    for width in widths:
        conv = nn.Conv2d(channels, width, 3, padding=1, bias=norm is None)
        norms = [norm(width)] if norm else []
        blocks.append(nn.Sequential(conv, *norms, nn.ReLU(inplace=True)))
        _init_convs(blocks[-1])
        channels = width
    return blocks


def _init_convs(module: nn.Module) -> None:
    """Give convolutions normal weights after He et al. 2015, fan out, and no bias."""
    for conv in module.modules():
        if isinstance(conv, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
            if conv.bias is not None:
                nn.init.zeros_(conv.bias)
