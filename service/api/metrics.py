"""What is measured of HTTP itself, under OpenTelemetry's names; the engine measures its own."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0)
# Streams would drown what requests take.
_WITHOUT_DURATION = "WEBSOCKET"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class HttpMetrics:
    """The figures of all requests.

    Args:
        registry: where they are registered; one a process, or one a test.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ["http_request_method", "http_route", "http_response_status_code"]
        self._duration = Histogram(
            "http_server_request_duration_seconds",
            "Seconds from a request's headers to the end of its reply.",
            labels,
            buckets=_SECONDS,
            registry=registry,
        )
        self.active = Gauge(
            "http_server_active_requests", "Requests being answered.", registry=registry
        )
        self._gone = Counter(
            "maskd_client_disconnects",
            "Requests whose client left before the reply.",
            ["http_route"],
            registry=registry,
        )

    def observe(self, method: str, route: str, status: int | None, seconds: float) -> None:
        """Count one ended request; `status` None means that its client left.

        Streams are not counted here.
        """
        if status is None:
            self._gone.labels(route).inc()
            return
        if method == _WITHOUT_DURATION:
            return
        known = method if method in _METHODS else "_OTHER"
        self._duration.labels(known, route, str(status)).observe(seconds)
