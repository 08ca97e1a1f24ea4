"""`maskd serve`: the service, until a signal ends it."""

import argparse
import logging
import os
import socket
import sys

from service import __version__, logs
from service.app import create_app
from service.server import Server
from service.settings import Settings

_log = logging.getLogger("maskd")
_BACKLOG = 2048


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments; `main` reads those that are called as settings are."""
    parser.add_argument("--host", dest="MASKD_HOST", help="address to listen on")
    parser.add_argument("--port", dest="MASKD_PORT", help="port; 0 picks a free one")


def run(given: argparse.Namespace, settings: Settings) -> int:
    """Serve; return the exit status: 0, 1 after a failure, 2 for an address it cannot have."""
    del given
    try:
        listener = _listen(settings)
    except OSError as error:
        sys.stderr.write(f"maskd: {error}\n")
        return 2
    with listener:
        return _run(settings, listener)


def _run(settings: Settings, listener: socket.socket) -> int:
    logs.configure(settings.log_format)
    host, port = listener.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    hints = {"url": url, "docs": f"{url}/docs", "try": f"curl -F image=@PICTURE {url}/segment"}
    _log.info("listening", extra={"fields": {"version": __version__, **hints}})
    server = Server(create_app(settings))
    server.run(sockets=[listener])
    return 1 if server.has_failed else 0


def _listen(settings: Settings) -> socket.socket:
    """Return a socket that listens already, so that a taken port stops the start."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        code = error.errno or 0  # below 0 for names that cannot be looked up
        reason = os.strerror(code) if code > 0 else error.strerror
        raise OSError(f"cannot listen on {where}: {reason}") from error
