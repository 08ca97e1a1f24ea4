"""Logits to a label for every pixel of the picture, in bands of rows: never all of them at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.ops.resize import bilinear_taps, mix_rows
from models.pointrend.preprocess import Size

_BAND_VALUES = 1 << 22  # logits in memory at a time, 16 MB


@dataclass(frozen=True)
class Stage:
    """One resize on the way back.

    Attributes:
        size: (height, width) after it.
        kept: (height, width) of the top-left part that is not padding.
    """

    size: Size
    kept: Size


def way_back(input_shape: Size, image_size: Size, original_size: Size) -> tuple[Stage, Stage]:
    """Return the resizes from the last map to the picture: to the network's input, then out of it.

    What the publications do is this with steps left out that change nothing: detectron2's last map
    is as large as its padded input, and the others do not pad.

    Args:
        input_shape: (height, width) of the padded input.
        image_size: (height, width) of the picture in it.
        original_size: (height, width) of the picture as given.

    Source: detectron2: modeling/postprocessing.py, sem_seg_postprocess; mmsegmentation:
        models/segmentors/encoder_decoder.py; differs: zsef123/PointRend-PyTorch stops at the last
        map.
    """
    return Stage(input_shape, image_size), Stage(original_size, original_size)


def label_map(logits: Tensor, stages: Sequence[Stage]) -> Tensor:
    """Resize logits through all stages and take the best class of each pixel.

    Args:
        logits: [k, h, w] float32, k at most 256.
        stages: from the map to the picture.

    Returns:
        [what the last stage keeps] uint8.
    """
    height, width = stages[-1].kept
    if height < width and len(logits) * width > _BAND_VALUES:  # a row alone is too much
        turned = [Stage(stage.size[::-1], stage.kept[::-1]) for stage in stages]
        return label_map(logits.mT, turned).T.contiguous()
    labels = torch.empty(height, width, dtype=torch.uint8, device=logits.device)
    widest = max(width, *(stage.size[1] for stage in stages))
    rows = max(1, _BAND_VALUES // (len(logits) * widest))
    for start in range(0, height, rows):
        band = slice(start, min(start + rows, height))
        labels[band] = resized_rows(logits, stages, band).max(dim=0).indices
    return labels


def resized_rows(logits: Tensor, stages: Sequence[Stage], rows: slice) -> Tensor:
    """Return some rows of the resized logits, made from only those rows that they need.

    Args:
        logits: [k, h, w] float32.
        stages: from the map to the picture.
        rows: which, of the last stage's result.

    Returns:
        [k, rows, w] float32.
    """
    if not stages:
        return logits[:, rows]
    *earlier, stage = stages
    old_size = earlier[-1].kept if earlier else (logits.shape[1], logits.shape[2])
    if old_size == stage.size:
        return resized_rows(logits, earlier, rows)[:, :, : stage.kept[1]]
    (above, below), shares = bilinear_taps(old_size[0], stage.size[0], logits.device, rows)
    first = int(above[0])
    source = resized_rows(logits, earlier, slice(first, int(below[-1]) + 1))
    mixed = mix_rows(source, (above - first, below - first), shares, stage.size[1])
    return mixed[:, :, : stage.kept[1]]
