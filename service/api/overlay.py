"""What a network found, drawn on the picture: tinted masks, outlines, boxes and captions."""

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from models import rle as rles
from models.rle import Bitmap, Rle

Colour = tuple[int, int, int]
Rectangle = tuple[int, int, int, int]  # left, top, one past right, one past bottom

_TINT = 112  # opacity of a mask, of 255
_GOLDEN_RATIO = 0.618034  # steps of this much around the colour wheel never come close to repeating
_LIGHTNESSES = (0.48, 0.56, 0.4)
_SATURATION = 0.9
_PIXELS_PER_LINE_WIDTH = 500  # of the picture's mean side; outlines are twice as wide as boxes
_PIXELS_PER_FONT_SIZE = 46
_SMALLEST_FONT = 11
_LIGHT = 140  # colours of more luma take black letters
_PADDING = 0.3  # around a caption, of the font's size


@dataclass(frozen=True)
class Mark:
    """One thing to draw.

    Attributes:
        box_xyxy: pixels of the picture.
        caption: a short text.
        colour: of mask, outline, box and caption.
        mask: of the picture's size, or None.
    """

    box_xyxy: tuple[float, float, float, float]
    caption: str
    colour: Colour
    mask: Rle | None = None


def category_colour(category_id: int) -> Colour:
    """Return a category's colour: always the same, unlike its neighbours'."""
    hue = category_id * _GOLDEN_RATIO % 1
    lightness = _LIGHTNESSES[category_id % len(_LIGHTNESSES)]
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, _SATURATION)
    return round(red * 255), round(green * 255), round(blue * 255)


def draw(image: npt.NDArray[np.uint8], marks: Sequence[Mark]) -> bytes:
    """Draw marks on a picture.

    Args:
        image: [h, w, 3] uint8, RGB; stays as it is.
        marks: the first ends up on top.

    Returns:
        A PNG of the picture's size.
    """
    canvas = Image.fromarray(image)
    mean_side = (canvas.width * canvas.height) ** 0.5
    line_width = max(1, round(mean_side / _PIXELS_PER_LINE_WIDTH))
    for mark in reversed(marks):
        if mark.mask is not None:
            _paint_mask(canvas, mark.mask, mark.colour, 2 * line_width)
    for mark in reversed(marks):
        _paint_box(canvas, mark, line_width)
    _paint_captions(canvas, marks, max(_SMALLEST_FONT, mean_side / _PIXELS_PER_FONT_SIZE))
    buffer = BytesIO()
    canvas.save(buffer, "PNG", compress_level=1)  # a third larger than the best, many times faster
    return buffer.getvalue()


def _paint_mask(canvas: Image.Image, mask: Rle, colour: Colour, outline_width: int) -> None:
    crop, x, y = rles.crop(mask)
    crop = np.ascontiguousarray(crop)
    opacity = np.where(_eroded(crop, outline_width), np.uint8(_TINT), np.uint8(255))
    canvas.paste(colour, (x, y), Image.fromarray(opacity * crop))


def _eroded(mask: Bitmap, margin: int) -> Bitmap:
    """Return the pixels with nothing but mask in the square around them: [h, w] bool."""
    inner = np.pad(mask, margin)
    for _ in range(mask.ndim):
        covered = 1
        while covered < 2 * margin + 1:  # each step doubles the stretch that a pixel stands for
            step = min(covered, 2 * margin + 1 - covered)
            inner = inner[:-step] & inner[step:]
            covered += step
        inner = inner.T
    return inner


def _paint_box(canvas: Image.Image, mark: Mark, line_width: int) -> None:
    left, top, right, bottom = (round(side) for side in mark.box_xyxy)
    corners = (left, top, max(right - 1, left), max(bottom - 1, top))
    ImageDraw.Draw(canvas).rectangle(corners, outline=mark.colour, width=line_width)


def _paint_captions(canvas: Image.Image, marks: Sequence[Mark], font_size: float) -> None:
    pen = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(font_size)
    _, highest, _, lowest = font.getbbox("dp", anchor="ls")
    beside, above = round(font_size * _PADDING), round(font_size * _PADDING / 2)
    height = round(lowest - highest) + 2 * above
    places: list[Rectangle] = []
    for mark in marks:
        size = round(font.getlength(mark.caption)) + 2 * beside, height
        places.append(_find_place(mark, size, canvas.size, places))
    for mark, (left, top, right, bottom) in zip(reversed(marks), reversed(places), strict=True):
        pen.rectangle((left, top, right - 1, bottom - 1), fill=mark.colour)
        ink = _readable_on(mark.colour)
        baseline = (left + beside, top + above - highest)
        pen.text(baseline, mark.caption, fill=ink, font=font, anchor="ls")


def _find_place(
    mark: Mark, size: tuple[int, int], canvas_size: tuple[int, int], taken: Sequence[Rectangle]
) -> Rectangle:
    """Choose a place at the box and inside the picture; one that hides no other if there is one."""
    left, top, right, bottom = (round(side) for side in mark.box_xyxy)
    width, height = size
    corners = [
        (x, y) for y in (top - height, bottom, top, bottom - height) for x in (left, right - width)
    ]
    places = []
    for x, y in corners:
        inside_x = max(0, min(x, canvas_size[0] - width))
        inside_y = max(0, min(y, canvas_size[1] - height))
        places.append((inside_x, inside_y, inside_x + width, inside_y + height))
    free = (place for place in places if not any(_overlap(place, other) for other in taken))
    return next(free, places[0])


def _overlap(one: Rectangle, other: Rectangle) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _readable_on(colour: Colour) -> Colour:
    """Return black or white, whichever stands out. Source: ITU-R BT.601, luma."""
    red, green, blue = colour
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return (0, 0, 0) if luma > _LIGHT else (255, 255, 255)
