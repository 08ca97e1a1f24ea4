"""Video files made here: drawn frames, encoded in whatever container, codec and shape."""

import io
from collections.abc import Iterable, Sequence
from fractions import Fraction

import av
import numpy as np

RATE = 10
SIZE = (48, 64)


def grey(value: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """[h, w, 3] uint8, all of one grey."""
    return np.full((*size, 3), value, np.uint8)


def cornered(size: tuple[int, int] = SIZE) -> np.ndarray:
    """[h, w, 3] uint8: black, with a white quarter at the upper left."""
    frame = grey(0, size)
    frame[: size[0] // 2, : size[1] // 2] = 255
    return frame


def clip(  # noqa: PLR0913 (what differs between video files)
    frames: Iterable[np.ndarray],
    *,
    container: str = "mp4",
    codec: str = "libx264",
    turn: int = 0,
    pixel_shape: Fraction | None = None,
    times: Sequence[int] | None = None,
    pixel_format: str = "yuv420p",
) -> bytes:
    """Return a video file.

    Args:
        frames: [h, w, 3] uint8, RGB, all of one size.
        container: FFmpeg's name of it.
        codec: FFmpeg's name of the encoder.
        turn: degrees, counterclockwise, that players shall turn it by.
        pixel_shape: width of a pixel over its height.
        times: of each frame, in frames of an even rate.
        pixel_format: as it is encoded.
    """
    pictures = [av.VideoFrame.from_ndarray(frame, format="rgb24") for frame in frames]
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=RATE)
        stream.width, stream.height = pictures[0].width, pictures[0].height
        stream.pix_fmt = pixel_format
        stream.codec_context.time_base = Fraction(1, RATE)
        if turn:
            stream.set_display_rotation(turn)
        if pixel_shape is not None:
            stream.codec_context.sample_aspect_ratio = pixel_shape
        for picture, time in zip(pictures, times or range(len(pictures)), strict=True):
            picture.pts, picture.time_base = time, Fraction(1, RATE)
            output.mux(stream.encode(picture))
        output.mux(stream.encode())
    return file.getvalue()


def sound() -> bytes:
    """Return an MP4 file that has no pictures."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as output:
        stream = output.add_stream("aac", rate=44100, layout="mono")
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), "fltp", "mono")
        silence.sample_rate = 44100
        output.mux(stream.encode(silence))
        output.mux(stream.encode())
    return file.getvalue()
