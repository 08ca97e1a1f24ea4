"""Video files to frames: what is read, upright and in time, and everything that is refused."""

import io
import struct
import time
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from service.api.video.frames import Video, VideoFrame
from service.api.video.index import MAX_SAMPLES, check_index
from service.errors import DeadlineExceeded, TooLarge, UnreadableVideo
from tests.clips import clip, cornered, grey, sound

MANY = 10**6
VALUES = (0, 40, 80, 120, 160, 200)


def frames_of(data: bytes, max_pixels: int = MANY) -> list[VideoFrame]:
    with Video(io.BytesIO(data), max_pixels) as video:
        return [*iter(video.read, None)]


def greys(frames: list[VideoFrame]) -> list[int]:
    """The values that the frames were drawn in."""
    return [round(float(frame.pixels.mean()) / 40) * 40 for frame in frames]


def corner(pixels: np.ndarray) -> tuple[bool, bool]:
    """Whether the white quarter is in the lower and in the right half."""
    rows, columns = np.nonzero(pixels.mean(axis=2) > 128)
    return rows.mean() > pixels.shape[0] / 2, columns.mean() > pixels.shape[1] / 2


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        ("mp4", "libx264"),
        ("mov", "libx264"),
        ("matroska", "libx264"),
        ("mpegts", "libx264"),
        ("mpegts", "mpeg2video"),
        ("mp4", "mpeg4"),
        ("avi", "mpeg4"),
        ("webm", "libvpx"),
        ("webm", "libvpx-vp9"),
    ],
)
def test_every_frame_comes_once_in_order_and_in_time(container: str, codec: str) -> None:
    data = clip(map(grey, VALUES), container=container, codec=codec)
    frames = frames_of(data)
    assert greys(frames) == list(VALUES)
    assert [frame.pixels.shape for frame in frames] == [(48, 64, 3)] * 6
    assert [frame.time_s for frame in frames] == pytest.approx(np.arange(6) / 10, abs=0.002)


def test_motion_jpeg_is_read() -> None:
    data = clip(map(grey, VALUES), container="avi", codec="mjpeg", pixel_format="yuvj420p")
    assert greys(frames_of(data)) == list(VALUES)


def test_the_header_tells_size_count_and_duration() -> None:
    with Video(io.BytesIO(clip(map(grey, VALUES))), MANY) as video:
        assert (video.frame_size, video.frame_count) == ((48, 64), 6)
        assert video.duration_s == pytest.approx(0.6, abs=0.01)


def test_frames_at_an_uneven_rate_keep_their_times() -> None:
    frames = frames_of(clip(map(grey, VALUES), times=[0, 1, 5, 6, 20, 21]))
    assert [frame.time_s for frame in frames] == pytest.approx([0, 0.1, 0.5, 0.6, 2.0, 2.1])
    assert greys(frames) == list(VALUES)
    assert frames[1].end_s == pytest.approx(0.5)


def test_times_never_go_back_where_the_container_has_none() -> None:
    times = [frame.time_s for frame in frames_of(clip(map(grey, VALUES), container="avi"))]
    assert times == sorted(times)


@pytest.mark.parametrize(
    ("turn", "size", "where"),
    [
        (0, (48, 64), (False, False)),
        (90, (64, 48), (True, False)),
        (180, (48, 64), (True, True)),
        (-90, (64, 48), (False, True)),
    ],
)
def test_turned_videos_come_upright(
    turn: int, size: tuple[int, int], where: tuple[bool, bool]
) -> None:
    data = clip([cornered()] * 2, turn=turn)
    with Video(io.BytesIO(data), MANY) as video:
        assert video.frame_size == size
        frame = video.read()
    assert frame is not None
    assert frame.pixels.shape[:2] == size
    assert corner(frame.pixels) == where
    assert frame.pixels.flags.c_contiguous


@pytest.mark.parametrize(
    ("shape", "turn", "size"),
    [
        (Fraction(2), 0, (48, 128)),
        (Fraction(1, 2), 0, (96, 64)),
        (Fraction(2), 90, (128, 48)),
        (Fraction(1), 0, (48, 64)),
    ],
)
def test_pixels_that_are_no_squares_become_some(
    shape: Fraction, turn: int, size: tuple[int, int]
) -> None:
    data = clip([cornered()] * 2, pixel_shape=shape, turn=turn)
    with Video(io.BytesIO(data), MANY) as video:
        assert video.frame_size == size
        frame = video.read()
    assert frame is not None
    assert frame.pixels.shape[:2] == size


def test_too_many_pixels_are_refused_by_the_header() -> None:
    with pytest.raises(TooLarge) as caught:
        frames_of(clip([grey(0)] * 2), 3071)
    assert (caught.value.limit, caught.value.actual) == (3071, 3072)
    assert len(frames_of(clip([grey(0)] * 2), 3072)) == 2


def test_pixels_count_as_they_are_shown() -> None:
    with pytest.raises(TooLarge) as caught:
        frames_of(clip([grey(0)] * 2, pixel_shape=Fraction(4)), 3072)
    assert caught.value.actual == 3072 * 4


def test_a_header_that_hides_the_size_does_not_help() -> None:
    with pytest.raises((TooLarge, UnreadableVideo)):
        frames_of(clip([grey(0, (480, 640))] * 2, codec="mpeg4"), 3072)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no video",
        bytes(2000),
        clip(map(grey, VALUES))[:700],
        clip([grey(0)], container="gif", codec="gif", pixel_format="rgb8"),
    ],
    ids=["empty", "text", "zeros", "cut", "gif"],
)
def test_what_is_no_allowed_video_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableVideo, match="no video of a kind"):
        frames_of(data)


def test_sound_alone_is_refused() -> None:
    with pytest.raises(UnreadableVideo, match="no video in the file"):
        frames_of(sound())


def test_other_codecs_are_refused_by_name() -> None:
    data = clip(map(grey, VALUES), container="avi", codec="wmv2")
    with pytest.raises(UnreadableVideo, match="wmv2"):
        frames_of(data)


def test_no_list_of_files_is_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(clip(map(grey, VALUES)))
    playlist = f"ffconcat version 1.0\nfile {secret}\n".encode()
    with av.open(io.BytesIO(playlist), options={"safe": "0"}) as opened:
        assert sum(1 for _ in opened.decode(video=0)) == 6  # without the list of what is allowed
    with pytest.raises(UnreadableVideo):
        frames_of(playlist)
    hls = f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{secret}\n#EXT-X-ENDLIST\n".encode()
    with pytest.raises(UnreadableVideo):
        frames_of(hls)


def test_of_a_cut_video_the_whole_frames_come_first() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (12, 48, 64, 3), np.uint8)
    data = clip(noise, container="avi")
    with Video(io.BytesIO(data[: len(data) * 7 // 10]), MANY) as video:
        frames = []
        with suppress(UnreadableVideo):
            frames.extend(iter(video.read, None))
        with pytest.raises(UnreadableVideo):
            video.read()
    assert len(frames) == 7  # the last two were still in the decoder when the file ended


def test_a_deadline_ends_a_search_for_frames() -> None:
    with Video(io.BytesIO(clip(map(grey, VALUES))), MANY) as video:
        assert video.read(0.0) is not None  # decoded when it was opened
        with pytest.raises(DeadlineExceeded):
            video.read(time.monotonic() - 1)
        assert video.read() is not None


def with_samples(data: bytes, table: bytes, count: int, at: int) -> bytes:
    """A file whose first table of a kind claims so many samples."""
    claim = data.find(table) + at
    return data[:claim] + struct.pack(">I", count) + data[claim + 4 :]


def test_an_index_of_a_few_bytes_may_not_claim_millions_of_samples() -> None:
    data = clip(map(grey, VALUES))
    check_index(data)
    check_index(with_samples(data, b"stsz", MAX_SAMPLES, 12))
    with pytest.raises(TooLarge) as caught:
        check_index(with_samples(data, b"stsz", MAX_SAMPLES + 1, 12))
    assert (caught.value.limit, caught.value.actual) == (MAX_SAMPLES, MAX_SAMPLES + 1)


def test_claims_are_added_up_wherever_they_are() -> None:
    box = struct.pack(">I4sII", 16, b"trun", 0, MAX_SAMPLES // 2 + 1)
    moof = struct.pack(">I4s", 8 + len(box), b"moof") + box
    check_index(clip(map(grey, VALUES)) + moof)
    long = struct.pack(">I4sQ", 1, b"free", 16 + len(moof)) + moof
    with pytest.raises(TooLarge):
        check_index(clip(map(grey, VALUES)) + moof + long)


def index_of_length(size: bytes) -> bytes:
    """The index of a file alone, claiming many samples and, in four bytes, a length."""
    data = with_samples(clip(map(grey, VALUES)), b"stsz", MAX_SAMPLES + 1, 12)
    return size + data[data.find(b"moov") :]


def test_an_index_longer_than_its_file_hides_no_claim() -> None:
    with pytest.raises(TooLarge):
        check_index(index_of_length(b"\x7f\xff\xff\xff"))


@pytest.mark.parametrize("size", [b"RIFF", b"\x1aE\xdf\xa3", b"GGGG"])
def test_what_begins_like_a_file_without_index_is_not_read_as_one_with(size: bytes) -> None:
    index = index_of_length(size)
    check_index(index)
    with pytest.raises(UnreadableVideo, match="no video of a kind"):
        Video(io.BytesIO(index), MANY)


def test_media_data_claims_nothing() -> None:
    words = b"stsz" * 100
    data = clip(map(grey, VALUES))
    check_index(data + struct.pack(">I4s", 8 + len(words), b"mdat") + words)
    check_index(b"\x1aE\xdf\xa3" + words)
    with pytest.raises(TooLarge):
        check_index(data + struct.pack(">I4s", 8 + len(words), b"free") + words)


def test_a_compressed_index_is_refused() -> None:
    with pytest.raises(UnreadableVideo, match="compressed index"):
        check_index(struct.pack(">I4sI4s", 16, b"moov", 8, b"cmov"))
