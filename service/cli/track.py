"""`maskd track`: objects of a first frame, followed through a video."""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from models.rle import Bitmap
from service.api import overlay
from service.api.overlay import Mark
from service.cli import CommandFailed, connection, drawing, files, frames
from service.client import Detect, FrameReply, MaskdError, NewObject
from service.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument(
        "files", metavar="FILE", nargs="+", help="video, or the frames: pictures, folder, pattern"
    )
    connection.add_arguments(parser)
    parser.add_argument(
        "--find", action="store_true", help="follow all objects that a network finds on the first"
    )
    parser.add_argument(
        "--box",
        metavar="X,Y,W,H",
        action="append",
        default=[],
        help="follow what is in this box; trackers of masks get what a network sees in it",
    )
    parser.add_argument(
        "--mask",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="follow what is not black in this picture of the first frame's size",
    )
    parser.add_argument("--out", metavar="DIR", type=Path, help="write frames with objects drawn")
    parser.add_argument("--coco", metavar="FILE", type=Path, help="write COCO results, JSON")


def run(given: argparse.Namespace, settings: Settings) -> int:
    """Follow the objects to the last frame; return the exit status."""
    objects = _objects(given)
    if given.out is not None:
        files.make_folder(given.out)
    results: list[dict[str, Any]] = []
    try:
        asyncio.run(_follow(given, settings, objects, results))
    except (MaskdError, OSError) as error:
        raise CommandFailed(str(error)) from error
    finally:
        if given.coco is not None:
            files.write(given.coco, json.dumps(results).encode())
    return 0


async def _follow(
    given: argparse.Namespace,
    settings: Settings,
    objects: Sequence[NewObject] | Detect,
    results: list[dict[str, Any]],
) -> None:
    """Follow objects; results grow frame by frame, so that a failure loses none."""
    sequence = frames.read(given.files)
    first = next(sequence, None)
    if first is None:
        raise CommandFailed("there is no frame")
    helper = "segment" if given.find or given.box else None
    async with connection.connected(given, settings, "track", helper=helper) as client:
        session = await client.track(first, objects, model=given.model)
        async with session:
            await _take(given.out, first, session.opened, results)
            for frame in tqdm(sequence, unit="frame", initial=1, disable=None, file=sys.stderr):
                await _take(given.out, frame, await session.step(frame), results)
        objects_told = _count(len(session.last.objects), "object")
        frames_told = _count(session.frame_index + 1, "frame")
        sys.stdout.write(f"{', '.join(given.files)}: {objects_told} in {frames_told}\n")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


async def _take(
    out: Path | None, frame: frames.Frame, reply: FrameReply, results: list[dict[str, Any]]
) -> None:
    """Keep what was found on a frame, and draw it where that is wanted."""
    results += to_coco(reply)
    if out is not None:
        drawn = await asyncio.to_thread(draw, frame, reply)
        await asyncio.to_thread(files.write, out / f"{reply.frame_index:06d}.png", drawn)


def to_coco(reply: FrameReply) -> list[dict[str, Any]]:
    """Return the objects that a frame shows as COCO results have them."""
    return [
        {
            "image_id": reply.frame_index,
            "track_id": one.id,
            "category_id": 1,  # trackers tell objects apart, not what they are
            "bbox": list(one.bbox),
            "score": one.score,
            "segmentation": one.segmentation,
        }
        for one in reply.objects
        if one.visible
    ]


def draw(frame: frames.Frame, reply: FrameReply) -> bytes:
    """Return a PNG of a frame with its visible objects drawn on it."""
    marks = [
        Mark(
            box_xyxy=drawing.corners(one.bbox),
            caption=f"{one.label or 'object'} {one.id}",
            colour=overlay.category_colour(one.id),
            mask=drawing.rle_of(one.segmentation),
        )
        for one in reply.objects
        if one.visible
    ]
    pixels = drawing.pixels(frame) if isinstance(frame, bytes) else frame
    return overlay.draw(pixels, marks)


def _objects(given: argparse.Namespace) -> Sequence[NewObject] | Detect:
    """What to follow."""
    objects = [NewObject(box=_box(text)) for text in given.box]
    objects += [NewObject(mask=_mask(path)) for path in given.mask]
    if given.find and objects:
        raise CommandFailed("--find follows all that it finds: give no --box or --mask beside it")
    if not given.find and not objects:
        raise CommandFailed("nothing to follow: give --find, or --box and --mask for each object")
    return Detect() if given.find else objects


def _box(text: str) -> tuple[float, float, float, float]:
    try:
        x, y, width, height = (float(side) for side in text.split(","))
    except ValueError:
        raise CommandFailed(f"--box {text}: x,y,width,height are expected, in pixels") from None
    return x, y, width, height


def _mask(path: Path) -> Bitmap:
    try:
        mask: Bitmap = drawing.pixels(path.read_bytes()).max(axis=2) > 0
    except OSError as error:
        raise CommandFailed(f"{path}: {error.strerror}") from error
    return mask
