"""The weights folder: what is in it, where it came from, and whether it is still the same."""

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from models import zoo
from service.weights.errors import WeightsError

_RECORDS = "digests.json"
_SUFFIX = ".safetensors"
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class Record:
    """What is known of one entry.

    Attributes:
        file: name of the file that it was converted from.
        source_sha256: digest of that file; a file of the same name must have it for ever.
        sha256: digest of the converted file.
    """

    file: str
    source_sha256: str
    sha256: str


class Folder:
    """Converted weights by name, and `digests.json` beside them.

    State: on disk only.

    Args:
        path: made when something is put into it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def path(self, name: str) -> Path:
        """Return where the weights of that name are, or would be."""
        return self._path / f"{name}{_SUFFIX}"

    def downloads(self) -> Path:
        """Return the folder for files on their way."""
        path = self._path / "downloads"
        path.mkdir(parents=True, exist_ok=True)
        return path

    def names(self) -> tuple[str, ...]:
        """Return the names of all weights that are here, sorted."""
        return tuple(sorted(path.stem for path in self._path.glob(f"[!.]*{_SUFFIX}")))

    def add(self, name: str, checkpoint: Path, file: str, origin: zoo.Origin) -> None:
        """Convert a checkpoint and keep it under a name.

        Args:
            name: what the service will call it.
            checkpoint: the file.
            file: its name as published or carried in.
            origin: of the checkpoint, its digest included.

        Raises:
            WeightsError: a name that cannot be used, a file that changed since it was first seen,
                or one that is no weights of the variant.
        """
        if not _NAME.fullmatch(name):
            raise WeightsError(f"{name!r} is no name: letters, digits, '_', '-' and '.' make one")
        known = self.records().get(name)
        if known and known.file == file and known.source_sha256 != origin.sha256:
            raise WeightsError(
                f"{file} is not what it was: its SHA-256 was {known.source_sha256} when it was "
                f"first seen and is {origin.sha256} now. If that is meant, remove {name} from "
                f"{self._path / _RECORDS}"
            )
        self._path.mkdir(parents=True, exist_ok=True)
        try:
            zoo.convert(checkpoint, self.path(name), origin)
        except (zoo.CheckpointError, ValueError) as error:
            raise WeightsError(str(error)) from error
        record = Record(file, origin.sha256, digest(self.path(name)))
        self._write_records({**self.records(), name: record})

    def verify(self, name: str) -> str | None:
        """Return what is wrong with the weights of a name, None if they are as recorded."""
        record = self.records().get(name)
        if not self.path(name).is_file():
            return "missing"
        if record is None:
            return "unknown: not put here by `maskd weights`"
        if digest(self.path(name)) != record.sha256:
            return "changed: not the bytes that were put here"
        return None

    def export(self, name: str, target: Path) -> None:
        """Copy the weights of a name and their record into another folder.

        Raises:
            WeightsError: they are not as recorded.
        """
        problem = self.verify(name)
        if problem is not None:
            raise WeightsError(f"{name} is {problem}")
        other = Folder(target)
        target.mkdir(parents=True, exist_ok=True)
        partial = other.path(name).with_suffix(".part")
        shutil.copyfile(self.path(name), partial)
        partial.replace(other.path(name))
        other._write_records({**other.records(), name: self.records()[name]})

    def records(self) -> dict[str, Record]:
        """Return what is known of each name.

        Raises:
            WeightsError: the file cannot be read.
        """
        path = self._path / _RECORDS
        if not path.exists():
            return {}
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return {name: Record(**record) for name, record in content.items()}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise WeightsError(f"cannot read {path}: {error}") from error

    def _write_records(self, records: Mapping[str, Record]) -> None:
        content = {name: asdict(record) for name, record in sorted(records.items())}
        partial = self._path / f"{_RECORDS}.part"
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        partial.replace(self._path / _RECORDS)


def digest(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
