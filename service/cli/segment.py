"""`maskd segment`: objects of pictures, each with its mask."""

import argparse
from collections.abc import Mapping
from typing import Any

from service.cli import batch, detect, drawing
from service.client import AsyncClient, SegmentReply
from service.settings import Settings


async def _ask(client: AsyncClient, picture: bytes, options: Mapping[str, Any]) -> SegmentReply:
    return await client.segment(picture, **options)


def _results(reply: SegmentReply) -> list[dict[str, Any]]:
    return [{**detect.result(one), "segmentation": one.segmentation} for one in reply.instances]


def _draw(picture: bytes, reply: SegmentReply) -> bytes:
    return drawing.draw(
        picture, [(one, drawing.rle_of(one.segmentation)) for one in reply.instances]
    )


_TASK = batch.Task(
    "segment",
    ask=_ask,
    says=lambda reply: detect.count(reply.instances),
    results=_results,
    draw=_draw,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    batch.add_arguments(parser)
    detect.add_thresholds(parser)


def run(given: argparse.Namespace, settings: Settings) -> int:
    """Answer all pictures; return the exit status."""
    return batch.run(_TASK, given, settings, **detect.thresholds(given))
