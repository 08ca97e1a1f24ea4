"""`maskd detect`: boxes of pictures' objects."""

import argparse
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from service.cli import batch, drawing
from service.client import AsyncClient, Detection, DetectReply
from service.settings import Settings


async def _ask(client: AsyncClient, picture: bytes, options: Mapping[str, Any]) -> DetectReply:
    return await client.detect(picture, **options)


def _draw(picture: bytes, reply: DetectReply) -> bytes:
    return drawing.draw(picture, [(one, None) for one in reply.detections])


def result(one: Detection) -> dict[str, Any]:
    """Return one object as a COCO result has it."""
    return {"category_id": one.category_id, "bbox": list(one.bbox), "score": one.score}


def count(found: Iterable[Detection]) -> str:
    """Return how many there are of each category, in words."""
    counts = Counter(one.label for one in found)
    return ", ".join(f"{number} {label}" for label, number in counts.items())


_TASK = batch.Task(
    "detect",
    ask=_ask,
    says=lambda reply: count(reply.detections),
    results=lambda reply: [result(one) for one in reply.detections],
    draw=_draw,
)


def add_thresholds(parser: argparse.ArgumentParser) -> None:
    """Add what bounds the objects that are found."""
    parser.add_argument(
        "--score-threshold", metavar="S", help="lowest score; 0.05 to compute COCO metrics"
    )
    parser.add_argument("--max-detections", metavar="N", help="most objects of a picture")


def thresholds(given: argparse.Namespace) -> dict[str, Any]:
    """Return them as options; the service checks their values."""
    return {
        "score_threshold": given.score_threshold,
        "max_detections": given.max_detections,
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    batch.add_arguments(parser)
    add_thresholds(parser)


def run(given: argparse.Namespace, settings: Settings) -> int:
    """Answer all pictures; return the exit status."""
    return batch.run(_TASK, given, settings, **thresholds(given))
