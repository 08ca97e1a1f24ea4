"""`maskd semantic`: the category of every pixel of pictures."""

import argparse
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from models import rle
from models.predictor import Category
from service.api import palette
from service.api.overlay import Colour
from service.cli import batch, drawing
from service.client import AsyncClient, SemanticReply
from service.settings import Settings


async def _ask(client: AsyncClient, picture: bytes, options: Mapping[str, Any]) -> SemanticReply:
    return await client.semantic(picture, **options, mask_format="png")


def _results(reply: SemanticReply) -> list[dict[str, Any]]:
    ids = reply.category_ids()
    return [
        {
            "category_id": one.category_id,
            "bbox": list(one.bbox),
            "segmentation": rle.encode(ids == one.category_id),
        }
        for one in reply.segments
    ]


def _draw(picture: bytes, reply: SemanticReply) -> bytes:
    labelled = reply.label_picture()
    categories = {
        one.category_id: Category(one.category_id, one.label, _colour(labelled, one.category_id))
        for one in reply.segments
    }
    ids = np.array(labelled)
    return palette.draw(drawing.pixels(picture), ids, categories, list(categories))


def _colour(labelled: Image.Image, index: int) -> Colour:
    """A colour of the palette, which the service fills."""
    red, green, blue = (labelled.getpalette() or [])[3 * index : 3 * index + 3]
    return red, green, blue


def _says(reply: SemanticReply) -> str:
    pixels = reply.image.width * reply.image.height
    return ", ".join(f"{one.area / pixels:.1%} {one.label}" for one in reply.segments)


_TASK = batch.Task(
    "semantic",
    ask=_ask,
    says=_says,
    results=_results,
    draw=_draw,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    batch.add_arguments(parser)
    parser.add_argument("--min-area", metavar="N", help="leave out segments of fewer pixels")
    parser.add_argument(
        "--coarse", action="store_true", help="do not ask the point head about uncertain borders"
    )


def run(given: argparse.Namespace, settings: Settings) -> int:
    """Answer all pictures; return the exit status."""
    options = {"min_area": given.min_area, "refine": not given.coarse}
    return batch.run(_TASK, given, settings, **options)
