import io
import itertools
import json
import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from service.api.codec import decode, probe
from service.errors import TooLarge, UnreadableImage
from tests import goldens

LIMIT = 50_000_000
LOSSLESS = {"PNG": {}, "BMP": {}, "TIFF": {"compression": "tiff_lzw"}, "WEBP": {"lossless": True}}
FORMATS = {**LOSSLESS, "JPEG": {"quality": 90}}

# As at run time, where the codec sees to it; pytest turns every warning into an error.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")


def drawn(height=37, width=53):
    rows, columns = np.mgrid[:height, :width]
    planes = np.stack((rows * 5, columns * 4, (rows + columns) * 2), axis=-1)
    return planes.astype(np.uint8)


def encoded(image, name, **options):
    if not isinstance(image, Image.Image):
        image = Image.fromarray(image)
    buffer = io.BytesIO()
    image.save(buffer, name, **{**FORMATS.get(name, {}), **options})
    return buffer.getvalue()


def read(data):
    return decode(data, probe(data, LIMIT))


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_pictures_come_out_as_they_went_in(name):
    data = encoded(drawn(), name)
    header = probe(data, LIMIT)
    assert (header.width, header.height, header.format) == (53, 37, name)
    np.testing.assert_array_equal(decode(data, header), drawn())


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_jpeg_pictures_come_out_almost_as_they_went_in(options):
    assert np.abs(read(encoded(drawn(), "JPEG", **options)).astype(int) - drawn()).mean() < 3


def test_pixels_are_writable_and_in_one_piece():
    pixels = read(encoded(drawn(), "PNG", exif=turned(6)))
    assert pixels.flags.writeable
    assert pixels.flags.c_contiguous


def turned(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize(
    ("name", "orientation"),
    [
        *itertools.product(["JPEG", "PNG", "WEBP"], range(10)),
        *itertools.product(["TIFF"], range(1, 9)),
    ],
)
def test_pictures_are_turned_upright(name, orientation):
    data = encoded(drawn(), name, exif=turned(orientation))
    upright = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    header = probe(data, LIMIT)
    assert (header.height, header.width) == upright.shape[:2]
    np.testing.assert_array_equal(decode(data, header), upright)


def test_probing_a_png_does_not_decode_it():
    data = encoded(drawn(), "PNG")
    start = data.index(b"IDAT") + 4
    damaged = data[:start] + bytes(len(data) - start)
    assert probe(damaged, LIMIT).width == 53
    with pytest.raises(UnreadableImage):
        read(damaged)


def test_metadata_behind_the_pixels_is_not_waited_for():
    data = encoded(drawn(), "PNG", exif=turned(6))
    start = data.index(b"eXIf") - 4
    end = start + 12 + struct.unpack(">I", data[start : start + 4])[0]
    moved = data[:start] + data[end:-12] + data[start:end] + data[-12:]
    assert probe(moved, LIMIT).orientation == 1
    np.testing.assert_array_equal(read(moved), drawn())


def test_broken_metadata_does_not_cost_the_picture():
    garbage = PngInfo()
    garbage.add_text("Raw profile type exif", "\nexif\n  4\nno hexadecimals")
    np.testing.assert_array_equal(read(encoded(drawn(), "PNG", pnginfo=garbage)), drawn())


gray = drawn()[..., 1]


@pytest.mark.parametrize(
    "image",
    [
        Image.fromarray(gray),
        Image.fromarray(gray.astype(np.uint16) * 257),
        Image.merge("LA", (Image.fromarray(gray), Image.new("L", gray.T.shape, 9))),
    ],
    ids=["8 bits", "16 bits", "with opacity"],
)
def test_gray_pictures_keep_their_shades(image):
    np.testing.assert_array_equal(read(encoded(image, "PNG")), np.stack([gray] * 3, axis=-1))


@pytest.mark.parametrize(
    ("numbers", "shades"),
    [
        (np.array([[0.0, 0.5, 1.0]], dtype=np.float32), [0, 128, 255]),
        (np.array([[0.0, 100.0, 200.0]], dtype=np.float32), [0, 100, 200]),
        (np.array([[-2.0, 0.0, 1.0]], dtype=np.float32), [0, 170, 255]),
        (np.array([[np.nan, np.inf, 1.0]], dtype=np.float32), [0, 0, 255]),
        (np.array([[-3e38, 3e38]], dtype=np.float32), [0, 255]),
        (np.array([[0, 257 * 7, 65535]], dtype=np.int32), [0, 7, 255]),
        (np.array([[0, 50_000, 100_000]], dtype=np.int32), [0, 128, 255]),
        (np.array([[0, 0, 0]], dtype=np.int32), [0, 0, 0]),
    ],
)
def test_numbers_without_a_fixed_range_are_scaled(numbers, shades):
    pixels = read(encoded(Image.fromarray(numbers), "TIFF"))
    assert pixels[0, :, 0].tolist() == shades


def test_opacity_is_dropped_and_the_colours_under_it_stay():
    opacity = Image.fromarray(gray)
    image = Image.fromarray(drawn())
    image.putalpha(opacity)
    np.testing.assert_array_equal(read(encoded(image, "PNG")), drawn())


def test_a_palette_with_transparent_entries_keeps_its_colours():
    image = Image.fromarray(drawn()).quantize(64)
    expected = np.asarray(image.convert("RGB"))
    data = encoded(image, "PNG", transparency=bytes(range(64)))
    with warnings.catch_warnings(action="error"):
        np.testing.assert_array_equal(read(data), expected)


def test_cmyk_is_not_inverted():
    white = Image.new("CMYK", (8, 8), (0, 0, 0, 0))
    assert read(encoded(white, "JPEG")).min() > 250


@pytest.mark.parametrize("name", ["WEBP", "PNG", "TIFF"])
def test_the_first_frame_counts(name):
    frames = [Image.fromarray(drawn()), Image.new("RGB", (53, 37), "red")]
    data = encoded(frames[0], name, save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(read(data), drawn())


@st.composite
def damaged(draw):
    """A valid picture cut short, and one with bytes changed."""
    name = draw(st.sampled_from(sorted(FORMATS)))
    data = bytearray(encoded(drawn(), name))
    cut = bytes(data[: draw(st.integers(0, len(data)))])
    for _ in range(draw(st.integers(1, 8))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return name, cut, bytes(data)


@given(damaged())
@settings(deadline=None, max_examples=300)
def test_damaged_pictures_are_refused_or_whole(case):
    name, cut, changed = case
    try:
        pixels = read(cut)
    except UnreadableImage:
        pass
    else:
        np.testing.assert_array_equal(pixels, read(encoded(drawn(), name)))
    try:
        header = probe(changed, 100_000)
        assert decode(changed, header).shape == (header.height, header.width, 3)
    except (UnreadableImage, TooLarge):
        pass


@pytest.mark.parametrize("data", [b"", b"\xff", b"<svg/>", b"RIFF1234WAVEfmt ", b"GIF89a"])
def test_other_contents_are_refused(data):
    with pytest.raises(UnreadableImage, match="none of the formats"):
        probe(data, LIMIT)


def png_claiming(width, height):
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    header = struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return b"\x89PNG\r\n\x1a\n" + header + b"\0\0\0\0IDAT"


def webp_claiming(kind, chunk):
    return b"RIFF\xff\xff\0\0WEBP" + kind + b"\xff\0\0\0" + chunk


CLAIMS = {
    "png": png_claiming(20_000, 10_000),
    "jpeg": encoded(drawn(), "JPEG").replace(
        struct.pack(">HH", 37, 53), struct.pack(">HH", 10_000, 20_000)
    ),
    "bmp": encoded(drawn(), "BMP").replace(
        struct.pack("<II", 53, 37), struct.pack("<II", 20_000, 10_000)
    ),
    "webp": webp_claiming(b"VP8X", b"\0\0\0\0" + b"\x1f\x4e\0" + b"\x0f\x27\0"),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_claimed_pixels_are_counted_before_decoding(name):
    with pytest.raises(TooLarge) as refusal:
        probe(CLAIMS[name], LIMIT)
    assert (refusal.value.limit, refusal.value.actual) == (LIMIT, 200_000_000)


@pytest.mark.parametrize(
    ("kind", "chunk", "pixels"),
    [
        (b"VP8L", b"\x2f" + struct.pack("<I", 12_344 | 9_999 << 14), 12_345 * 10_000),
        (b"VP8 ", b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 12_345, 10_000), 12_345 * 10_000),
    ],
)
def test_webp_is_measured_before_its_decoder_makes_room(kind, chunk, pixels):
    with pytest.raises(TooLarge) as refusal:
        probe(webp_claiming(kind, chunk + bytes(10)), LIMIT)
    assert refusal.value.actual == pixels


def test_a_picture_of_exactly_the_limit_is_read():
    assert probe(encoded(drawn(), "PNG"), 37 * 53).height == 37
    with pytest.raises(TooLarge):
        probe(encoded(drawn(), "PNG"), 37 * 53 - 1)


def test_a_jpeg_of_endless_scans_is_refused():
    data = encoded(drawn(), "JPEG") + b"\xff\xda" * 101
    with pytest.raises(UnreadableImage, match="scans"):
        read(data)


def test_text_that_expands_without_end_is_refused():
    bomb = b"zTXtComment\0\0" + zlib.compress(bytes(80_000_000), 9)
    chunk = struct.pack(">I", len(bomb) - 4) + bomb + struct.pack(">I", zlib.crc32(bomb))
    data = encoded(drawn(), "PNG")
    with pytest.raises(UnreadableImage):
        probe(data[:33] + chunk + data[33:], LIMIT)


MEDIA = goldens.ROOT.parent / "media"
ODD = (
    [
        item
        for item in json.loads((MEDIA / "index.json").read_text())
        if "decode_image" in item["task"]
    ]
    if MEDIA.is_dir()
    else []
)


@pytest.mark.skipif(not ODD, reason="no media: they lie beside the reference folder")
@pytest.mark.parametrize("item", ODD, ids=lambda item: item["file"])
def test_odd_files_are_decoded_or_refused_as_expected(item):
    data = (MEDIA / item["file"]).read_bytes()
    try:
        header = probe(data, LIMIT)
        pixels = decode(data, header)
    except (UnreadableImage, TooLarge):
        assert item["expect"] != "ok"
        return
    assert item["expect"] != "reject"
    assert [header.width, header.height] == item["size"]
    assert pixels.shape == (header.height, header.width, 3)
    if item.get("compare") != "none" and "same_as" in item:
        assert_alike(pixels, read((MEDIA / item["same_as"]).read_bytes()), item)


def assert_alike(pixels, reference, item):
    if item.get("compare") == "gray":
        reference = np.asarray(Image.fromarray(reference).convert("L"))[..., None]
    difference = np.abs(pixels.astype(int) - reference).mean()
    assert difference <= item["seen"]["mad"] + 0.02
