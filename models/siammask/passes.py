"""Passes through the network: the targets of several sessions as one batch."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import torch

from models.layers.sessions import Frame
from models.siammask.model import SiamMask
from models.siammask.postprocess import PlacedMask, paste
from models.siammask.preprocess import (
    Box,
    border_colour,
    centre_and_size,
    context_side,
    crop,
    search_window,
    to_input,
)
from models.siammask.state import Target
from models.siammask.tracking import Sighting, find

Item = TypeVar("Item")
Seen = tuple[Sighting, PlacedMask]

_TARGETS_AT_A_TIME = 32  # of a pass: what it holds meanwhile is some 30 MB a target


@torch.inference_mode()
def begin(model: SiamMask, frame: Frame, boxes_xyxy: Mapping[int, Box]) -> dict[int, Target]:
    """Return what is remembered of targets at the frame on which they were told.

    Args:
        model: the network.
        frame: [h, w, 3] uint8, RGB.
        boxes_xyxy: by id, pixels of the frame.
    """
    image, config = torch.from_numpy(frame), model.config
    border, targets = border_colour(image), {}
    for ids in _parts([*boxes_xyxy]):
        places = [centre_and_size(boxes_xyxy[object_id]) for object_id in ids]
        templates = [
            crop(image, position, (round(context_side(size, config)), config.template_size), border)
            for position, size in places
        ]
        kernels = model.template_kernels(to_input(templates, next(model.parameters())))
        for object_id, place, own in zip(ids, places, kernels, strict=True):
            stored = own.clone(memory_format=torch.contiguous_format)
            targets[object_id] = Target(object_id, *place, border, stored)
    return targets


def look(model: SiamMask, targets: Sequence[tuple[Target, Frame]]) -> list[Seen]:
    """Return where each target is on its next frame, and its mask there.

    Args:
        model: the network.
        targets: of any sessions, each with its frame, [h, w, 3] uint8, RGB.
    """
    return [seen for part in _parts(targets) for seen in _look_at_once(model, part)]


@torch.inference_mode()
def _look_at_once(model: SiamMask, pairs: Sequence[tuple[Target, Frame]]) -> list[Seen]:
    config, (targets, frames) = model.config, zip(*pairs, strict=True)
    windows = [search_window(target.position, target.size, config) for target in targets]
    searches = [
        crop(
            torch.from_numpy(frame),
            window.centre,
            (window.side, config.search_size),
            target.border,
        )
        for target, frame, window in zip(targets, frames, windows, strict=True)
    ]
    kernels = torch.stack([target.kernels for target in targets])
    outputs = model.search(to_input(searches, kernels), kernels)
    sizes = [target.size for target in targets]
    sightings = find(outputs, sizes, windows, config)
    cells = torch.tensor([sighting.cell for sighting in sightings])
    logits = model.mask_logits(outputs, torch.arange(len(targets)), cells)
    probabilities = logits.float().sigmoid().cpu().numpy()
    return [
        (sighting, paste(mask, sighting, (frame.shape[0], frame.shape[1]), config))
        for mask, sighting, frame in zip(probabilities, sightings, frames, strict=True)
    ]


def _parts(items: Sequence[Item]) -> list[Sequence[Item]]:
    """Of so many at a time as one pass takes."""
    starts = range(0, len(items), _TARGETS_AT_A_TIME)
    return [items[start : start + _TARGETS_AT_A_TIME] for start in starts]
