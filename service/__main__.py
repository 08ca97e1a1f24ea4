"""Arguments and environment in, a running service out; the only place that starts a process."""

import argparse
import logging
import os
import socket
import sys
from collections.abc import Sequence

from service import __version__, logs
from service.app import create_app
from service.server import Server
from service.settings import Settings, SettingsError
from service.weights import command as weights
from service.weights.errors import WeightsError

_log = logging.getLogger("maskd")
_BACKLOG = 2048


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status: 0, 1 after a failure, 2 for wrong settings."""
    given = _parser().parse_args(arguments)
    chosen = {name: value for name, value in vars(given).items() if name.startswith("MASKD_")}
    environ = {**os.environ, **{name: value for name, value in chosen.items() if value}}
    try:
        status: int = given.run(given, Settings.from_env(environ))
    except SettingsError as error:
        sys.stderr.write(f"maskd: {error}\n")
        return 2
    except WeightsError as error:
        sys.stderr.write(f"maskd: {error}\n")
        return 1
    return status


def _serve(given: argparse.Namespace, settings: Settings) -> int:
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="maskd", description="Pictures in, masks out, over HTTP.")
    parser.add_argument("--version", action="version", version=f"maskd {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")
    serve = commands.add_parser("serve", help="run the service; settings come from MASKD_*")
    serve.add_argument("--host", dest="MASKD_HOST", help="address to listen on")
    serve.add_argument("--port", dest="MASKD_PORT", help="port; 0 picks a free one")
    serve.set_defaults(run=_serve)
    weights.add_parser(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
