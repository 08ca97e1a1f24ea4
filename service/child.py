"""The service as a child process on a free port: for the demo, tests and benchmarks."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

_STOP_S = 60.0


class ServiceDied(RuntimeError):
    """The child ended before it was ready; the message is its last words."""


class Child:
    """A running service.

    State: `lines` and the two events, written by the thread that reads the child's log.

    Args:
        environ: of the child; host, port and log format are set here.

    Attributes:
        process: to signal and wait for.
        lines: the child's log so far, each line a JSON object.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        ours = {"MASKD_HOST": "127.0.0.1", "MASKD_PORT": "0", "MASKD_LOG_FORMAT": "json"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "service", "serve"],
            env={**environ, **ours},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[dict[str, Any]] = []
        self._said: dict[str, threading.Event] = {
            "listening": threading.Event(),
            "ready": threading.Event(),
        }
        self._last_words: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_until(self, message: str, timeout_s: float = 120.0) -> dict[str, Any]:
        """Return the log line with this message, once the child wrote it.

        Args:
            message: "listening" or "ready".
            timeout_s: how long to wait.

        Raises:
            ServiceDied: the child ended first, or the time did.
        """
        self._said[message].wait(timeout_s)
        found = [line for line in self.lines if line["message"] == message]
        if not found:
            complaints = [line["message"] for line in self.lines if line["level"] == "error"]
            words = "\n".join([*self._last_words, *complaints])
            raise ServiceDied(words or f"not {message} in {timeout_s:g} s")
        return found[0]

    @property
    def url(self) -> str:
        """Where it listens."""
        url: str = self.wait_until("listening")["url"]
        return url

    def stop(self) -> int:
        """End the child and return its exit status."""
        with self.process:
            self.process.terminate()
            try:
                self.process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
            self._reader.join()
        return self.process.returncode

    def _read(self) -> None:
        if self.process.stderr is None:
            return
        for text in self.process.stderr:
            try:
                line = json.loads(text)
            except ValueError:
                self._last_words.append(text.rstrip())
                continue
            self.lines.append(line)
            if line["message"] in self._said:
                self._said[line["message"]].set()
        for event in self._said.values():
            event.set()  # nothing more will come


@contextmanager
def running(environ: Mapping[str, str]) -> Iterator[Child]:
    """Run the service while the block runs, from when its models are ready.

    Args:
        environ: of the child, its `MASKD_*` settings among it.

    Raises:
        ServiceDied: it could not start.
    """
    child = Child(environ)
    try:
        child.wait_until("ready")
        yield child
    finally:
        child.stop()
