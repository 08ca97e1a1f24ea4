"""The command line's entrance: finds the command, reads the settings, returns the exit status."""

import argparse
import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from service import __version__
from service.cli import CommandFailed
from service.settings import Settings, SettingsError
from service.weights.errors import WeightsError

COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "serve": "run the service; settings come from MASKD_*",
        "segment": "find the objects of pictures, each with its mask",
        "semantic": "find the category of every pixel of pictures",
        "detect": "find the boxes of pictures' objects",
        "track": "follow objects of a first frame through a video",
        "doctor": "tell what this machine can do, what would not work, and why",
        "weights": "get published weights, or bring your own, into MASKD_WEIGHTS_DIR",
    }
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status: 0, 1 after a failure, 2 for wrong settings."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    given = _parser(words[:1]).parse_args(words)
    chosen = {name: value for name, value in vars(given).items() if name.startswith("MASKD_")}
    environ = {**os.environ, **{name: value for name, value in chosen.items() if value}}
    try:
        status: int = given.run(given, Settings.from_env(environ))
    except SettingsError as error:
        sys.stderr.write(f"maskd: {error}\n")
        return 2
    except (CommandFailed, WeightsError) as error:
        sys.stderr.write(f"maskd: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130  # as shells report it
    return status


def _parser(called: Sequence[str]) -> argparse.ArgumentParser:
    """All commands by name; the one that is called with its arguments."""
    parser = argparse.ArgumentParser(prog="maskd", description="Pictures in, masks out, over HTTP.")
    parser.add_argument("--version", action="version", version=f"maskd {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary)
        if name in called:
            module = importlib.import_module(f"service.cli.{name}")
            command.set_defaults(run=module.run)
            module.add_arguments(command)
    return parser


if __name__ == "__main__":
    sys.exit(main())
