"""A loaded tracker: what its predictor does for sessions, each on one of its replicas."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from torch import Tensor

from models.outputs import TrackState, TrackStep
from models.predictor import Prompt, VideoPredictor
from service.engine.admission import Admission
from service.engine.batcher import Batcher
from service.engine.clock import Clock
from service.engine.company import Rhythms
from service.engine.job import Answer, Bucket
from service.engine.pool import ModelStatus

Frame = npt.NDArray[np.uint8]
Objects = Mapping[int, npt.NDArray[Any]]


class Unacceptable(ValueError):
    """The predictor refuses what a caller gave it; the message says why."""


def forward_of(predictor: VideoPredictor) -> Callable[..., list[Any]]:
    """Return what a replica of a tracker runs: one of the predictor's calls for a batch of items.

    Frames are stepped together; every other call is made for one session after the other, and what
    the predictor refuses there is the item's output.
    """

    def forward(items: Sequence[Any], *, call: str) -> list[Any]:
        if call == "step":
            states, frames = zip(*items, strict=True)
            return list(predictor.step(states, frames))
        return [_ask(getattr(predictor, call), item) for item in items]

    return forward


class Lane:
    """One replica of a tracker, with the sessions whose states are on its device.

    A session stays with its lane: its state never moves between devices while the process lives.

    Args:
        build_batcher: makes the replica's queue, given its `company`.
        input_shape: of the predictor.
        rhythms: of the lane's sessions.
        clock: of the queue.
    """

    def __init__(
        self,
        build_batcher: Callable[..., Batcher[Any, Any]],
        input_shape: Callable[[tuple[int, int]], tuple[int, int]],
        rhythms: Rhythms,
        clock: Clock,
    ) -> None:
        self.batcher = build_batcher(company=lambda: rhythms.expected(clock.now()))
        self._input_shape = input_shape
        self._rhythms = rhythms
        self._clock = clock

    @property
    def is_alive(self) -> bool:
        """Whether its device still works."""
        return bool(self.batcher.devices)

    def check_open(self) -> None:
        """Do nothing while a session can be here.

        Raises:
            NotReady: none can any more.
        """
        self.batcher.check_open()

    async def start(
        self, frame: Frame, objects: Objects, deadline: float
    ) -> Answer[tuple[TrackState, TrackStep]]:
        """Return a session at its first frame; see `VideoPredictor.start`.

        Raises:
            Unacceptable: the predictor refuses the objects.
            ServiceError: see `Batcher.run`.
        """
        return await self._call("start", (frame, objects), deadline)

    async def step(
        self, session_id: str, state: TrackState, frame: Frame, deadline: float
    ) -> Answer[TrackStep]:
        """Return the session one frame further, together with others; see `VideoPredictor.step`.

        Raises:
            ServiceError: see `Batcher.run`.
        """
        height, width = frame.shape[:2]
        bucket = Bucket.of(self._input_shape((height, width)), {"call": "step"})
        self._rhythms.came(session_id, bucket, self._clock.now())
        try:
            return await self.batcher.run((state, frame), bucket, deadline)
        finally:
            self._rhythms.answered(session_id, self._clock.now())

    def forget(self, session_id: str) -> None:
        """Wait for frames of the session no more."""
        self._rhythms.forget(session_id)
        self.batcher.look_again()

    async def add_objects(
        self, state: TrackState, objects: Objects, deadline: float
    ) -> Answer[TrackState]:
        """Return the session with more objects at its frame; see `VideoPredictor.add_objects`.

        Raises:
            Unacceptable: the predictor refuses the objects.
            ServiceError: see `Batcher.run`.
        """
        return await self._call("add_objects", (state, state.frame, objects), deadline)

    async def remove_objects(
        self, state: TrackState, object_ids: Sequence[int], deadline: float
    ) -> Answer[TrackState]:
        """Return the session without some objects; see `VideoPredictor.remove_objects`.

        Raises:
            Unacceptable: it follows no such object.
            ServiceError: see `Batcher.run`.
        """
        return await self._call("remove_objects", (state, object_ids), deadline)

    async def restore(self, tensors: Mapping[str, Tensor], deadline: float) -> Answer[TrackState]:
        """Return the state of which these are the dump; see `VideoPredictor.restore`.

        Raises:
            Unacceptable: they are no state of this network.
            ServiceError: see `Batcher.run`.
        """
        return await self._call("restore", (tensors,), deadline)

    async def _call(self, call: str, item: tuple[Any, ...], deadline: float) -> Answer[Any]:
        answer = await self.batcher.run(item, Bucket.of(call, {"call": call}), deadline)
        if isinstance(answer.output, Unacceptable):
            raise answer.output
        return answer


@dataclass(frozen=True)
class LoadedTracker:
    """A tracker with its bound and a lane for every replica.

    Attributes:
        name: what callers say for it.
        variant: whose network it has.
        predictor: any of its replicas', for what does not depend on the device.
        admission: its bound on frames.
        lanes: one a replica; a session stays with its own.
    """

    name: str
    variant: str
    predictor: VideoPredictor
    admission: Admission
    lanes: tuple[Lane, ...]

    task = "track"

    @property
    def prompts(self) -> frozenset[Prompt]:
        """What may tell it an object."""
        return self.predictor.prompts

    @property
    def status(self) -> ModelStatus:
        """What others may see of it now."""
        devices = tuple(device for lane in self.lanes for device in lane.batcher.devices)
        state: Literal["ready", "failed"] = "ready" if devices else "failed"
        return ModelStatus(
            name=self.name,
            variant=self.variant,
            task=self.task,
            devices=devices,
            state=state,
            categories={},
            input_shape=self.predictor.input_shape,
            memory_bytes=dict.fromkeys(devices, self.predictor.nbytes),
            prompts=self.prompts,
        )

    @contextmanager
    def admit(self, pixels: int, left_s: float) -> Iterator[None]:
        """Hold room for one frame as long as the block runs; see `Admission.room`.

        Raises:
            NotReady: all devices are lost.
            Overloaded: there is no room.
        """
        self.choose_lane({}).check_open()
        with self.admission.room(pixels, left_s):
            yield

    def choose_lane(self, sessions: Mapping[Hashable, int]) -> Lane:
        """Return the living lane with the fewest sessions.

        Args:
            sessions: lane -> how many it has; none where it is not listed.
        """
        alive = [lane for lane in self.lanes if lane.is_alive] or self.lanes
        return min(alive, key=lambda lane: sessions.get(lane, 0))

    def close(self, reason: str) -> None:
        """Fail whatever waits or runs, with `reason` for the callers."""
        for lane in self.lanes:
            lane.batcher.close(reason)


def _ask(call: Callable[..., Any], item: tuple[Any, ...]) -> Any:
    try:
        return call(*item)
    except ValueError as error:
        return Unacceptable(str(error))
