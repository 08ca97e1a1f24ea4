"""`maskd weights`: list, fetch, import, verify, export."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tqdm import tqdm

from models import zoo
from service.settings import Settings
from service.weights import acquire
from service.weights.download import Progress
from service.weights.errors import WeightsError
from service.weights.folder import Folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own actions."""
    actions = parser.add_subparsers(required=True, metavar="action")
    actions.add_parser("list", help="what there is, and what is here").set_defaults(act=_list)
    fetch = actions.add_parser("fetch", help="download, verify and convert")
    fetch.add_argument("variants", metavar="VARIANT", nargs="+")
    fetch.set_defaults(act=_fetch)
    bring = actions.add_parser("import", help="verify and convert a file that is here")
    bring.add_argument("variant", metavar="VARIANT", help="whose network the weights fit")
    bring.add_argument("file", metavar="FILE", type=Path)
    bring.add_argument("--name", help="what to call weights that are not the published ones")
    bring.add_argument("--labels", type=Path, help="JSON file of their classes")
    bring.set_defaults(act=_import)
    verify = actions.add_parser("verify", help="compare with the recorded digests")
    verify.add_argument("names", metavar="NAME", nargs="*", help="default: all that are here")
    verify.set_defaults(act=_verify)
    export = actions.add_parser("export", help="verify and copy, to be carried elsewhere")
    export.add_argument("directory", metavar="DIR", type=Path)
    export.add_argument("names", metavar="NAME", nargs="*", help="default: all that are here")
    export.set_defaults(act=_export)


def run(given: argparse.Namespace, settings: Settings) -> int:
    """Do what was asked; return the exit status."""
    status: int = given.act(given, settings)
    return status


def _list(given: argparse.Namespace, settings: Settings) -> int:
    del given
    folder = Folder(Path(settings.weights_dir))
    here = folder.names()
    rows = [("name", "task", "weights", "licence")]
    for variant in zoo.available().values():
        state = variant.checkpoint if not variant.files else "to fetch"
        state = "here" if variant.name in here else state
        rows.append((variant.name, variant.task, state, variant.licence))
    for name in (name for name in here if name not in zoo.available()):
        origin = zoo.read_origin(folder.path(name))
        variant_name = origin.variant if origin else "unknown"
        task = zoo.available()[variant_name].task if variant_name in zoo.available() else "unknown"
        rows.append((name, task, "here", f"your own, for the network of {variant_name}"))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        _say("  ".join([*padded, row[3]]))
    return 0


def _fetch(given: argparse.Namespace, settings: Settings) -> int:
    folder = Folder(Path(settings.weights_dir))

    def fetch(variant: str) -> str:
        if folder.path(variant).exists():
            return "is here already"
        files = acquire.locations(variant, settings.weights_urls)
        acquire.fetch(variant, files, folder, progress=_bar, say=_complain)
        return f"is here, from {_source(folder, variant)}"

    return _each(given.variants, fetch)


def _import(given: argparse.Namespace, settings: Settings) -> int:
    folder = Folder(Path(settings.weights_dir))

    def bring_in(variant: str) -> str:
        name = acquire.bring_in(variant, given.file, folder, labels=given.labels, name=given.name)
        return f"is here: serve it with MASKD_MODELS={name}"

    return _each([given.variant], bring_in)


def _verify(given: argparse.Namespace, settings: Settings) -> int:
    folder = Folder(Path(settings.weights_dir))

    def verify(name: str) -> str:
        problem = folder.verify(name)
        if problem is not None:
            raise WeightsError(problem)
        return f"is as recorded, from {_source(folder, name)}"

    return _each(given.names or sorted({*folder.names(), *folder.records()}), verify)


def _export(given: argparse.Namespace, settings: Settings) -> int:
    folder = Folder(Path(settings.weights_dir))

    def export(name: str) -> str:
        folder.export(name, given.directory)
        return f"is in {given.directory}"

    return _each(given.names or folder.names(), export)


def _each(names: Sequence[str], act: Callable[[str], str]) -> int:
    """Do it for every name, whatever becomes of the others; return 1 if any failed."""
    failures = 0
    for name in names:
        try:
            _say(f"{name} {act(name)}")
        except (WeightsError, OSError) as error:
            failures += 1
            _complain(f"{name}: {error}")
    return min(failures, 1)


def _source(folder: Folder, name: str) -> str:
    origin = zoo.read_origin(folder.path(name))
    return origin.source if origin else "nowhere known"


def _bar(file: str) -> Progress:
    """A progress bar where somebody watches."""
    bar = tqdm(desc=file, unit="B", unit_scale=True, disable=None, file=sys.stderr)

    def show(done: int, total: int | None) -> None:
        bar.total = total
        bar.update(done - bar.n)
        if done == total:
            bar.close()

    return show


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _complain(line: str) -> None:
    sys.stderr.write(f"maskd: {line}\n")
