"""Folders in COCO's format: masks of all kinds, order, mirroring, and what is wrong with some."""

import json

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from models import rle
from models.training.coco_folder import FolderError, open_folder, to_mask

SIZE = (20, 30)
SQUARE = [[4, 5, 12, 5, 12, 15, 4, 15]]


def square_mask():
    mask = np.zeros(SIZE, dtype=bool)
    mask[5:15, 4:12] = True
    return mask


def note(image_id, **fields):
    return {"image_id": image_id, "category_id": 3, "segmentation": SQUARE, "iscrowd": 0, **fields}


def write_folder(root, annotations, count=12, category=3):
    (root / "images").mkdir()
    for number in range(count):
        image = np.zeros((*SIZE, 3), dtype=np.uint8)
        image[:, :5] = number * 10
        Image.fromarray(image).save(root / "images" / f"{number}.png")
    content = {
        "images": [{"id": number, "file_name": f"{number}.png"} for number in range(count)],
        "categories": [{"id": category, "name": "box"}],
        "annotations": annotations,
    }
    (root / "instances.json").write_text(json.dumps(content))
    return root


@pytest.mark.parametrize(
    "segmentation",
    [
        SQUARE,
        rle.encode(square_mask()),
        {"size": list(SIZE), "counts": rle.to_counts(rle.encode(square_mask()))},
    ],
    ids=["polygon", "compressed", "counts"],
)
def test_every_kind_of_segmentation_is_the_same_mask(segmentation):
    assert np.array_equal(to_mask(segmentation, SIZE), square_mask())


def test_slanted_polygons_are_the_official_ones_but_for_border_pixels():
    rng = np.random.default_rng(0)
    for corners in (3, 5, 12):
        angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
        points = np.stack((15 + 11 * np.cos(angles), 10 + 8 * np.sin(angles)), axis=1)
        polygon = points.ravel().tolist()
        packed = coco_mask.frPyObjects([polygon], *SIZE)[0]["counts"].decode()
        official = rle.decode(rle.Rle(size=list(SIZE), counts=packed))
        ours = to_mask([polygon], SIZE)
        assert (ours != official).sum() <= 0.5 * np.hypot(*np.diff(points, axis=0).T).sum()
        x, y = points.T
        area = 0.5 * abs(x @ np.roll(y, -1) - y @ np.roll(x, -1))
        assert ours.sum() == pytest.approx(area, abs=6)


def test_a_polygon_beyond_the_picture_is_cut():
    mask = to_mask([[-8, -8, 6, -8, 6, 7, -8, 7]], SIZE)
    assert mask[:7, :6].all()
    assert mask.sum() == 42


@pytest.mark.parametrize("segmentation", [{"size": [2, 2]}, [["x", "y"] * 3], {"counts": [3]}, 7])
def test_a_bad_segmentation_is_refused(segmentation):
    with pytest.raises(FolderError, match="bad segmentation"):
        to_mask(segmentation, SIZE)


def test_every_tenth_picture_is_held_out(tmp_path):
    trained, held_out = open_folder(write_folder(tmp_path, [note(0), note(0), note(1)]), seed=0)
    assert [entry["id"] for entry, _ in held_out.records] == [0, 10]
    assert len(trained.records) == 10
    assert trained.categories[3].name == "box"
    example = held_out[0]
    assert example.masks.shape == (2, *SIZE)
    assert example.labels.tolist() == [3, 3]
    assert held_out[1].masks.shape == (0, *SIZE)


def test_each_turn_shows_every_picture_once_in_another_order(tmp_path):
    trained, _ = open_folder(write_folder(tmp_path, []), seed=0)
    turns = [[int(trained[turn * 10 + i].image.max()) for i in range(10)] for turn in range(2)]
    assert sorted(turns[0]) == sorted(turns[1]) == [n * 10 for n in range(1, 12) if n != 10]
    assert turns[0] != turns[1]
    assert int(trained[3].image.max()) == turns[0][3]


def test_mirrored_pictures_mirror_their_masks(tmp_path):
    notes = [note(number) for number in range(12)]
    trained, _ = open_folder(write_folder(tmp_path, notes), seed=0)
    sides = set()
    for index in range(20):
        example = trained[index]
        is_mirrored = bool(example.image[0, -1].any())
        expected = square_mask()[:, ::-1] if is_mirrored else square_mask()
        assert np.array_equal(example.masks[0], expected)
        sides.add(is_mirrored)
    assert sides == {True, False}


def test_crowds_and_empty_masks_are_no_objects(tmp_path):
    empty = note(0, segmentation=[[40, 40, 50, 40, 50, 50]])
    _, held_out = open_folder(write_folder(tmp_path, [note(0, iscrowd=1), empty, note(0)]), seed=0)
    assert held_out[0].masks.shape == (1, *SIZE)


@pytest.mark.parametrize("text", ["", "[]", '{"images": []}', '{"images": [{}], "categories": []}'])
def test_a_broken_file_is_refused(tmp_path, text):
    (tmp_path / "instances.json").write_text(text)
    with pytest.raises(FolderError, match="no COCO folder"):
        open_folder(tmp_path, seed=0)


def test_a_folder_with_one_picture_is_refused(tmp_path):
    with pytest.raises(FolderError, match="too few"):
        open_folder(write_folder(tmp_path, [], count=1), seed=0)


def test_a_missing_picture_is_named(tmp_path):
    _, held_out = open_folder(write_folder(tmp_path, []), seed=0)
    (tmp_path / "images" / "0.png").unlink()
    with pytest.raises(FolderError, match=r"0\.png"):
        held_out[0]
