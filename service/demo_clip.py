"""The clip that `make demo` follows: drawn when it is needed, encoded, and drawn on."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from typing import cast

import av
import numpy as np
import numpy.typing as npt
from av.video.stream import VideoStream
from PIL import Image

from models.training.examples import DemoClips
from models.training.scenes import World
from service.api import codec
from service.cli import track
from service.client import NewObject, VideoStep

Frame = npt.NDArray[np.uint8]

_SEED = 59  # three figures that pass in front of each other
_SIDE = 240  # pixels
_FIGURES = 3
_FRAMES, _RATE = 32, 12
_CODECS = ("libx264", "mpeg4")  # the first that this FFmpeg has
_COLUMNS, _ROWS, _GAP = 4, 2, 4


@dataclass(frozen=True)
class DrawnClip:
    """A video and the figures on its first frame.

    Attributes:
        frames: [h, w, 3] uint8, RGB, as they were drawn.
        video: the same, encoded.
        objects: the figures, as the client tells them.
    """

    frames: Sequence[Frame]
    video: bytes
    objects: Sequence[NewObject]

    def with_masks(self, step: VideoStep) -> Frame:
        """Return a frame with what was found drawn on it: [h, w, 3] uint8, RGB."""
        drawn = track.draw(self.frames[step.frame_index], step)
        return codec.decode(drawn, codec.probe(drawn, _SIDE * _SIDE))


def draw_clip() -> DrawnClip:
    """Draw a video of the demo world: always the same."""
    world = World((_SIDE, _SIDE), max_aspect=1, figures=(_FIGURES, _FIGURES))
    clip = DemoClips(_SEED, (world,), _FRAMES, video_frames=(_FRAMES, _FRAMES))[0]
    numbers = range(1, clip.object_count + 1)
    objects = [NewObject(id=one, mask=clip.owners[0] == one) for one in numbers]
    frames = [*clip.images]
    return DrawnClip(frames, encode(frames), objects)


def encode(frames: Sequence[Frame]) -> bytes:
    """Return frames ([h, w, 3] uint8, RGB, of one size) as an MP4 file."""
    height, width = frames[0].shape[:2]
    name = next(one for one in _CODECS if one in av.codecs_available)
    file = BytesIO()
    with av.open(file, "w", format="mp4") as output:
        stream = cast(VideoStream, output.add_stream(name, rate=Fraction(_RATE)))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for frame in frames:
            output.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        output.mux(stream.encode())
    return file.getvalue()


def contact_sheet(frames: Sequence[Frame]) -> Image.Image:
    """Return a picture of some of the frames, from the first to the last, in rows."""
    count = _COLUMNS * _ROWS
    step = _SIDE + _GAP
    sheet = Image.new("RGB", (_COLUMNS * step - _GAP, _ROWS * step - _GAP), "white")
    for place, index in enumerate(np.linspace(0, len(frames) - 1, count).round().astype(int)):
        row, column = divmod(place, _COLUMNS)
        sheet.paste(Image.fromarray(frames[index]), (column * step, row * step))
    return sheet
