"""Loading the configured models: predictors, replicas, bounds and queues put together."""

import asyncio
import gc
import logging
import textwrap
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from models.predictor import ImagePredictor, VideoPredictor
from service.engine.admission import Admission, Capacity
from service.engine.batcher import Batcher
from service.engine.clock import Clock
from service.engine.company import Rhythms
from service.engine.loader import EngineStartError, Loader
from service.engine.policy import Company, Limits
from service.engine.pool import Loaded, LoadedModel
from service.engine.query import answer
from service.engine.replica import Device, Replica, new_thread, resolve_devices
from service.engine.stats import ModelStats, Stats
from service.engine.tracker import Lane, LoadedTracker, forward_of
from service.settings import Settings

_log = logging.getLogger("maskd.engine")

Predictor = ImagePredictor | VideoPredictor

_MAX_REASON = 500  # characters of the line that says why the start failed


class Assembly:
    """Makes loaded models from names.

    State, on the event loop only: `_threads` that were started, by model; `_cpu_warm_up`, held
    while a model runs for the first time on the CPU.

    Args:
        settings: where models run, within which bounds.
        loader: makes predictors.
        clock: of all queues.
        stats: of the engine.
        on_lost: called when a model has lost its last device.
    """

    def __init__(
        self,
        settings: Settings,
        loader: Loader,
        clock: Clock,
        stats: Stats,
        on_lost: Callable[[], object],
    ) -> None:
        self._settings = settings
        self._loader = loader
        self._clock = clock
        self._stats = stats
        self._on_lost = on_lost
        # CPU replicas take turns on one thread, each with every core: at the same time they would
        # only be in each other's way.
        self._cpu_thread = new_thread(Device("cpu"))
        self._cpu_warm_up = asyncio.Lock()
        self._threads: dict[str, list[tuple[Device, Executor]]] = defaultdict(list)

    async def load(self, names: Sequence[str]) -> list[Loaded]:
        """Return the models, each on every device; all are loaded at once and run once.

        Raises:
            EngineStartError: any of it failed; the message is one line.
        """
        try:
            async with asyncio.TaskGroup() as group:
                loads = [group.create_task(self.load_one(name)) for name in names]
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return [load.result() for load in loads]

    async def load_one(self, name: str) -> Loaded:
        """Return a model, on every device; it has run once.

        Raises:
            EngineStartError: any of it failed; the message is one line.
        """
        began = self._clock.now()
        try:
            devices = resolve_devices(self._settings.devices)
        except ValueError as error:
            raise EngineStartError(str(error)) from error
        try:
            variant, task = self._loader.variant(name), self._loader.task(name)
            _log.info("%s is being loaded", name)
            predictors = await asyncio.gather(
                *(asyncio.to_thread(self._loader.load, name, device) for device in devices)
            )
            replicas = [self._replica(name, *on) for on in zip(predictors, devices, strict=True)]
            await asyncio.gather(
                *(
                    self._warm_up(replica, partial(_warm_up, predictor, size))
                    for replica, predictor in zip(replicas, predictors, strict=True)
                    for size in self._warm_up_sizes(predictor)
                )
            )
        except asyncio.CancelledError:
            self._shut_down(name)
            raise
        except Exception as error:
            self._shut_down(name)
            reason = textwrap.shorten(f"{name} cannot be loaded: {error}", _MAX_REASON)
            raise EngineStartError(reason) from error
        seconds = round(self._clock.now() - began, 3)
        where = ", ".join(devices)
        _log.info("%s is loaded on %s", name, where, extra={"fields": {"seconds": seconds}})
        return self._assemble(name, variant, task, predictors[0], replicas)

    def close(self) -> None:
        """Let the threads go; those that run a pass end with it."""
        for name in list(self._threads):
            self._shut_down(name)
        self._cpu_thread.shutdown(wait=False)

    async def release(self, name: str) -> None:
        """Let an unloaded model's own threads go, and give its memory back to its devices.

        A pass that still runs holds the network: it is waited for, as long as at a shutdown.
        """
        self._stats.forget(name)
        own = [thread for _, thread in self._threads.get(name, ())]
        threads = (self._cpu_thread, *own)
        ends = [asyncio.wrap_future(thread.submit(_nothing)) for thread in threads]
        devices = self._shut_down(name)
        await asyncio.wait(ends, timeout=self._settings.drain_s)
        await asyncio.to_thread(gc.collect)  # a network may hold itself in a circle
        for device in devices:
            await asyncio.to_thread(device.free_memory)

    def _shut_down(self, name: str) -> list[Device]:
        """End a model's own threads; return the devices that they worked on."""
        threads = self._threads.pop(name, [])
        for _, thread in threads:
            thread.shutdown(wait=False)
        return [device for device, _ in threads]

    async def _warm_up(self, replica: Replica[Any, Any], call: Callable[[], object]) -> None:
        """Make a call where the replica will run; on the CPU beside that thread, one at a time.

        Models that serve already share the CPU's thread and must not wait for one that comes.
        """
        if replica.device.name != "cpu":
            await replica.warm_up(call)
            return
        async with self._cpu_warm_up:
            await asyncio.to_thread(call)

    def _warm_up_sizes(self, predictor: Predictor) -> Iterable[tuple[int, int]]:
        """(height, width) of one picture for each input shape that the settings' sizes lead to."""
        pairs = (size.split("x") for size in self._settings.warm_up_sizes)
        sizes = [(int(height), int(width)) for width, height in pairs]
        return {predictor.input_shape(size): size for size in sizes}.values()

    def _replica(self, name: str, predictor: Predictor, device_name: str) -> Replica[Any, Any]:
        device = Device(device_name)
        thread = self._cpu_thread
        if device_name != "cpu":
            thread = new_thread(device)
            self._threads[name].append((device, thread))
            self._stats.watch_device(device.name, device.held_bytes)
        return Replica(_forward(predictor), device=device, thread=thread, clock=self._clock)

    def _assemble(
        self,
        name: str,
        variant: str,
        task: str,
        predictor: Predictor,
        replicas: Sequence[Replica[Any, Any]],
    ) -> Loaded:
        """Put bounds and queues in front of the replicas: one queue, or one a lane."""
        stats = ModelStats(self._stats, name)
        for replica in replicas:
            stats.replica_memory(replica.device.name, predictor.nbytes)
        capacity = Capacity(
            self._settings.max_queue_images, self._settings.max_queue_megapixels * 1e6
        )
        admission = Admission(name, capacity, stats)
        queue = partial(self._queue, admission=admission, stats=stats)
        if not isinstance(predictor, VideoPredictor):
            batcher = queue(replicas, on_lost=self._on_lost)
            return LoadedModel(name, variant, task, predictor, admission, batcher)
        lanes: list[Lane] = []

        def lose() -> None:
            if not any(lane.is_alive for lane in lanes):
                self._on_lost()

        for replica in replicas:
            build = partial(queue, [replica], of_lanes=len(replicas), on_lost=lose)
            rhythms = Rhythms(self._settings.session_gather_ms / 1e3)
            lanes.append(Lane(build, predictor.input_shape, rhythms, self._clock))
        return LoadedTracker(name, variant, predictor, admission, tuple(lanes))

    def _queue(
        self,
        replicas: Sequence[Replica[Any, Any]],
        *,
        admission: Admission,
        stats: ModelStats,
        on_lost: Callable[[], object],
        company: Callable[[], Company] = dict,
        of_lanes: int = 1,
    ) -> Batcher[Any, Any]:
        limits = Limits(self._settings.max_batch_size, self._settings.max_batch_wait_ms)
        return Batcher(
            replicas,
            lambda: replace(limits, company=company()),
            self._clock,
            stats,
            on_ran=lambda seconds, answers: admission.measure(seconds / of_lanes, answers),
            on_lost=on_lost,
        )


def _nothing() -> None:
    """Do nothing, once a thread has done all that it had to do before."""


def _forward(predictor: Predictor) -> Callable[..., Sequence[Any]]:
    if isinstance(predictor, VideoPredictor):
        return forward_of(predictor)
    return partial(answer, predictor)


def _warm_up(predictor: Predictor, size: tuple[int, int]) -> None:
    """Do once what a first picture, or the first frames of a session, would wait for."""
    frame = np.zeros((*size, 3), np.uint8)
    if not isinstance(predictor, VideoPredictor):
        predictor.predict([frame])
        return
    height, width = frame.shape[:2]
    mask = np.ones((height, width), bool)
    prompt = mask if "mask" in predictor.prompts else np.array([0.0, 0.0, width / 2, height / 2])
    state, _ = predictor.start(frame, {1: prompt})
    predictor.step([state], [frame])
