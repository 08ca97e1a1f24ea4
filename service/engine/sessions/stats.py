"""The metrics of sessions; the sizes of their batches are with those of all models."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge

from service.errors import GoneReason

Reading = Callable[[], float]


class SessionStats:
    """Every metric of sessions.

    Args:
        registry: where they are registered.
        count: tells how many sessions are open.
        nbytes: tells what they remember.
    """

    def __init__(self, registry: CollectorRegistry, count: Reading, nbytes: Reading) -> None:
        def counter(name: str, text: str, label: str) -> Counter:
            return Counter(f"maskd_{name}", text, [label], registry=registry)

        Gauge("maskd_sessions", "Open sessions.", registry=registry).set_function(count)
        Gauge("maskd_session_memory_bytes", "What they remember.", registry=registry).set_function(
            nbytes
        )
        self._opened = counter("sessions_opened", "Sessions that were opened.", "model")
        self._restored = counter("sessions_restored", "Sessions back from the disk.", "model")
        self._ended = counter("sessions_ended", "Sessions by why they ended.", "reason")
        self._frames = counter("session_frames", "Frames that were answered.", "model")

    def opened(self, model: str) -> None:
        """Count a session that was opened."""
        self._opened.labels(model).inc()

    def restored(self, model: str) -> None:
        """Count a session that came back from the disk."""
        self._restored.labels(model).inc()

    def ended(self, reason: GoneReason) -> None:
        """Count a session's end."""
        self._ended.labels(reason).inc()

    def answered(self, model: str) -> None:
        """Count a frame that moved its session on."""
        self._frames.labels(model).inc()
