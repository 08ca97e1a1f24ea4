"""Encoded pictures to pixels: the size from the header first, then upright uint8 RGB.

What a picture is, its own first bytes say, never its name or declared type. Of pictures with
several pages or frames the first counts. Opacity and colour profiles are ignored: the colours come
as they are stored, also under transparent pixels. Functions of their arguments, fit for threads.
"""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from service.errors import TooLarge, UnreadableImage

# Pillow warns of odd metadata in pictures that it reads all the same; a caller's picture shall not
# write to our log.
warnings.filterwarnings("ignore", module=r"PIL\.")

_READERS: tuple[tuple[re.Pattern[bytes], type[ImageFile]], ...] = (
    (re.compile(rb"\xff\xd8\xff"), JpegImageFile),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), PngImageFile),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), WebPImageFile),
    (re.compile(rb"BM"), BmpImageFile),
    (re.compile(rb"II[*+]\0|MM\0[*+]"), TiffImageFile),
)

# EXIF orientation: whether rows and columns change places, then which of them run backwards.
# Source: CIPA DC-008 (Exif 2.32), section 4.6.4, tag 274.
_TURNS = {
    2: (False, 1, -1),
    3: (False, -1, -1),
    4: (False, -1, 1),
    5: (True, 1, 1),
    6: (True, 1, -1),
    7: (True, -1, -1),
    8: (True, -1, 1),
}

# Decoding time grows with scans times pixels. Encoders write about ten.
_MAX_JPEG_SCANS = 100
_START_OF_SCAN = b"\xff\xda"

# Readers ask piece by piece, at a microsecond each, and a file can be nothing but empty pieces. The
# largest pictures in the smallest usual pieces take some ten thousand.
_MAX_READS = 200_000

_WHITES = (1.0, 255.0, 65535.0)  # of numbers without a fixed range, the first that none exceeds
_LARGEST = 1e30  # beyond this, float32 would overflow on the way


@dataclass(frozen=True)
class ImageHeader:
    """What a picture says of itself before it is decoded.

    Attributes:
        width: pixels, as seen upright.
        height: pixels, as seen upright.
        format: JPEG, PNG, WEBP, BMP or TIFF.
        orientation: EXIF's number for the turn that `decode` has to undo; 1 for none.
    """

    width: int
    height: int
    format: str
    orientation: int = 1


class _Pieces(BytesIO):
    """The bytes of a picture, for a reader that asks not too often.

    State: `_left`, how often it may still ask.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._left = _MAX_READS

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next piece."""
        self._left -= 1
        if self._left < 0:
            raise ValueError("the picture has too many pieces")
        return super().read(size)


def probe(data: bytes, max_pixels: int) -> ImageHeader:
    """Read a picture's header; costs no more than its metadata.

    Raises:
        UnreadableImage: the bytes are no picture of a known format.
        TooLarge: it claims more than `max_pixels` pixels.
    """
    reader = _reader(data)
    if reader is WebPImageFile:  # opening one allocates all its pixels
        check_pixels(_webp_size(data), max_pixels)
    with _reading(), reader(_Pieces(data)) as image:
        size, name, orientation = image.size, image.format or "", _orientation(image)
    check_pixels(size, max_pixels)
    width, height = size[::-1] if orientation in _TURNS and _TURNS[orientation][0] else size
    return ImageHeader(width, height, name, orientation)


def decode(data: bytes, header: ImageHeader) -> npt.NDArray[np.uint8]:
    """Decode a picture.

    Args:
        data: the encoded picture.
        header: what `probe` said of it.

    Returns:
        [h, w, 3] uint8, RGB, upright; its own memory.

    Raises:
        UnreadableImage: the picture is damaged, cut short or of an exotic kind.
    """
    if header.format == "JPEG" and data.count(_START_OF_SCAN) > _MAX_JPEG_SCANS:
        raise UnreadableImage(f"The JPEG picture has more than {_MAX_JPEG_SCANS} scans.")
    file = BytesIO(data) if header.format == "BMP" else _Pieces(data)  # it may be read run by run
    with _reading(), _reader(data)(file) as image:
        pixels = _to_rgb(image)
    does_swap, rows, columns = _TURNS.get(header.orientation, (False, 1, 1))
    upright = pixels.swapaxes(0, 1) if does_swap else pixels
    return np.array(upright[::rows, ::columns], order="C")


def check_pixels(size: tuple[int, int], max_pixels: int) -> None:
    """Do nothing for a picture, or a frame, that is not too large.

    Args:
        size: (width, height), pixels.
        max_pixels: that it may have.

    Raises:
        TooLarge: it has more.
    """
    width, height = size
    if width * height > max_pixels:
        raise TooLarge(
            f"The picture has {width}x{height} pixels, more than {max_pixels} together.",
            limit=max_pixels,
            actual=width * height,
        )


@contextmanager
def _reading() -> Iterator[None]:
    """Turn whatever a decoder raises on a caller's bytes into one error."""
    try:
        yield
    except Exception as error:
        raise UnreadableImage("The picture is damaged, cut short or of an exotic kind.") from error


def _reader(data: bytes) -> type[ImageFile]:
    for signature, reader in _READERS:
        if signature.match(data):
            return reader
    raise UnreadableImage("The picture is in none of the formats JPEG, PNG, WebP, BMP and TIFF.")


def _webp_size(data: bytes) -> tuple[int, int]:
    """Return what the first chunk claims; nonsense for data that the decoder will refuse.

    Source: RFC 9649, sections 2.6, 2.7 and 3.4; RFC 6386, section 9.1.
    """
    kind, chunk = data[12:16], data[20:30]
    if kind == b"VP8X":
        return 1 + int.from_bytes(chunk[4:7], "little"), 1 + int.from_bytes(chunk[7:10], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(chunk[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    sides = int.from_bytes(chunk[6:8], "little"), int.from_bytes(chunk[8:10], "little")
    return sides[0] & 0x3FFF, sides[1] & 0x3FFF


def _orientation(image: ImageFile) -> int:
    if isinstance(image, TiffImageFile):
        return 1  # this reader turns by itself
    try:
        # Not PngImageFile's own method, which decodes the whole picture to find more metadata.
        orientation = Image.Image.getexif(image).get(ExifTags.Base.Orientation)
    except Exception:  # noqa: BLE001 (broken metadata can raise anything; the pixels need it not)
        return 1
    return orientation if orientation in _TURNS else 1


def _to_rgb(image: ImageFile) -> npt.NDArray[np.uint8]:
    """Return the stored pixels: [h, w, 3] uint8, perhaps read-only."""
    image.load()
    if image.mode[0] in "IF":
        gray = _to_bytes(np.asarray(image))
        return np.broadcast_to(gray[..., None], (*gray.shape, 3))
    image.info.pop("transparency", None)  # conversion would translate or warn of it
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _to_bytes(numbers: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    """Scale [h, w] uint16, int32 or float32 to bytes.

    16 bits are scaled by their full range. Others have no agreed white: it is 1, 255, 65535 or
    their maximum, the first that no number exceeds; black is 0, or their minimum below it.
    """
    values = numbers.astype(np.float32)
    np.nan_to_num(values, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    np.clip(values, -_LARGEST, _LARGEST, out=values)
    black, brightest = min(0.0, float(values.min())), float(values.max())
    white = _WHITES[-1]
    if numbers.dtype.kind != "u":
        white = next((white for white in _WHITES if white >= brightest), brightest)
    values -= black
    values *= 255.0 / (white - black)
    return np.rint(values, out=values).astype(np.uint8)
