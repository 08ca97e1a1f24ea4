"""Frames in, followed objects out: preprocess, network, postprocess, and the state in between."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import chain

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models import checkpoint
from models.aot import annotation, groups, passes, snapshot
from models.aot.config import AotConfig
from models.aot.model import UNUSED_NAMES, Aot
from models.aot.postprocess import Labelling, label, measure, to_step
from models.aot.preprocess import input_shape
from models.aot.state import AotState
from models.layers import inference
from models.layers.sessions import Frame, check_followed, check_size, own
from models.outputs import TrackStep
from models.predictor import Prompt

Objects = Mapping[int, npt.NDArray[np.bool_]]


class AotPredictor:
    """An AOT on its device; see `models.predictor.VideoPredictor`.

    Args:
        model: ready for inference; its parameters' device and dtype are where and in what it runs
            and remembers.
    """

    def __init__(self, model: Aot) -> None:
        self._model = model

    @property
    def prompts(self) -> frozenset[Prompt]:
        """What may tell it an object: masks alone."""
        return frozenset({"mask"})

    @cached_property
    def nbytes(self) -> int:
        """Bytes of the network's parameters and buffers."""
        return inference.nbytes(self._model)

    def input_shape(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """Return the (height, width) in which the network sees a frame, pixels."""
        return input_shape(image_size, self._model.config)

    def start(self, frame: Frame, objects: Objects) -> tuple[AotState, TrackStep]:
        """Return a session at its first frame, and that frame's objects as drawn.

        Args:
            frame: [h, w, 3] uint8, RGB.
            objects: id -> [h, w] bool; where they overlap, the later one wins.

        Raises:
            ValueError: no such frame or masks.
        """
        image = own(frame)
        annotation.check(objects, (image.shape[0], image.shape[1]))
        empty = np.zeros(image.shape[:2], dtype=np.uint8)
        state = self._annotate(AotState(image, empty, ()), objects)
        label_map = torch.from_numpy(state.label_map)
        certain = torch.ones(label_map.shape)
        return state, to_step(state, measure(label_map, certain, len(state.slot_ids)))

    def step(self, states: Sequence[AotState], frames: Sequence[Frame]) -> list[TrackStep]:
        """Follow the objects of several sessions into the next frame of each.

        Args:
            states: one a session.
            frames: of each session, [h, w, 3] uint8, RGB, of the size that it started with.

        Returns:
            One step a session, in order, with the next state.

        Raises:
            ValueError: a frame of another size, or not one for each session.
        """
        images = [own(frame) for frame in frames]
        for state, image in zip(states, images, strict=True):
            check_size(image, state.frame)
        return [to_step(*advanced) for advanced in self._advance(states, images)]

    def add_objects(self, state: AotState, frame: Frame, objects: Objects) -> AotState:
        """Draw new objects, or known ones anew, on the frame that the session stands at.

        What is not drawn stays as predicted. A frame that the session does not stand at is taken
        for the next one and predicted first.

        Args:
            state: of the session.
            frame: [h, w, 3] uint8, RGB, of the size that it started with.
            objects: id -> [h, w] bool; where they overlap, the later one wins.

        Raises:
            ValueError: no such frame or masks.

        Source: aot-benchmark: networks/managers/evaluator.py, Evaluator.evaluating; differs: a
            known object may be drawn anew, and then nothing is left of where it was predicted.
        """
        check_size(frame, state.frame)
        annotation.check(objects, state.frame_size)
        if not np.array_equal(frame, state.frame):
            ((state, _),) = self._advance([state], [own(frame)])
        return self._annotate(state, objects)

    def remove_objects(self, state: AotState, object_ids: Iterable[int]) -> AotState:
        """Report some objects no more; the others are followed as if nothing had happened.

        Args:
            state: of the session.
            object_ids: of objects that it follows.

        Raises:
            ValueError: it follows no such object.
        """
        return state.without(check_followed(object_ids, state.object_ids))

    def restore(self, tensors: Mapping[str, Tensor]) -> AotState:
        """Return the state that `dump` wrote; further frames are the same bit for bit.

        Args:
            tensors: [any] of any dtype, by name.

        Raises:
            ValueError: they are no state, or one of another network.
        """
        return snapshot.restore(tensors, self._model)

    def _advance(
        self, states: Sequence[AotState], frames: Sequence[Frame]
    ) -> list[tuple[AotState, Labelling]]:
        """The next state of every session, and what its frame shows."""
        return inference.in_buckets(
            list(zip(states, frames, strict=True)),
            lambda session: (bool(session[0].groups), self.input_shape(session[0].frame_size)),
            self._advance_bucket,
        )

    @torch.inference_mode()
    def _annotate(self, state: AotState, objects: Objects) -> AotState:
        """The same frame, with objects drawn on it."""
        config = self._model.config
        slot_ids = annotation.assign_slots(state.slot_ids, objects, config.group_objects)
        label_map = annotation.paint(state.label_map, [*chain(*slot_ids)], objects)
        memories = passes.reference(
            self._model, state.frame, torch.from_numpy(label_map), [len(ids) for ids in slot_ids]
        )
        known = [
            groups.annotate(group, ids, memory, config)
            for group, ids, memory in zip(state.groups, slot_ids, memories, strict=False)
        ]
        new = map(groups.begin, slot_ids[len(known) :], memories[len(known) :])
        return AotState(state.frame, label_map, (*known, *new))

    @torch.inference_mode()
    def _advance_bucket(
        self, sessions: Sequence[tuple[AotState, Frame]]
    ) -> list[tuple[AotState, Labelling]]:
        """The same for sessions of one input shape, all with objects or all without."""
        states, frames = zip(*sessions, strict=True)
        if not states[0].groups:
            return [_pass_by(*session) for session in sessions]
        seen = passes.propagate(self._model, states, frames)
        labellings = [
            label(logits, state.group_sizes, state.frame_size)
            for logits, state in zip(seen.logits, states, strict=True)
        ]
        label_maps = [labelling.label_map for labelling in labellings]
        advanced = passes.remember(self._model, states, seen, label_maps)
        return [
            (AotState(frame, labelling.label_map.cpu().numpy(), own), labelling)
            for frame, labelling, own in zip(frames, labellings, advanced, strict=True)
        ]


def load_network(config: AotConfig, weights: Mapping[str, Tensor]) -> Aot:
    """Return the network with the given weights, as trained.

    Args:
        config: of the network.
        weights: [any] floating, under the published names.

    Raises:
        CheckpointError: the weights do not fit.
    """
    with checkpoint.unfilled():
        model = Aot(config)
    used = {name: tensor for name, tensor in weights.items() if name not in UNUSED_NAMES}
    checkpoint.load_strict(model, used)
    return model


def _pass_by(state: AotState, frame: Frame) -> tuple[AotState, Labelling]:
    """A session without objects on its next frame."""
    nothing = torch.from_numpy(np.zeros_like(state.label_map))
    return replace(state, frame=frame), measure(nothing, nothing.float(), 0)
