"""What the index of an MP4 or QuickTime file claims, before FFmpeg believes it.

FFmpeg keeps a record of about 60 bytes for every sample of such a file, and some tables tell of
millions of samples in a few bytes: two kilobytes can cost gigabytes. So the claims are added up
first. Boxes are looked for wherever there is no media data: FFmpeg is lenient about their place.
Source: ISO/IEC 14496-12, sections 4.2 (boxes), 8.7.3 (`stsz`, `stz2`), 8.8.8 (`trun`).
"""

import re
from collections.abc import Iterator

from service.errors import TooLarge, UnreadableVideo

MAX_SAMPLES = 8_000_000  # more than three days of 30 frames a second; half a gigabyte of records

# How Matroska, AVI and MPEG-TS files begin; as the size of a box it would be hundreds of megabytes.
_OTHERS = (b"\x1aE\xdf\xa3", b"RIFF", b"G")
_TABLE = re.compile(rb"stsz|stz2|trun|cmov")
_COUNT_AT = {b"stsz": 12, b"stz2": 12, b"trun": 8}  # bytes from the type to the count
_BOX_HEAD = 8


def may_have_index(head: bytes) -> bool:
    """Whether a file that begins with these bytes may be read as MP4 or QuickTime."""
    return not head.startswith(_OTHERS)


def check_index(data: bytes) -> None:
    """Do nothing for a file whose index is of a sane size, or that has none of this kind.

    Raises:
        TooLarge: it claims too many samples.
        UnreadableVideo: it is compressed, so that its claims cannot be seen.
    """
    claimed = 0
    for begin, end in _beside_media(data):
        for match in _TABLE.finditer(data, begin, end):
            if match[0] == b"cmov":
                raise UnreadableVideo("Videos with a compressed index are not read.")
            at = match.start() + _COUNT_AT[match[0]]
            claimed += int.from_bytes(data[at : at + 4], "big")
    if claimed > MAX_SAMPLES:
        raise TooLarge(
            f"The video's index claims more than {MAX_SAMPLES} samples.",
            limit=MAX_SAMPLES,
            actual=claimed,
        )


def _beside_media(data: bytes) -> Iterator[tuple[int, int]]:
    """Where the boxes at the top are that hold no media data; nothing in files of other kinds."""
    if not may_have_index(data):
        return
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 1:  # the size is in the next eight bytes
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        is_box = size == 0 or size >= _BOX_HEAD
        end = min(at + size, len(data)) if is_box and size else len(data)
        if not (is_box and data[at + 4 : at + 8] == b"mdat"):
            yield at, end
        at = end
