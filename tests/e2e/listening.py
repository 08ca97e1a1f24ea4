"""The service on a real port, in a thread of this process, over a network behind a gate."""

import asyncio
import logging
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from service.app import create_app
from service.engine.engine import Engine
from service.server import Server
from service.settings import Settings
from tests.fakes import FakeLoader, FakeModel, Gate

WAIT_S = 20.0


class LogWatch(logging.Handler):
    """Lets a test wait for a log line."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = threading.Condition()
        self._records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        with self._changed:
            self._records.append(record)
            self._changed.notify_all()

    def wait_for(self, message: str, **fields: Any) -> logging.LogRecord:
        """Return the line with this message and these fields, once it was written."""

        def found() -> logging.LogRecord | None:
            for record in self._records:
                has = getattr(record, "fields", {})
                if message in record.getMessage() and fields.items() <= has.items():
                    return record
            return None

        with self._changed:
            record = self._changed.wait_for(found, WAIT_S)
        assert record is not None, f"no log line {message} {fields}"
        return record


class Expectant(FakeModel):
    """A network that tells when a decoded picture is about to be queued."""

    def __init__(self, gate: Gate) -> None:
        super().__init__(gate=gate)
        self.asked = threading.Semaphore(0)

    def input_shape(self, image_size: tuple[int, int]) -> tuple[int, int]:
        self.asked.release()
        return super().input_shape(image_size)

    def wait_asked(self) -> None:
        """Return once a picture was about to be queued; each counts once."""
        assert self.asked.acquire(timeout=WAIT_S)


class Listening:
    """A service that listens.

    Args:
        model: its network that segments.
        engine_kind: what runs it.
        others: further networks, by their task.
        settings: of the service.

    Attributes:
        gate: where its network waits once it is closed.
        model: its network.
        log: its log.
        server: in its thread.
    """

    def __init__(
        self,
        model: Any = None,
        engine_kind: type[Engine] = Engine,
        *,
        others: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        self.gate = Gate()
        self.model = model or Expectant(self.gate)
        self.log = LogWatch()
        models = {"fake": self.model, **(others or {})}
        tasks = {task: task for task in others or {}}
        chosen = Settings(models=tuple(models), devices=("cpu",), **settings)
        self.engine = engine_kind(chosen, loader=FakeLoader(models, tasks))
        self.app = create_app(chosen, engine=self.engine)
        self.server = Server(self.app)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.url = f"http://127.0.0.1:{self.address[1]}"
        self.thread = threading.Thread(target=self.server.run, args=[[self.listener]])

    def signal(self) -> None:
        """Do what SIGTERM does to a process."""
        self.server.handle_exit(15, None)

    def in_loop(self, coroutine: Any) -> Any:
        """Return what a coroutine returns on the service's own event loop."""
        loop = self.app.state.loading.get_loop()
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(WAIT_S)

    def close_gate(self) -> None:
        """Make the network wait from now on."""
        while self.model.asked.acquire(blocking=False):
            pass
        for _ in self.model.calls:
            self.gate.wait_arrival()
        self.gate.close()

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=WAIT_S)

    def has_ended(self) -> bool:
        """Whether the server has let go of its thread, in good time."""
        self.thread.join(WAIT_S)
        return not self.thread.is_alive()


@contextmanager
def listening(model: Any = None, *, wait: str = "ready", **settings: Any) -> Iterator[Listening]:
    """A service that listens while the block runs, from when it logged `wait`."""
    service = Listening(model, **settings)
    root = logging.getLogger()
    level = root.level
    root.addHandler(service.log)
    root.setLevel(logging.INFO)
    service.thread.start()
    try:
        service.log.wait_for(wait)
        yield service
    finally:
        service.gate.open()
        with suppress(RuntimeError):  # its event loop is closed already
            service.signal()
            service.signal()
        service.thread.join(WAIT_S)
        root.removeHandler(service.log)
        root.setLevel(level)
        service.listener.close()
