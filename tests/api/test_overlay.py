import io

import numpy as np
import pytest
from PIL import Image

from models import rle
from service.api.overlay import Mark, category_colour, draw

RED, BLUE = (250, 0, 0), (0, 0, 250)


def gray(height=200, width=300):
    return np.full((height, width, 3), 100, dtype=np.uint8)


def disc(y, x, radius, height=200, width=300):
    rows, columns = np.mgrid[:height, :width]
    return np.hypot(rows - y, columns - x) < radius


def drawn(image, *marks):
    return np.asarray(Image.open(io.BytesIO(draw(image, marks))))


def is_colour(pixels, colour):
    return (pixels == colour).all(axis=-1)


def test_the_picture_itself_stays_as_it_is():
    image = gray()
    pixels = drawn(image, Mark((10, 60, 90, 120), "thing", RED, rle.encode(disc(90, 50, 20))))
    assert pixels.shape == image.shape
    np.testing.assert_array_equal(image, gray())


def test_no_marks_leave_the_picture():
    np.testing.assert_array_equal(drawn(gray()), gray())


def test_masks_are_tinted_and_outlined_and_nothing_else_is_touched():
    mask = disc(120, 150, 40)
    pixels = drawn(gray(), Mark((100, 70, 200, 170), "thing", RED, rle.encode(mask)))
    inside, outside = disc(120, 150, 36), ~disc(120, 150, 40)
    tint = np.unique(pixels[inside], axis=0)
    assert tint.shape == (1, 3)
    assert 100 < tint[0, 0] < 250
    outline = mask & is_colour(pixels, RED)
    ring = mask & ~disc(120, 150, 38)
    assert outline[ring].all()
    box_and_caption = np.zeros_like(mask)
    box_and_caption[70:170, 100:200] = True
    box_and_caption[50:70, 100:200] = True
    box_and_caption[71:169, 101:199] = False
    np.testing.assert_array_equal(pixels[outside & ~box_and_caption], 100)


def test_boxes_run_along_their_own_border_pixels():
    pixels = drawn(gray(), Mark((100, 70, 200, 170), "", RED))
    red = is_colour(pixels, RED)[70:170, 100:200]
    assert red[0].all()
    assert red[-1].all()
    assert red[:, 0].all()
    assert red[:, -1].all()
    assert not red[1:-1, 1:-1].any()
    assert not is_colour(pixels, RED)[170:].any()


def test_the_first_mark_is_on_top():
    masks = [rle.encode(disc(120, 150, 40)), rle.encode(disc(120, 160, 40))]
    corner = (0, 0, 1, 1)
    pixels = drawn(gray(), Mark(corner, "", RED, masks[0]), Mark(corner, "", BLUE, masks[1]))
    assert is_colour(pixels[120, 188:190], RED).all()


def test_the_first_box_is_on_top():
    box = (100, 70, 200, 170)
    pixels = drawn(gray(), Mark(box, "", RED), Mark(box, "", BLUE))
    assert is_colour(pixels[70:170, 100:200], RED).sum() == 4 * 100 - 4


def caption_pixels(*marks, image=None, colour=RED):
    """How many pixels captions fill: boxes are blank."""
    pixels = drawn(gray() if image is None else image, *marks)
    return int(is_colour(pixels, colour).sum())


@pytest.mark.parametrize(
    "corner", [(0, 0), (299, 0), (0, 199), (299, 199), (-40, -40), (400, 300), (150, 2)]
)
def test_captions_stay_inside_the_picture(corner):
    x, y = corner
    at_corner = caption_pixels(Mark((x, y, x + 1, y + 1), "a caption", RED))
    in_the_middle = caption_pixels(Mark((150, 100, 151, 101), "a caption", RED))
    assert at_corner >= in_the_middle - 2


def test_captions_of_one_place_do_not_hide_each_other():
    box = (100, 70, 200, 170)
    alone = caption_pixels(Mark(box, "worse", BLUE), colour=BLUE)
    beside = caption_pixels(Mark(box, "better", RED), Mark(box, "worse", BLUE), colour=BLUE)
    box_pixels = 4 * 100 - 4  # hidden by the better one's
    assert beside == alone - box_pixels


def test_a_caption_without_a_free_place_is_hidden_by_the_better_ones():
    box = (20, 5, 22, 7)
    image = gray(14, 60)
    alone = caption_pixels(Mark(box, "best", RED), image=image)
    crowd = [Mark(box, "others", BLUE) for _ in range(9)]
    assert caption_pixels(Mark(box, "best", RED), *crowd, image=image) == alone


def test_captions_are_legible_on_their_colour():
    for colour in (RED, (250, 250, 0), BLUE, (250, 250, 250)):
        pixels = drawn(gray(), Mark((100, 70, 200, 170), "thing", colour)).astype(int)
        patch = pixels[57:66, 103:128]
        contrast = np.abs(patch - colour).sum(axis=-1).max()
        assert contrast > 250


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (3000, 2)])
def test_pictures_smaller_than_a_caption_are_drawn_on(size):
    mark = Mark((0, 0, size[1], size[0]), "thing 99%", RED, rle.encode(np.ones(size, dtype=bool)))
    assert drawn(gray(*size), mark).shape == (*size, 3)


def test_a_mask_without_pixels_is_drawn_as_its_box():
    empty = rle.encode(np.zeros((200, 300), dtype=bool))
    box = (100, 70, 200, 170)
    np.testing.assert_array_equal(
        drawn(gray(), Mark(box, "thing", RED, empty)), drawn(gray(), Mark(box, "thing", RED))
    )


def test_lines_grow_with_the_picture():
    def outline(size):
        pixels = drawn(gray(*size), Mark((0, 0, size[1], size[0]), "", RED))
        return int(is_colour(pixels, RED)[size[0] // 2, : size[1] // 2].sum())

    assert outline((200, 300)) == 1
    assert outline((2000, 3000)) == 5


def test_category_colours_are_stable_and_apart():
    colours = np.array([category_colour(number) for number in range(1, 91)])
    assert category_colour(1) == (42, 101, 244)
    assert len(np.unique(colours, axis=0)) == 90
    neighbours = np.abs(np.diff(colours, axis=0)).sum(axis=1)
    assert neighbours.min() > 120
