"""What is published about each variant, read from `published.toml`: licence, score and files."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

INCLUDED = "included"
UNPUBLISHED = "never published"


@dataclass(frozen=True)
class PublishedFile:
    """One file that holds a variant's weights.

    Attributes:
        url: where it is published.
        file: its name there.
        naming: whose names its tensors have.
        sha256: its digest or, where only that is published, the digest's beginning; "": unknown.
        size_mib: mebibytes, where the publication tells them.
    """

    url: str
    file: str
    naming: str
    sha256: str = ""
    size_mib: float | None = None


@dataclass(frozen=True)
class Publication:
    """What is published about one variant.

    Attributes:
        licence: of the weights.
        score: as published, in words.
        files: the same weights, the preferred file first; empty: nobody published them.
        checkpoint: where the preferred file is, "included" or "never published".
    """

    licence: str
    score: str
    files: tuple[PublishedFile, ...]
    checkpoint: str


def _read() -> Mapping[str, Publication]:
    tables = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    publications = {}
    for name, table in tables.items():
        files = tuple(PublishedFile(**file) for file in table.pop("files", ()))
        where = {"checkpoint": files[0].url} if files else {}
        publications[name] = Publication(files=files, **where, **table)
    return MappingProxyType(publications)


PUBLICATIONS = _read()
