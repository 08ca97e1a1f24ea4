"""COCO results: which id a picture has."""

from collections.abc import Mapping, Sequence
from pathlib import Path


def image_ids(paths: Sequence[Path]) -> Mapping[Path, int]:
    """Return an id for each picture.

    Names that are numbers, as COCO's own (`000000000139.jpg`), are the ids; else pictures are
    counted from 1. Never both, so that no two can meet.
    """
    stems = [path.stem for path in paths]
    are_numbers = all(stem.isdecimal() for stem in stems)
    numbers = [int(stem) for stem in stems] if are_numbers else []
    if not numbers or len(set(numbers)) < len(numbers):
        numbers = list(range(1, len(paths) + 1))
    return dict(zip(paths, numbers, strict=True))
