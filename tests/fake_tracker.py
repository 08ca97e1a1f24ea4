"""A tracker without a network: what it answers tells every frame that the session has seen."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models import rle
from models.outputs import TrackedObject, TrackStep
from models.predictor import Prompt
from tests.fakes import Gate


@dataclass(frozen=True, eq=False)
class FakeState:
    """Objects by id, and the first value of every frame so far."""

    frame: np.ndarray = field(repr=False)
    masks: Mapping[int, np.ndarray] = field(repr=False)
    seen: tuple[int, ...]
    extra_bytes: int = 0

    @property
    def object_ids(self) -> tuple[int, ...]:
        return tuple(self.masks)

    @property
    def nbytes(self) -> int:
        return self.frame.nbytes + self.extra_bytes

    def dump(self) -> dict[str, Tensor]:
        return {
            "frame": torch.from_numpy(self.frame),
            "seen": torch.tensor(self.seen),
            "ids": torch.tensor(self.object_ids, dtype=torch.int64),
            **{f"mask.{one}": torch.from_numpy(mask) for one, mask in self.masks.items()},
        }


class FakeVideoPredictor:
    """It follows every object nowhere; an object's score tells the frames that it was seen on.

    State: `calls`, the name and the number of sessions of each call, in order.

    Args:
        gate: every step waits here.
        prompts: that it takes.
        fail: called with the frames of each step; it may raise as a network would.
        state_bytes: that every state claims to hold besides its frame.
    """

    def __init__(
        self,
        gate: Gate | None = None,
        prompts: Iterable[Prompt] = ("mask",),
        fail: Any = lambda _: None,
        state_bytes: int = 0,
    ) -> None:
        self._gate = gate
        self._fail = fail
        self.state_bytes = state_bytes
        self.nbytes = 2000
        self.prompts: frozenset[Prompt] = frozenset(prompts)
        self.calls: list[tuple[str, int]] = []

    def input_shape(self, image_size: tuple[int, int]) -> tuple[int, int]:
        return image_size

    def start(
        self, frame: np.ndarray, objects: Mapping[int, np.ndarray]
    ) -> tuple[FakeState, TrackStep]:
        self.calls.append(("start", 1))
        state = FakeState(frame, self._masks(frame, objects), (_value(frame),), self.state_bytes)
        return state, _step(state)

    def step(self, states: Sequence[FakeState], frames: Sequence[np.ndarray]) -> list[TrackStep]:
        self.calls.append(("step", len(states)))
        if self._gate is not None:
            self._gate.pass_through()
        self._fail(frames)
        return [
            _step(
                replace(
                    state,
                    frame=frame,
                    seen=(*state.seen, _value(frame)),
                    extra_bytes=self.state_bytes,
                )
            )
            for state, frame in zip(states, frames, strict=True)
        ]

    def add_objects(
        self, state: FakeState, frame: np.ndarray, objects: Mapping[int, np.ndarray]
    ) -> FakeState:
        self.calls.append(("add_objects", 1))
        assert np.array_equal(frame, state.frame)
        return replace(state, masks={**state.masks, **self._masks(frame, objects)})

    def remove_objects(self, state: FakeState, object_ids: Iterable[int]) -> FakeState:
        self.calls.append(("remove_objects", 1))
        gone = set(object_ids)
        return replace(
            state, masks={one: mask for one, mask in state.masks.items() if one not in gone}
        )

    def restore(self, tensors: Mapping[str, Tensor]) -> FakeState:
        self.calls.append(("restore", 1))
        if "seen" not in tensors:
            raise ValueError("the snapshot lacks seen")
        masks = {one: tensors[f"mask.{one}"].numpy() for one in tensors["ids"].tolist()}
        return FakeState(tensors["frame"].numpy(), masks, tuple(tensors["seen"].tolist()))

    def _masks(self, frame: np.ndarray, objects: Mapping[int, np.ndarray]) -> dict[int, np.ndarray]:
        masks = {}
        for one, prompt in objects.items():
            if prompt.dtype != bool and "box" not in self.prompts:
                raise ValueError("masks only")
            masks[one] = prompt if prompt.dtype == bool else _boxed(frame, prompt)
        return masks


def seen(objects: Sequence[TrackedObject]) -> tuple[int, ...]:
    """The frames' first values that an answer of the fake tells."""
    (corners,) = {one.rotated_box for one in objects}
    assert corners is not None
    return tuple(int(x) for x, _ in corners)


def _value(frame: np.ndarray) -> int:
    return int(frame[0, 0, 0])


def _boxed(frame: np.ndarray, box: np.ndarray) -> np.ndarray:
    left, top, right, bottom = (round(float(edge)) for edge in box)
    mask = np.zeros(frame.shape[:2], bool)
    mask[top:bottom, left:right] = True
    return mask


def _step(state: FakeState) -> TrackStep:
    return TrackStep(
        tuple(
            TrackedObject(
                id=one,
                box_xyxy=(0.0, 0.0, 1.0, 1.0),
                score=0.5,
                is_visible=True,
                rotated_box=tuple((float(value), 0.0) for value in state.seen),
                encode_mask=lambda mask=mask: rle.encode(mask),
            )
            for one, mask in state.masks.items()
        ),
        state,
    )
