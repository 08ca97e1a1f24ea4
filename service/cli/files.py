"""What commands write; failures in one line."""

from pathlib import Path

from service.cli import CommandFailed


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, unless it is there.

    Raises:
        CommandFailed: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandFailed(f"{folder}: {error.strerror}") from error


def write(path: Path, data: bytes) -> None:
    """Write a file.

    Raises:
        CommandFailed: it cannot be written.
    """
    try:
        path.write_bytes(data)
    except OSError as error:
        raise CommandFailed(f"{path}: {error.strerror}") from error
