"""What `segment`, `semantic` and `detect` do with their pictures, all in the same way."""

import argparse
import asyncio
import json
import sys
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from tqdm import tqdm

from service.cli import coco, connection, files, sources
from service.client import AsyncClient, MaskdError
from service.settings import Settings

R = TypeVar("R")

_IN_FLIGHT = 4  # so that a batch gathers while another runs


@dataclass(frozen=True)
class Task(Generic[R]):
    """What differs between the commands.

    Attributes:
        name: of the task, as the zoo calls it.
        ask: client, picture, options -> reply.
        says: reply -> what was found, in words for one line.
        results: reply -> members of COCO results, one each thing found.
        draw: picture, reply -> PNG of the picture with the result drawn on it.
    """

    name: str
    ask: Callable[[AsyncClient, bytes, Mapping[str, Any]], Awaitable[R]]
    says: Callable[[R], str]
    results: Callable[[R], list[dict[str, Any]]]
    draw: Callable[[bytes, R], bytes]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of every command that takes pictures."""
    parser.add_argument("files", metavar="FILE", nargs="+", help="picture, folder or pattern")
    connection.add_arguments(parser)
    parser.add_argument("--labels", help="only these: names or category ids, comma separated")
    parser.add_argument("--out", metavar="DIR", type=Path, help="write pictures with results drawn")
    parser.add_argument("--coco", metavar="FILE", type=Path, help="write COCO results, JSON")


def run(task: Task[R], given: argparse.Namespace, settings: Settings, **options: Any) -> int:
    """Answer all pictures; return 1 if any failed, whatever became of the others."""
    paths = sources.pictures(given.files)
    if given.out is not None:
        files.make_folder(given.out)
    wanted = {"model": given.model, "labels": given.labels, **options}
    work = _Work(task, paths, given.out, wanted)
    asyncio.run(_answer(work, given, settings))
    if given.coco is not None:
        files.write(given.coco, json.dumps(work.results).encode())
    return min(work.failures, 1)


class _Work(Generic[R]):
    """The pictures of one command.

    State: `results` and `failures`, growing as answers come.
    """

    def __init__(
        self, task: Task[R], paths: Sequence[Path], out: Path | None, options: Mapping[str, Any]
    ) -> None:
        self.task = task
        self.paths = paths
        self.results: list[dict[str, Any]] = []
        self.failures = 0
        self._out = out
        self._options = options
        self._ids = coco.image_ids(paths)
        self._stems = sources.stems(paths)

    async def ask(self, client: AsyncClient, path: Path) -> R:
        """Return what the service says of a picture, once its overlay is written."""
        picture = await asyncio.to_thread(path.read_bytes)
        reply = await self.task.ask(client, picture, self._options)
        if self._out is not None:
            drawn = await asyncio.to_thread(self.task.draw, picture, reply)
            await asyncio.to_thread(files.write, self._out / f"{self._stems[path]}.png", drawn)
        return reply

    def take(self, path: Path, outcome: R | Exception) -> None:
        """Tell of one picture, and keep its results."""
        if isinstance(outcome, Exception):
            self.failures += 1
            tqdm.write(f"maskd: {path}: {outcome}", file=sys.stderr)
            return
        image = {"image_id": self._ids[path], "file_name": path.name}
        self.results += [{**image, **result} for result in self.task.results(outcome)]
        tqdm.write(f"{path}: {self.task.says(outcome) or 'nothing'}", file=sys.stdout)


async def _answer(work: _Work[R], given: argparse.Namespace, settings: Settings) -> None:
    async with connection.connected(given, settings, work.task.name) as client:

        async def ask(path: Path) -> R:
            return await work.ask(client, path)

        with tqdm(total=len(work.paths), unit="picture", disable=None, file=sys.stderr) as bar:
            async for path, outcome in in_order(work.paths, ask):
                work.take(path, outcome)
                bar.update()


async def in_order(
    paths: Iterable[Path], ask: Callable[[Path], Awaitable[R]]
) -> AsyncIterator[tuple[Path, R | Exception]]:
    """Ask for several at once; give what comes in the order of the paths."""
    pending: deque[tuple[Path, asyncio.Future[R]]] = deque()
    waiting = iter(paths)
    try:
        while True:
            for path in waiting:
                pending.append((path, asyncio.ensure_future(ask(path))))
                if len(pending) == _IN_FLIGHT:
                    break
            if not pending:
                return
            path, answer = pending.popleft()
            try:
                yield path, await answer
            except (MaskdError, OSError) as error:
                yield path, error
    finally:
        for _, answer in pending:
            answer.cancel()
