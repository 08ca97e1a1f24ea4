"""Which pictures a command line names."""

import glob
from collections.abc import Iterable, Sequence
from pathlib import Path

from service.cli import CommandFailed

SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"))


def pictures(names: Iterable[str]) -> list[Path]:
    """Return the files that names mean, in their order, each once.

    A name is a file's, a folder's (for the pictures in it, by name), or a pattern.

    Raises:
        CommandFailed: there is nothing of a name.
    """
    return list(dict.fromkeys(path for name in names for path in _found(name)))


def stems(paths: Sequence[Path]) -> dict[Path, str]:
    """Return a name without suffix for what is made of each file; no two are the same."""
    plain = [path.stem for path in paths]
    whole = {path: path.as_posix().strip("./").replace("/", "_") for path in paths}
    return {path: path.stem if plain.count(path.stem) == 1 else whole[path] for path in paths}


def _found(name: str) -> list[Path]:
    path = Path(name)
    if path.is_dir():
        found = sorted(one for one in path.iterdir() if one.suffix.lower() in SUFFIXES)
        if not found:
            raise CommandFailed(f"{name}: there are no pictures in this folder")
        return found
    if path.exists():
        return [path]
    matches = [Path(one) for one in sorted(glob.glob(name, recursive=True))]  # noqa: PTH207
    if not matches:
        raise CommandFailed(f"{name}: there is no such file")
    return [one for one in matches if one.is_file()]
