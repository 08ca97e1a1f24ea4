"""Passes through the network: several sessions' frames and memories as one batch of groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.aot import groups
from models.aot.annotation import local_labels
from models.aot.groups import Group
from models.aot.model import Aot, one_hot
from models.aot.preprocess import preprocess
from models.aot.state import AotState
from models.aot.tokens import Memory
from models.ops.resize import resize_nearest

Frame = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Seen:
    """What the memories of several sessions find on the next frame of each.

    Attributes:
        logits: for each session one a group, [group_objects + 1, h, w] floating, at stride 4.
        candidates: the frames' own memory without identities, [b, t, c], one a layer; b counts all
            groups.
        input_size: (height, width) in which the network saw the frames.
    """

    logits: list[list[Tensor]]
    candidates: list[Memory]
    input_size: tuple[int, int]


def propagate(model: Aot, states: Sequence[AotState], frames: Sequence[Frame]) -> Seen:
    """Follow what sessions remember into new frames.

    Args:
        model: the network.
        states: at least one group among them.
        frames: one a session, [h, w, 3] uint8, RGB, all of one input shape.
    """
    images = _to_input(model, frames)
    rows = [row for row, state in enumerate(states) for _ in state.groups]
    features = model.encode(images).repeat(rows)
    memory = groups.join([group for state in states for group in state.groups])
    output = model.LSTT.propagate(features.embedding, *memory)
    logits = iter(model.decode(output, features).unbind())
    by_session = [[*islice(logits, len(state.groups))] for state in states]
    return Seen(by_session, output.candidates, (images.shape[2], images.shape[3]))


def remember(
    model: Aot, states: Sequence[AotState], seen: Seen, label_maps: Sequence[Tensor]
) -> list[tuple[Group, ...]]:
    """Return the groups of every session, one frame later.

    Args:
        model: the network.
        states: of the frame before.
        seen: of the new frames.
        label_maps: one a session, [h, w] uint8, slots at the frame's own size.
    """
    id_embedding = torch.cat(
        [
            _embed(model, label_map, state.group_sizes, seen.input_size)
            for label_map, state in zip(label_maps, states, strict=True)
        ]
    )
    memories = iter(groups.separate(model.LSTT.remember(seen.candidates, id_embedding)))
    return [
        tuple(groups.advance(group, next(memories), model.config) for group in state.groups)
        for state in states
    ]


def reference(
    model: Aot, frame: Frame, label_map: Tensor, group_sizes: Sequence[int]
) -> list[Memory]:
    """Return what each group remembers of a frame whose objects were drawn, [l, t, c] each.

    Args:
        model: the network.
        frame: [h, w, 3] uint8, RGB.
        label_map: [h, w] uint8, slots.
        group_sizes: slots of every group.
    """
    images = _to_input(model, [frame])
    features = model.encode(images).repeat([0] * len(group_sizes))
    id_embedding = _embed(model, label_map, group_sizes, (images.shape[2], images.shape[3]))
    _, memories = model.LSTT.reference(features.embedding, id_embedding)
    return groups.separate(memories)


def _to_input(model: Aot, frames: Sequence[Frame]) -> Tensor:
    """Frames of one input shape as [b, 3, h, w], normalised."""
    parameter = model.encoder_projector.weight
    images = [torch.from_numpy(frame).to(parameter.device) for frame in frames]
    batch = preprocess(images, model.config).to(parameter.dtype)
    return batch.contiguous(memory_format=torch.channels_last)


def _embed(
    model: Aot, label_map: Tensor, group_sizes: Sequence[int], size: tuple[int, int]
) -> Tensor:
    """Identity embedding [groups, t, c] of one frame."""
    parameter = model.encoder_projector.weight
    slots = resize_nearest(label_map[None].to(parameter.device), size)
    local = [
        local_labels(slots, sum(group_sizes[:index]), count)
        for index, count in enumerate(group_sizes)
    ]
    identities = one_hot(torch.cat(local), model.config.group_objects + 1)
    return model.embed_identities(identities.to(parameter.dtype))
