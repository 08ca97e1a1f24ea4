"""What the labels of somebody's own weights mean, as JSON."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.predictor import Category


class LabelsError(ValueError):
    """No labels can be read from it; the message says why."""


def read_labels(path: Path) -> dict[int, Category]:
    """Return label -> category, in rising label order, from a file of one of three forms.

    `{"1": "cat", "2": "dog"}`, labels as the network counts them, each its own category id;
    `{"1": {"id": 17, "name": "cat"}}`, with ids of their own; or a COCO file, whose `categories`
    are taken with each id as its label.

    Raises:
        LabelsError: no such file, or none of these forms.
    """
    try:
        return parse(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError) as error:
        raise LabelsError(f"cannot read labels from {path}: {error}") from error


def parse(content: Any) -> dict[int, Category]:
    """Return label -> category, in rising label order, from a file's content; see `read_labels`.

    Raises:
        LabelsError: it has none of the forms.
    """
    try:
        if "categories" in content:
            content = {entry["id"]: entry for entry in content["categories"]}
        categories = {int(label): _category(int(label), entry) for label, entry in content.items()}
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise LabelsError('label -> name expected, such as {"1": "cat", "2": "dog"}') from error
    if not categories or min(categories) < 0:
        raise LabelsError("one label at least is needed, and none below 0")
    return dict(sorted(categories.items()))


def dump(categories: Mapping[int, Category]) -> dict[str, dict[str, Any]]:
    """Return what `parse` reads; the colours of published data sets are left out."""
    return {
        str(label): {"id": category.id, "name": category.name}
        for label, category in categories.items()
    }


def _category(label: int, entry: Any) -> Category:
    if isinstance(entry, str):
        return Category(label, entry)
    return Category(int(entry["id"]), str(entry["name"]))
