"""The frames that a command line names: of a video file, or pictures in their order."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from service.api.video.frames import Video
from service.cli import CommandFailed, sources
from service.errors import ServiceError

Frame = bytes | npt.NDArray[np.uint8]

_ANY_SIZE = 2**31 - 1  # the service has a limit of its own


def read(names: Sequence[str]) -> Iterator[Frame]:
    """Yield frames one by one: pictures as their bytes, those of a video as [h, w, 3] uint8 RGB.

    Raises:
        CommandFailed: there is nothing of a name, or no video in a file that is no picture.
    """
    for path in sources.pictures(names):
        if path.suffix.lower() in sources.SUFFIXES:
            yield path.read_bytes()
        else:
            yield from _of_video(path)


def _of_video(path: Path) -> Iterator[Frame]:
    """The frames as the service would read them, upright."""
    try:
        with path.open("rb") as file, Video(file, _ANY_SIZE) as video:
            for frame in iter(video.read, None):
                yield frame.pixels
    except ServiceError as error:
        raise CommandFailed(f"{path}: {error.detail}") from error
    except OSError as error:
        raise CommandFailed(f"{path}: {error.strerror}") from error
