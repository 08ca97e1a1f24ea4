"""The engine's metrics, declared once; the model is a label of all that are not a device's."""

from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from service.engine.job import Answer, Job
from service.engine.policy import Reason
from service.errors import DeadlineExceeded, InferenceFailed, NotReady, OutOfMemory, ServiceError

_SECONDS = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
_SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)

Reading = Callable[[], float]

# Outcomes of jobs that ended with an error; `ok`, `cancelled` and `rejected` have none.
_OUTCOMES: dict[type[ServiceError], str] = {
    DeadlineExceeded: "expired",
    OutOfMemory: "oom",
    InferenceFailed: "failed",
    NotReady: "closed",
}


class Stats:
    """Every metric of the engine.

    State: `_gauges`, all that show a model as it is now.

    Args:
        registry: where they are registered; one engine a registry.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._gauges: list[Gauge] = []

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            self._gauges.append(Gauge(f"maskd_{name}", text, ["model", *labels], registry=registry))
            return self._gauges[-1]

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"maskd_{name}", text, ["model", *labels], registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(f"maskd_{name}", text, ["model"], buckets=buckets, registry=registry)

        self.jobs = counter("jobs", "Jobs by how they ended.", "outcome")
        self.batches = counter("batches", "Batches by why they were run.", "reason")
        self.batch_size = histogram("batch_size", "Jobs that left the queue together.", _SIZES)
        self.queue_wait = histogram(
            "queue_wait_seconds", "Seconds of answered jobs from the queue to the run.", _SECONDS
        )
        self.run = histogram("run_seconds", "Seconds that batches ran.", _SECONDS)
        self.admitted_images = gauge("admitted_images", "Pictures admitted and not yet answered.")
        self.admitted_pixels = gauge("admitted_pixels", "Their pixels.")
        self.queue_images = gauge("queue_images", "Jobs that wait for a replica.")
        self.running_images = gauge("running_images", "Jobs on replicas.")
        self.oldest_wait = gauge(
            "queue_oldest_wait_seconds", "Seconds that the oldest of the queue has waited."
        )
        self.replica_up = gauge("replica_up", "1 while the replica works.", "device")
        self.memory = gauge("model_memory_bytes", "Weights that a replica holds.", "device")
        self._device_memory = Gauge(
            "maskd_device_memory_bytes",
            "What torch holds of a CUDA device's memory, in use or in reserve.",
            ["device"],
            registry=registry,
        )

    def forget(self, model: str) -> None:
        """Show no more how a model is, and hold nothing that reads it; what was counted stays."""
        for gauge in self._gauges:
            gauge.remove_by_labels({"model": model})

    def watch_device(self, device: str, nbytes: Reading) -> None:
        """Show what is held of a device's memory whenever somebody looks."""
        self._device_memory.labels(device).set_function(nbytes)


class ModelStats:
    """One model's share of them.

    State: `_queues`, how to read each of the model's queues.

    Args:
        stats: of the engine.
        model: its name.
    """

    def __init__(self, stats: Stats, model: str) -> None:
        self._stats = stats
        self._model = model
        self._queues: list[tuple[Reading, Reading, Reading]] = []

    def watch_admission(self, images: Reading, pixels: Reading) -> None:
        """Show what is admitted whenever somebody looks."""
        self._stats.admitted_images.labels(self._model).set_function(images)
        self._stats.admitted_pixels.labels(self._model).set_function(pixels)

    def watch_queue(self, queued: Reading, running: Reading, oldest_wait_s: Reading) -> None:
        """Show where the jobs of one more queue are whenever somebody looks."""
        self._queues.append((queued, running, oldest_wait_s))
        all_queued, all_running, all_oldest = zip(*self._queues, strict=True)
        show = self._stats
        show.queue_images.labels(self._model).set_function(lambda: sum(_read(all_queued)))
        show.running_images.labels(self._model).set_function(lambda: sum(_read(all_running)))
        show.oldest_wait.labels(self._model).set_function(lambda: max(_read(all_oldest)))

    def replica_up(self, device: str, *, is_up: bool) -> None:
        """Note whether a replica works."""
        self._stats.replica_up.labels(self._model, device).set(is_up)

    def replica_memory(self, device: str, nbytes: int) -> None:
        """Note what a replica's weights take."""
        self._stats.memory.labels(self._model, device).set(nbytes)

    def started(self, size: int, reason: Reason) -> None:
        """Count a batch that left the queue."""
        self._stats.batches.labels(self._model, reason).inc()
        self._stats.batch_size.labels(self._model).observe(size)

    def ran(self, run_s: float) -> None:
        """Note how long a batch ran."""
        self._stats.run.labels(self._model).observe(run_s)

    def settled(self, job: Job[Any, Any], end: Answer[Any] | ServiceError) -> None:
        """Count a job's end."""
        if isinstance(end, Answer):
            self._stats.queue_wait.labels(self._model).observe(end.started - job.queued_at)
            self.ended("ok")
        else:
            self.ended(_OUTCOMES[type(end)])

    def ended(self, outcome: str) -> None:
        """Count an end by its name."""
        self._stats.jobs.labels(self._model, outcome).inc()


def _read(readings: Iterable[Reading]) -> list[float]:
    return [reading() for reading in readings]
