"""Pictures of very many pieces: empty ones are refused, those that need them are read."""

import struct
import zlib

import pytest

from service.api.codec import probe
from service.errors import UnreadableImage
from tests.api.test_codec import drawn, encoded, read

EMPTY = struct.pack(">I4sI", 0, b"teSt", zlib.crc32(b"teSt")) * 110_000
FILL = b"\xff" * 200_000


@pytest.mark.parametrize(("name", "pieces", "at"), [("PNG", EMPTY, 33), ("JPEG", FILL, 2)])
def test_endless_empty_pieces_before_the_pixels_are_not_read(
    name: str, pieces: bytes, at: int
) -> None:
    data = encoded(drawn(), name)
    with pytest.raises(UnreadableImage):
        probe(data[:at] + pieces + data[at:], 10**6)


def test_endless_empty_pieces_behind_the_pixels_are_not_read() -> None:
    data = encoded(drawn(), "PNG")
    with pytest.raises(UnreadableImage):
        read(data[:-12] + EMPTY + data[-12:])


def test_a_picture_that_is_read_run_by_run_may_have_many() -> None:
    side = 400
    runs = (b"\1\7" * side + b"\0\0") * side + b"\0\1"
    head = struct.pack("<2sIHHI", b"BM", 54 + 1024 + len(runs), 0, 0, 54 + 1024)
    header = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, len(runs), 0, 0, 256, 0)
    palette = b"".join(bytes((shade, shade, shade, 0)) for shade in range(256))
    assert (read(head + header + palette + runs) == 7).all()
