"""Frames in, followed targets out: crops, network, tracking, and the state in between."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from torch import Tensor

from models import checkpoint
from models.layers import inference
from models.layers.sessions import Frame, check_followed, check_size, own
from models.outputs import TrackedObject, TrackStep
from models.predictor import Prompt as PromptKind
from models.siammask import passes, prompts, snapshot
from models.siammask.config import SiamMaskConfig
from models.siammask.model import SiamMask
from models.siammask.postprocess import PlacedMask, to_object
from models.siammask.prompts import Objects, Prompt
from models.siammask.state import SiamMaskState, Target
from models.siammask.tracking import keep_within

_CERTAIN = 1.0  # the score of what a caller told


class SiamMaskPredictor:
    """A SiamMask on its device; see `models.predictor.VideoPredictor`.

    Every target is followed by itself: masks may overlap, and others change nothing. One whose
    score falls below the config's `visible_score` is reported as not visible, and goes on being
    looked for around its last place, in a window twice as wide as it with its context. Where it
    comes back into that window it is visible again; elsewhere it has to be told anew.

    Args:
        model: ready for inference; its parameters' device and dtype are where and in what it runs
            and remembers. Places and sizes are float64 on the CPU whatever the dtype.
    """

    def __init__(self, model: SiamMask) -> None:
        self._model = model
        self._config = model.config

    @property
    def prompts(self) -> frozenset[PromptKind]:
        """What may tell it an object: a box, or a mask, of which the box counts."""
        return frozenset({"box", "mask"})

    @cached_property
    def nbytes(self) -> int:
        """Bytes of the network's parameters and buffers."""
        return inference.nbytes(self._model)

    def input_shape(self, image_size: tuple[int, int]) -> tuple[int, int]:  # noqa: ARG002
        """Return the (height, width) of a search window, the same for frames of any size."""
        return self._config.search_size, self._config.search_size

    def start(self, frame: Frame, objects: Objects) -> tuple[SiamMaskState, TrackStep]:
        """Return a session at its first frame, and its targets there as they were told.

        Of a target told by its box the mask is what the network sees on the first frame.

        Args:
            frame: [h, w, 3] uint8, RGB.
            objects: id -> box_xyxy [4] floating, pixels, or mask [h, w] bool.

        Raises:
            ValueError: no such frame, boxes or masks.
        """
        image = own(frame)
        told = prompts.read(objects, (image.shape[0], image.shape[1]))
        state = SiamMaskState(image, ()).with_targets(self._begin(image, told))
        return state, TrackStep(self._as_told(state, told), state)

    def step(self, states: Sequence[SiamMaskState], frames: Sequence[Frame]) -> list[TrackStep]:
        """Follow the targets of several sessions into the next frame of each.

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
        return [TrackStep(objects, state) for objects, state in self._advance(states, images)]

    def add_objects(self, state: SiamMaskState, frame: Frame, objects: Objects) -> SiamMaskState:
        """Tell new targets, or known ones anew, on the frame that the session stands at.

        A frame that the session does not stand at is taken for the next one, and the session is
        taken there first.

        Args:
            state: of the session.
            frame: [h, w, 3] uint8, RGB, of the size that it started with.
            objects: id -> box_xyxy [4] floating, pixels, or mask [h, w] bool.

        Raises:
            ValueError: no such frame, boxes or masks.
        """
        check_size(frame, state.frame)
        told = prompts.read(objects, state.frame_size)
        if not np.array_equal(frame, state.frame):
            ((_, state),) = self._advance([state], [own(frame)])
        return state.with_targets(self._begin(state.frame, told))

    def remove_objects(self, state: SiamMaskState, object_ids: Iterable[int]) -> SiamMaskState:
        """Follow some targets no more; the others are followed as if nothing had happened.

        Args:
            state: of the session.
            object_ids: of targets that it follows.

        Raises:
            ValueError: it follows no such target.
        """
        return state.without(check_followed(object_ids, state.object_ids))

    def restore(self, tensors: Mapping[str, Tensor]) -> SiamMaskState:
        """Return the state that `dump` wrote; further frames are the same bit for bit.

        Args:
            tensors: [any] of any dtype, by name.

        Raises:
            ValueError: they are no state, or one of another network.
        """
        return snapshot.restore(tensors, self._model)

    def _begin(self, frame: Frame, told: Mapping[int, Prompt]) -> dict[int, Target]:
        """What is remembered of targets at the frame on which they were told."""
        boxes_xyxy = {object_id: prompt.box_xyxy for object_id, prompt in told.items()}
        return passes.begin(self._model, frame, boxes_xyxy)

    def _advance(
        self, states: Sequence[SiamMaskState], frames: Sequence[Frame]
    ) -> list[tuple[tuple[TrackedObject, ...], SiamMaskState]]:
        """What each session reports of its next frame, and the session there."""
        sessions = list(zip(states, frames, strict=True))
        wanted = [(target, frame) for state, frame in sessions for target in state.targets]
        seen = iter(passes.look(self._model, wanted))
        advanced = []
        for state, frame in sessions:
            objects, targets = [], []
            for target in state.targets:
                sighting, placed = next(seen)
                position, size = keep_within(sighting, state.frame_size, self._config)
                targets.append(replace(target, position=position, size=size))
                objects.append(
                    to_object(targets[-1], placed, sighting.score, sighting.box_xyxy, self._config)
                )
            advanced.append((tuple(objects), SiamMaskState(frame, tuple(targets))))
        return advanced

    def _as_told(
        self, state: SiamMaskState, told: Mapping[int, Prompt]
    ) -> tuple[TrackedObject, ...]:
        """The targets of a first frame: what was told, and masks of those that came as boxes."""
        masks = {object_id: prompt.mask for object_id, prompt in told.items()}
        boxed = [target for target in state.targets if masks[target.object_id] is None]
        seen = iter(passes.look(self._model, [(target, state.frame) for target in boxed]))
        objects = []
        for target in state.targets:
            mask = masks[target.object_id]
            placed = next(seen)[1] if mask is None else PlacedMask(mask, 0, 0, state.frame_size)
            objects.append(to_object(target, placed, _CERTAIN, target.box_xyxy, self._config))
        return tuple(objects)


def load_network(config: SiamMaskConfig, weights: Mapping[str, Tensor]) -> SiamMask:
    """Return the network with the given weights, as trained.

    Args:
        config: of the network.
        weights: [any] floating, under the published names.

    Raises:
        CheckpointError: the weights do not fit.
    """
    with checkpoint.unfilled():
        model = SiamMask(config)
    checkpoint.load_strict(model, weights)
    return model
