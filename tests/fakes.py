"""Stand-ins behind the service's own interfaces: a network, a loader, time, a thread."""

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any

import numpy as np
import torch
from anyio.lowlevel import checkpoint

from models import rle
from models.outputs import InstanceMasks, Masks
from models.predictor import BoxPrompts, Category
from service.engine.replica import Device

CATEGORIES = {1: Category(1, "circle"), 2: Category(2, "square")}


class FakeModel:
    """A network that sees one circle in the upper left quarter of every picture.

    State: `calls`, one entry a forward pass, in order; `nbytes`, what it claims to hold.

    Args:
        answer: output for a picture and its options; it may raise as a network would.
        gate: every pass waits here.
    """

    def __init__(
        self, answer: Callable[..., Any] | None = None, gate: "Gate | None" = None
    ) -> None:
        self._answer = answer or _one_circle
        self._gate = gate
        self.categories: Mapping[int, Category] = CATEGORIES
        self.nbytes = 1000
        self.calls: list[tuple[tuple[np.ndarray, ...], dict[str, Any]]] = []

    def input_shape(self, image_size: tuple[int, int]) -> tuple[int, int]:
        return image_size

    def predict(self, images: Sequence[np.ndarray], *_: Any, **options: Any) -> list[Any]:
        self.calls.append((tuple(images), options))
        if self._gate is not None:
            self._gate.pass_through()
        return [self._answer(image, **options) for image in images]


class FakeBoxSegmenter(FakeModel):
    """The same, which also takes boxes: each is full, and a square unless it has a label.

    State: `prompted`, one entry a pass over boxes, in order.
    """

    def __init__(self, gate: "Gate | None" = None) -> None:
        super().__init__(gate=gate)
        self.prompted: list[tuple[tuple[BoxPrompts, ...], dict[str, Any]]] = []

    def segment_boxes(
        self, images: Sequence[np.ndarray], prompts: Sequence[BoxPrompts], **options: Any
    ) -> list[InstanceMasks]:
        self.prompted.append((tuple(prompts), options))
        if self._gate is not None:
            self._gate.pass_through()
        return [full_boxes(*asked) for asked in zip(images, prompts, strict=True)]


class FakeLoader:
    """Variants by name; an exception in a model's place is what loading it raises.

    Args:
        models: by variant name; every device gets the same one.
        tasks: of the variants that do not segment.
        before: called in the loading thread before each load.
    """

    def __init__(
        self,
        models: Mapping[str, Any],
        tasks: Mapping[str, str] | None = None,
        before: Callable[[], object] = lambda: None,
    ) -> None:
        self._before = before
        self._models = dict(models)
        self._tasks = dict(tasks or {})

    def variant(self, name: str) -> str:
        return name

    def task(self, name: str) -> str:
        if name not in self._models:
            raise KeyError(name)
        return self._tasks.get(name, "segment")

    def load(self, name: str, device: str) -> Any:
        del device
        self._before()
        model = self._models[name]
        if isinstance(model, Exception):
            raise model
        return model


class Gate:
    """A door on a thread's way; open until `close`.

    A closed gate that is never opened again lets go after ten seconds, so that a failing test
    ends.
    """

    def __init__(self) -> None:
        self._door = threading.Event()
        self._door.set()
        self._arrived = threading.Semaphore(0)

    def close(self) -> None:
        self._door.clear()

    def open(self) -> None:
        self._door.set()

    def pass_through(self) -> None:
        self._arrived.release()
        if not self._door.wait(10):
            raise TimeoutError("nobody opened the gate")

    def wait_arrival(self) -> None:
        """Return once somebody has come to the gate; each arrival counts once."""
        if not self._arrived.acquire(timeout=10):
            raise TimeoutError("nobody came to the gate")


class FakeDevice(Device):
    """A processor that breaks when told; counts how often its memory was freed."""

    def __init__(self, name: str = "fake") -> None:
        super().__init__(name)
        self.is_broken = False
        self.freed = 0

    def is_alive(self) -> bool:
        return not self.is_broken

    def free_memory(self) -> None:
        self.freed += 1


class ManualThread(Executor):
    """A thread that does its next piece of work when told, in the caller's own."""

    def __init__(self) -> None:
        self._work: deque[tuple[Future[Any], Callable[[], Any]]] = deque()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._work.append((future, partial(fn, *args, **kwargs)))
        return future

    @property
    def is_busy(self) -> bool:
        return bool(self._work)

    async def work(self) -> None:
        """Do the oldest piece of work and let the event loop see to what follows from it."""
        future, call = self._work.popleft()
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 (as the library's own executors do)
            future.set_exception(error)
        await loop_turns()


class ManualClock:
    """A clock that moves when told, calling on its way back whoever asked to be called."""

    def __init__(self, now: float = 0.0) -> None:
        self._now = now
        self._timers: list[_ManualTimer] = []

    def now(self) -> float:
        return self._now

    def wall(self) -> float:
        return 1_700_000_000.0 + self._now

    def call_at(self, when: float, callback: Callable[[], object]) -> "_ManualTimer":
        timer = _ManualTimer(when, callback)
        self._timers.append(timer)
        return timer

    def advance(self, seconds: float) -> None:
        end = self._now + seconds
        while due := [timer for timer in self._timers if timer.callback and timer.when <= end]:
            timer = min(due, key=lambda timer: timer.when)
            self._timers.remove(timer)
            self._now = max(self._now, timer.when)
            timer.fire()
        self._now = end

    @property
    def next_call(self) -> float | None:
        """When the next call is due."""
        return min((timer.when for timer in self._timers if timer.callback), default=None)


class _ManualTimer:
    def __init__(self, when: float, callback: Callable[[], object]) -> None:
        self.when = when
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        self.callback = None

    def fire(self) -> None:
        if self.callback is not None:
            self.callback()


async def loop_turns(count: int = 8) -> None:
    """Let the event loop go round, so that whatever can run without time has run."""
    for _ in range(count):
        await checkpoint()


def picture(height: int = 48, width: int = 64) -> np.ndarray:
    """[height, width, 3] uint8, all grey."""
    return np.full((height, width, 3), 127, np.uint8)


def full_boxes(image: np.ndarray, prompts: BoxPrompts) -> InstanceMasks:
    masks = []
    for left, top, right, bottom in prompts.boxes_xyxy.round().astype(int):
        masks.append(np.zeros(image.shape[:2], bool))
        masks[-1][top:bottom, left:right] = True
    return InstanceMasks(
        boxes_xyxy=torch.as_tensor(prompts.boxes_xyxy, dtype=torch.float32),
        labels=torch.tensor(prompts.labels or [2] * len(masks)),
        scores=torch.full((len(masks),), 0.8),
        masks=Masks(len(masks), image.shape[:2], lambda: [rle.encode(mask) for mask in masks]),
    )


def _one_circle(image: np.ndarray, **_: Any) -> InstanceMasks:
    height, width = image.shape[:2]
    mask = np.zeros((height, width), bool)
    mask[: height // 2, : width // 2] = True
    return InstanceMasks(
        boxes_xyxy=torch.tensor([[0.0, 0.0, width // 2, height // 2]]),
        labels=torch.tensor([1]),
        scores=torch.tensor([0.9]),
        masks=Masks(1, (height, width), lambda: [rle.encode(mask)]),
    )
