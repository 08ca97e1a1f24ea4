"""Where tokens lie: levels in a row, their padding, positions and reference points."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.ops.resize import resize_nearest

_TEMPERATURE = 10000.0
_EPS = 1e-6


@dataclass(frozen=True)
class TokenGrid:
    """The tokens of a batch: the cells of every level row by row, level after level.

    Attributes:
        shapes: (height, width) of every level, cells.
        padding_masks: [b, h, w] bool a level, True = padding.
        padding_mask: [b, s] bool, the same of all tokens.
        valid_sizes: [b, l, 2] float32, (width, height) of every level without padding, cells.
        valid_ratios: [b, l, 2] float32, in (0, 1]: the same as shares of the padded level.
    """

    shapes: list[tuple[int, int]]
    padding_masks: list[Tensor]
    padding_mask: Tensor
    valid_sizes: Tensor
    valid_ratios: Tensor

    @staticmethod
    def build(padding_mask: Tensor, shapes: Sequence[tuple[int, int]]) -> "TokenGrid":
        """Return the grid of a padded batch.

        Args:
            padding_mask: [b, h, w] bool, of the network's input, True = padding.
            shapes: (height, width) of every level, cells.

        Source: Deformable-DETR deformable_transformer.py, get_valid_ratio; differs: none.
        """
        masks = [resize_nearest(padding_mask, shape).bool() for shape in shapes]
        sizes = torch.stack([_valid_size(mask) for mask in masks], dim=1)
        full = sizes.new_tensor([(width, height) for height, width in shapes])
        flat = torch.cat([mask.flatten(1) for mask in masks], dim=1)
        return TokenGrid(list(shapes), masks, flat, sizes, sizes / full)

    def centres(self) -> Tensor:
        """Return the tokens' centres: [b, s, 2] float32, (x, y) as shares of the unpadded level.

        Source: Deformable-DETR deformable_transformer.py, get_reference_points; differs: none.
        """
        sizes = self.valid_sizes.unbind(1)
        return torch.cat(
            [_cell_centres(shape, size) for shape, size in zip(self.shapes, sizes, strict=True)],
            dim=1,
        )

    def on_levels(self, references: Tensor) -> Tensor:
        """Return references as shares of every level, its padding included.

        Args:
            references: [b, q, 2 or 4] float32, (x, y) or (x, y, width, height), shares of the
                unpadded picture.

        Returns:
            [b, q, l, 2 or 4] float32.
        """
        repeats = references.shape[-1] // 2
        return references[:, :, None] * self.valid_ratios[:, None].repeat(1, 1, 1, repeats)


def sine_positions(padding_mask: Tensor, channels: int) -> Tensor:
    """Return the positions of a level's cells, counted over what is not padding.

    Args:
        padding_mask: [b, h, w] bool, True = padding.
        channels: of the result, a multiple of 4.

    Returns:
        [b, h * w, channels] float32, in [-1, 1]: half for y, then half for x.

    Source: Deformable-DETR position_encoding.py, PositionEmbeddingSine; differs: none.
    """
    is_valid = (~padding_mask).float()
    rows, columns = is_valid.cumsum(1), is_valid.cumsum(2)
    y = (rows - 0.5) / (rows[:, -1:] + _EPS) * (2 * math.pi)
    x = (columns - 0.5) / (columns[:, :, -1:] + _EPS) * (2 * math.pi)
    return sine_embedding(torch.stack([y, x], dim=-1), channels // 2).flatten(1, 2)


def sine_embedding(angles: Tensor, channels: int) -> Tensor:
    """Return sines and cosines of falling frequencies, interleaved, one coordinate after another.

    Args:
        angles: [..., n] float32, radians.
        channels: a coordinate's, even.

    Returns:
        [..., n * channels] float32, in [-1, 1].

    Source: Vaswani et al. 2017, section 3.5; Deformable-DETR position_encoding.py; differs: none.
    """
    exponents = torch.arange(channels // 2, dtype=torch.float32, device=angles.device)
    divisors = _TEMPERATURE ** (2 * exponents / channels)
    scaled = angles[..., None] / divisors
    return torch.stack([scaled.sin(), scaled.cos()], dim=-1).flatten(-3)


def _valid_size(padding_mask: Tensor) -> Tensor:
    """[b, h, w] bool -> [b, 2] float32: (width, height) of what is not padding."""
    first_row, first_column = padding_mask[:, 0], padding_mask[:, :, 0]
    return torch.stack([(~first_row).sum(1), (~first_column).sum(1)], dim=1).float()


def _cell_centres(shape: tuple[int, int], valid_size: Tensor) -> Tensor:
    """[b, 2] float32 (width, height) -> [b, h * w, 2] float32 (x, y) as shares of it."""
    height, width = shape
    x = torch.arange(width, dtype=torch.float32, device=valid_size.device) + 0.5
    y = torch.arange(height, dtype=torch.float32, device=valid_size.device) + 0.5
    centres = torch.stack([x.expand(height, width), y[:, None].expand(height, width)], dim=-1)
    return centres.flatten(0, 1) / valid_size[:, None]
