"""A folder in COCO's format as training data: `instances.json` and the pictures in `images/`."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from models import rle
from models.predictor import Category
from models.training.examples import Example

Mask = npt.NDArray[np.bool_]

_HELD_OUT = 10  # every tenth picture


class FolderError(Exception):
    """A folder that is not in COCO's format, or lacks pictures."""


@dataclass(frozen=True)
class CocoFolder:
    """Pictures with their annotations, shuffled anew each time round and mirrored at random.

    Attributes:
        directory: of the pictures.
        records: of each picture: its entry in the file and its annotations.
        categories: category id -> category.
        seed: of the order and the mirroring.
        is_endless: False gives each picture once, in order, as it is.
    """

    directory: Path
    records: tuple[tuple[dict[str, Any], tuple[dict[str, Any], ...]], ...]
    categories: dict[int, Category]
    seed: int
    is_endless: bool

    def __getitem__(self, index: int) -> Example:
        """Read picture `index` of the sequence."""
        if not self.is_endless:
            return self._read(index)
        turn, place = divmod(index, len(self.records))
        order = np.random.default_rng((self.seed, turn)).permutation(len(self.records))
        example = self._read(int(order[place]))
        is_mirrored = np.random.default_rng((self.seed, turn, place)).random() < 0.5
        return _mirrored(example) if is_mirrored else example

    def _read(self, number: int) -> Example:
        entry, annotations = self.records[number]
        path = self.directory / str(entry["file_name"])
        try:
            with Image.open(path) as file:
                image = np.asarray(file.convert("RGB"))
        except OSError as error:
            raise FolderError(f"cannot read {path}: {error}") from error
        size = (image.shape[0], image.shape[1])
        drawn = [(note["category_id"], to_mask(note["segmentation"], size)) for note in annotations]
        seen = [(label, mask) for label, mask in drawn if mask.any()]
        masks = np.stack([mask for _, mask in seen]) if seen else np.zeros((0, *size), dtype=bool)
        return Example(image, np.array([label for label, _ in seen], dtype=np.int64), masks)


def open_folder(root: Path, seed: int) -> tuple[CocoFolder, CocoFolder]:
    """Return the pictures to train on, and every tenth picture, held out.

    Raises:
        FolderError: no `instances.json`, or not COCO's format.
    """
    try:
        content = json.loads((root / "instances.json").read_text(encoding="utf-8"))
        categories = {
            int(entry["id"]): Category(int(entry["id"]), str(entry["name"]))
            for entry in sorted(content["categories"], key=lambda entry: int(entry["id"]))
        }
        records = _records(content)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FolderError(f"{root} is no COCO folder: {error!r}") from error
    held_out = records[::_HELD_OUT]
    trained = [record for number, record in enumerate(records) if number % _HELD_OUT]
    if not trained:
        raise FolderError(f"{root} holds too few pictures: two at least are needed")
    images = root / "images"
    return (
        CocoFolder(images, tuple(trained), categories, seed, is_endless=True),
        CocoFolder(images, tuple(held_out), categories, seed, is_endless=False),
    )


def to_mask(segmentation: Any, size: tuple[int, int]) -> Mask:
    """Return [h, w] bool: a COCO segmentation, polygons or RLE of either kind, as a bitmap.

    Raises:
        FolderError: neither polygons nor RLE of this size.
    """
    try:
        if isinstance(segmentation, list):
            return _polygon_mask(segmentation, size)
        counts = segmentation["counts"]
        packed = counts if isinstance(counts, str) else rle.from_counts(size, counts)["counts"]
        return rle.decode(rle.Rle(size=list(size), counts=packed))
    except (ValueError, KeyError, TypeError) as error:
        raise FolderError(f"bad segmentation: {error}") from error


def _records(content: Any) -> list[tuple[dict[str, Any], tuple[dict[str, Any], ...]]]:
    """Each picture with its annotations, by picture id; crowds are no objects."""
    notes: dict[int, list[dict[str, Any]]] = {int(entry["id"]): [] for entry in content["images"]}
    for note in content["annotations"]:
        if not note.get("iscrowd"):
            notes[int(note["image_id"])].append(note)
    entries = sorted(content["images"], key=lambda entry: int(entry["id"]))
    return [(entry, tuple(notes[int(entry["id"])])) for entry in entries]


def _polygon_mask(polygons: list[list[float]], size: tuple[int, int]) -> Mask:
    """The union of polygons, each a flat list x, y, x, y ... in pixel-edge coordinates."""
    mask = np.zeros(size, dtype=bool)
    for polygon in polygons:
        mask |= _inside(np.array(polygon, dtype=np.float64).reshape(-1, 2), size)
    return mask


def _inside(corners: npt.NDArray[np.float64], size: tuple[int, int]) -> Mask:
    """The pixels whose centres lie in one polygon, [p, 2] x and y.

    Along a row of pixels, every edge that crosses it turns outside into inside or back.
    """
    rows = np.arange(size[0]) + 0.5
    x, y = corners[:, :1], corners[:, 1:]
    next_x, next_y = np.roll(x, -1), np.roll(y, -1)
    edge, row = np.nonzero((y <= rows) != (next_y <= rows))
    shares = (rows[row] - y[edge, 0]) / (next_y - y)[edge, 0]
    crossings = x[edge, 0] + shares * (next_x - x)[edge, 0]
    turns = np.zeros((size[0], size[1] + 1), dtype=np.int64)
    np.add.at(turns, (row, np.clip(np.ceil(crossings - 0.5), 0, size[1]).astype(np.int64)), 1)
    inside: Mask = turns.cumsum(axis=1)[:, :-1] % 2 == 1
    return inside


def _mirrored(example: Example) -> Example:
    """The example with left and right changed."""
    return Example(
        np.ascontiguousarray(example.image[:, ::-1]),
        example.labels,
        np.ascontiguousarray(example.masks[:, :, ::-1]),
    )
