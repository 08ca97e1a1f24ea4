"""Video files to frames, one at a time: the size from the header first, then upright uint8 RGB.

FFmpeg, through PyAV, reads them. It would also read lists of files, and open whatever they name; so
containers and codecs are allowed by name. What a file is, its own bytes say. Functions and methods
are fit for threads, a `Video` for one at a time.
"""

import math
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType
from typing import BinaryIO, Self

import av
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.video.stream import VideoStream

from service.api import codec
from service.api.video.index import may_have_index
from service.errors import DeadlineExceeded, ServiceError, UnreadableVideo

_INDEXED = "mov"  # only where `check_index` sees that too
_CONTAINERS = ("matroska", "avi", "mpegts")
_CODECS = (
    *("h264", "hevc", "vp8", "vp9", "libdav1d", "mpeg4", "mpeg2video"),
    *("mjpeg", "prores", "ffv1"),
)
_QUARTER_TURN = 90


@dataclass(frozen=True)
class VideoFrame:
    """A frame as players show it.

    Attributes:
        pixels: [h, w, 3] uint8, RGB, upright, of square pixels; its own memory.
        time_s: seconds from the beginning of the video; never less than that of the frame before.
        end_s: when the next frame takes its place, as far as the video says.
    """

    pixels: npt.NDArray[np.uint8]
    time_s: float
    end_s: float


class Video:
    """An opened video; close it, or use it in a `with` block.

    Of several video tracks the first counts. Frames come in the order in which they are shown, each
    that is stored once, at whatever rate. Turns that the file asks for are done, and pixels that
    are no squares become some.

    State: `_packets`, how far the file is read; `_decoded`, frames that are not yet asked for;
    `_time_s` of the last one that was; `_damage`, why no more can be read.

    Args:
        file: the video; it stays open.
        max_pixels: of a frame.

    Attributes:
        frame_size: (height, width) of the first frame, upright, pixels.
        frame_count: what the header says, or None.
        duration_s: seconds, what the header says, or None.

    Raises:
        UnreadableVideo: it is none, of no allowed container or codec, or its first frame is
            damaged.
        TooLarge: its frames have too many pixels.
    """

    def __init__(self, file: BinaryIO, max_pixels: int) -> None:
        with _reading("The file is no video of a kind that is read here, or it is damaged."):
            container = av.open(file, "r", container_options=_opening(file))
        self._container = container
        self._max_pixels = max_pixels
        self._decoded: deque[av.VideoFrame] = deque()
        self._damage: UnreadableVideo | None = None
        self._time_s = 0.0
        try:
            with _reading("What the video's header says cannot be understood."):
                self._stream = _stream_of(container)
                self._shape = _shape_of(self._stream)
            self._begin()
        except BaseException:
            self.close()
            raise
        self.frame_size = self._upright_size(self._decoded[0])
        self.frame_count = self._stream.frames or None
        self.duration_s = container.duration / av.time_base if container.duration else None

    def read(self, deadline: float = math.inf) -> VideoFrame | None:
        """Return the next frame; None at the end.

        Args:
            deadline: monotonic seconds.

        Raises:
            UnreadableVideo: the file is damaged or cut short from here on.
            TooLarge: the frame has too many pixels.
            DeadlineExceeded: no frame came out until the deadline.
        """
        while not self._decoded:
            if time.monotonic() > deadline:
                raise DeadlineExceeded("The video gave no further frame until the deadline.")
            if not self._decode_packet():
                return None
        with _reading("A frame of the video cannot be turned into pixels."):
            return self._show(self._decoded.popleft())

    def close(self) -> None:
        """Let the decoder's memory go; safe to call twice."""
        self._decoded.clear()
        self._container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _begin(self) -> None:
        """Decode the first frame, within the limit: only it says how it is turned."""
        context = self._stream.codec_context
        self._check_pixels(context.width, context.height)
        context.options = {"max_pixels": str(self._max_pixels)}
        context.thread_count = 1  # a decoder with several holds a frame for each
        self._packets = self._container.demux(self._stream)
        while not self._decoded:
            if not self._decode_packet():
                raise UnreadableVideo("There is no frame in the video.")

    def _decode_packet(self) -> bool:
        """Read the file a little further; false at its end."""
        if self._damage is not None:
            raise self._damage
        try:
            with _reading("The video is damaged or cut short."):
                packet = next(self._packets, None)
                if packet is None:
                    return False
                self._decode(packet)
        except UnreadableVideo as damage:
            self._damage = damage  # told once the whole frames before it are given
            with suppress(av.FFmpegError):
                self._decoded += self._stream.codec_context.decode(None)
        return True

    def _decode(self, packet: "av.Packet[VideoStream]") -> None:
        if packet.is_corrupt:
            raise UnreadableVideo("The video is cut short.")
        self._decoded += self._stream.codec_context.decode(packet)

    def _show(self, frame: av.VideoFrame) -> VideoFrame:
        width, height = self._square_size(frame.width, frame.height)
        self._check_pixels(frame.width, frame.height)
        pixels = frame.reformat(width=width, height=height, format="rgb24").to_ndarray()
        upright = np.rot90(pixels, _quarter_turns(frame))
        begin_s = (self._container.start_time or 0) / av.time_base
        if frame.time is not None:
            self._time_s = max(self._time_s, frame.time - begin_s)
        shown_s = frame.duration * frame.time_base if frame.duration and frame.time_base else 0
        return VideoFrame(
            np.ascontiguousarray(upright, dtype=np.uint8),
            self._time_s,
            self._time_s + float(shown_s),
        )

    def _upright_size(self, frame: av.VideoFrame) -> tuple[int, int]:
        width, height = self._square_size(frame.width, frame.height)
        return (width, height) if _quarter_turns(frame) % 2 else (height, width)

    def _check_pixels(self, width: int, height: int) -> None:
        codec.check_pixels(self._square_size(width, height), self._max_pixels)

    def _square_size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height with square pixels: one side grows, so that nothing is lost."""
        if self._shape >= 1:
            return round(width * self._shape), height
        return width, round(height / self._shape)


def _opening(file: BinaryIO) -> dict[str, str]:
    """FFmpeg's options for opening a file."""
    head = file.read(4)
    file.seek(0)
    indexed = (_INDEXED,) if may_have_index(head) else ()
    return {
        "format_whitelist": ",".join((*_CONTAINERS, *indexed)),
        # Probing shall decode nothing: it knows no limit on pixels, and the header says enough.
        "codec_whitelist": "none",
    }


def _stream_of(container: InputContainer) -> VideoStream:
    if not container.streams.video:
        raise UnreadableVideo("There is no video in the file.")
    stream = container.streams.video[0]
    name = stream.codec_context.codec.name
    if name not in _CODECS:
        raise UnreadableVideo(f"Videos coded as {name} are not read.")
    return stream


def _shape_of(stream: VideoStream) -> Fraction:
    """Width of a pixel over its height."""
    return stream.sample_aspect_ratio or Fraction(1)


def _quarter_turns(frame: av.VideoFrame) -> int:
    """How often to turn it by 90 degrees, counterclockwise."""
    return round(frame.rotation / _QUARTER_TURN)


@contextmanager
def _reading(detail: str) -> Iterator[None]:
    """Turn whatever FFmpeg raises on a caller's bytes into one error."""
    try:
        yield
    except ServiceError:
        raise
    except Exception as error:
        raise UnreadableVideo(detail) from error
