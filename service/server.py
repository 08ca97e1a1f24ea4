"""The process around the app: listens at once, drains before it closes."""

import asyncio
import logging
import socket
from functools import partial
from types import FrameType

import anyio
import uvicorn
from fastapi import FastAPI

from service.api.dependencies import Services
from service.connection import Connection
from service.engine.loader import EngineStartError

_log = logging.getLogger("maskd.server")


class Server(uvicorn.Server):
    """A server that ends its running work before it stops listening.

    On the first signal the service turns not ready and refuses new work, but goes on listening,
    so that whoever routes requests here is told; it closes once nothing runs any more, or when the
    drain's time is over. A second signal closes at once.

    State: `has_failed` once the models could not be loaded, or have lost their devices; `_loop` and
    `_watch`, the task that sees to that, once it listens; `_drain` once a signal came.

    Args:
        app: made by `service.app.create_app`.
    """

    def __init__(self, app: FastAPI) -> None:
        services: Services = app.state.services
        settings = services.settings
        connection = partial(
            Connection, head_s=settings.deadline_s, reading_s=settings.session_idle_s
        )
        super().__init__(
            uvicorn.Config(
                app,
                http=connection,  # type: ignore[arg-type]  # it is only called
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="on",
                timeout_keep_alive=75,  # longer than load balancers keep a connection idle
                ws_max_size=settings.max_body_bytes,
                ws_per_message_deflate=False,  # encoded pictures do not get smaller
                timeout_graceful_shutdown=1,  # the drain came before: only writing is left
            )
        )
        self._app = app
        self._services = services
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watch: asyncio.Task[None] | None = None
        self._drain: asyncio.Task[None] | None = None
        self.has_failed = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen; models go on loading."""
        await super().startup(sockets)
        self._loop = asyncio.get_running_loop()
        self._watch = asyncio.ensure_future(self._watch_models())

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Answer a signal: drain on the first, close at once on the second."""
        del sig, frame
        if self._loop is None or self._drain is not None:
            self.should_exit = self.force_exit = True
        else:
            self._loop.call_soon_threadsafe(self._begin_drain)

    def _begin_drain(self) -> None:
        self._drain = self._drain or asyncio.ensure_future(self._drain_work())

    async def _drain_work(self) -> None:
        """Refuse new work, wait for what runs, then let the server close."""
        _log.info("draining")
        self._services.engine.drain()
        try:
            with anyio.move_on_after(self._services.settings.drain_s):
                await self._services.activity.wait_idle()
            await self._services.engine.aclose()
        finally:
            self.should_exit = True

    async def _watch_models(self) -> None:
        """End the process once its models cannot answer: whoever supervises it starts another."""
        try:
            await self._app.state.loading
            _log.info("ready")
            await self._services.engine.failed.wait()
            _log.error("a model has lost its devices")
        except EngineStartError as error:
            _log.error("cannot start: %s", error)
        except Exception:  # noqa: BLE001 (else a service would wait for ever to be ready)
            _log.exception("cannot start")
        self.has_failed = self.should_exit = True
