"""The frames that a command line names: of a video file, or pictures in their order."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from service.cli import CommandFailed, sources

Frame = bytes | npt.NDArray[np.uint8]


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
    try:
        with av.open(str(path)) as video:
            if not video.streams.video:
                raise CommandFailed(f"{path}: there is no video in this file")
            for frame in video.decode(video=0):
                yield frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
    except (av.FFmpegError, OSError) as error:
        raise CommandFailed(f"{path}: it cannot be read as a video: {error.strerror}") from error
