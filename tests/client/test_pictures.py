"""Pictures in, as whatever they come."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from service.client.pictures import encode

PIXELS = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)


def decoded(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(data)))


def test_bytes_and_files_go_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"anything")
    for picture in (b"anything", bytearray(b"anything"), memoryview(b"anything"), path, str(path)):
        assert encode(picture) == b"anything"


@pytest.mark.parametrize("pixels", [PIXELS, PIXELS[:, ::-2], PIXELS[..., 0], PIXELS[..., ::-1]])
def test_no_pixel_is_lost(pixels: np.ndarray) -> None:
    assert np.array_equal(decoded(encode(pixels)), pixels)


def test_of_pillow_s_pictures_the_pixels_count_as_they_stand() -> None:
    file = BytesIO()
    exif = Image.Exif()
    exif[274] = 6  # to be turned
    Image.fromarray(PIXELS).save(file, "PNG", exif=exif)
    with Image.open(file) as picture:
        sent = Image.open(BytesIO(encode(picture)))
    assert np.array_equal(np.asarray(sent), PIXELS)
    assert 274 not in sent.getexif()


@pytest.mark.parametrize(
    "pixels", [PIXELS.astype(np.float32), PIXELS[None], PIXELS[..., :2], PIXELS[:0], PIXELS[0, 0]]
)
def test_what_is_no_picture_is_refused(pixels: np.ndarray) -> None:
    with pytest.raises(ValueError, match="a picture is"):
        encode(pixels)


def test_other_kinds_are_refused() -> None:
    with pytest.raises(TypeError, match="int"):
        encode(3)  # type: ignore[arg-type]


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        encode(tmp_path / "none.png")
