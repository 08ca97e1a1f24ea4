"""The way from a command to a service: one at a URL, or one in this process."""

import argparse
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from service.cli import CommandFailed
from service.client import AsyncClient
from service.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what says where the service is and which model answers."""
    parser.add_argument("--url", help="ask the service there; default: one in this process")
    parser.add_argument(
        "--model",
        help="variant that answers; default: the first of MASKD_MODELS that can, else one whose "
        "weights are included",
    )


@asynccontextmanager
async def connected(
    given: argparse.Namespace, settings: Settings, task: str, *, helper: str | None = None
) -> AsyncIterator[AsyncClient]:
    """A client of the service that the arguments name.

    Args:
        given: arguments, `url` and `model` among them.
        settings: of a service in this process.
        task: what its model must do, as the zoo calls it.
        helper: what a second model must do, that the first may ask; which one, standard error
            tells, since results depend on it.

    Raises:
        CommandFailed: there is no such service, or it cannot start.
    """
    if given.url is not None:
        if not given.url.startswith(("http://", "https://")):
            raise CommandFailed(f"--url {given.url}: it must begin with http:// or https://")
        async with AsyncClient(given.url) as client:
            yield client
        return
    # Here, since it takes torch, which is slow to import and which a service elsewhere spares us.
    from service.cli import in_process  # noqa: PLC0415

    models = [in_process.choose(settings, task, given.model)]
    if helper is not None:
        models.append(in_process.choose(settings, helper, None))
        sys.stderr.write(f"maskd: {models[0]} to follow, {models[1]} to find\n")
    async with in_process.running(settings, tuple(models)) as client:
        yield client
