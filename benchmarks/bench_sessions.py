"""Sessions over HTTP: several followed at once against the same ones, one after the other.

python -m benchmarks.bench_sessions [--sessions N] [--rounds N]

A real server process on the loopback with `aot_demo` follows three figures a session through clips
of the demo world, sent as JPEG: once with a request a frame, and once over the WebSocket with four
frames under way. Every round takes both orders in turn; the best of each counts, and both must
give the same masks.
"""

import argparse
import asyncio
import io
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.provenance import RESULTS, commit, machine
from models.training.examples import Clip, DemoClips
from models.training.scenes import World
from service.child import running
from service.client import AsyncClient, NewObject
from service.client.async_client import AsyncSession

_SIDE, _FRAMES = 256, 24  # pixels and frames of a clip
_WORLD = World((_SIDE, _SIDE), max_aspect=1, figures=(3, 3))

Masks = list[Any]  # segmentations of all frames and objects


@dataclass(frozen=True)
class Film:
    """A clip as a client has it: files, and masks of the first frame's objects."""

    frames: list[bytes]
    objects: list[NewObject]


def main() -> None:
    """Run the benchmark, print its figures and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    clips = DemoClips(9, (_WORLD,), _FRAMES, video_frames=(_FRAMES, _FRAMES))
    films = [_film(clips[index]) for index in range(given.sessions)]
    with running(os.environ | {"MASKD_MODELS": "aot_demo"}) as child:
        ways = {
            name: asyncio.run(_compare(child.url, films, follow, given.rounds))
            for name, follow in (("request_a_frame", _step), ("stream", _stream))
        }
    result = {
        "machine": machine(),
        "commit": commit(),
        "frame": [_SIDE] * 2,
        "frames_a_session": _FRAMES - 1,
        "objects_a_session": 3,
        "sessions": given.sessions,
        **ways,
    }
    text = json.dumps(result, indent=2)
    sys.stdout.write(f"{text}\n")
    (RESULTS / "sessions.json").write_text(f"{text}\n")


async def _compare(
    url: str,
    films: Sequence[Film],
    follow: Callable[[AsyncSession, Film], Awaitable[Masks]],
    rounds: int,
) -> dict[str, Any]:
    """Frames a second of both orders, and whether they gave the same."""
    best: dict[str, float] = {}
    masks: dict[str, list[Masks]] = {}
    async with AsyncClient(url) as client:

        async def whole(film: Film) -> Masks:
            async with await client.track(film.frames[0], film.objects) as session:
                return await follow(session, film)

        async def in_turn() -> list[Masks]:
            return [await whole(film) for film in films]

        async def at_once() -> list[Masks]:
            return await asyncio.gather(*(whole(film) for film in films))

        await whole(films[0])
        for _ in range(rounds):
            for name, order in (("in_turn", in_turn), ("at_once", at_once)):
                begun = time.monotonic()
                masks[name] = await order()
                spent = time.monotonic() - begun
                best[name] = min(spent, best.get(name, spent))
    frames = len(films) * (_FRAMES - 1)
    return {
        "in_turn_frames_per_second": round(frames / best["in_turn"], 1),
        "at_once_frames_per_second": round(frames / best["at_once"], 1),
        "ratio": round(best["in_turn"] / best["at_once"], 2),
        "masks": sum(map(len, masks["in_turn"])),
        "masks_that_differ": sum(
            ours != theirs
            for some, others in zip(masks["in_turn"], masks["at_once"], strict=True)
            for ours, theirs in zip(some, others, strict=True)
        ),
    }


async def _step(session: AsyncSession, film: Film) -> Masks:
    replies = [await session.step(frame) for frame in film.frames[1:]]
    return [one.segmentation for reply in replies for one in reply.objects]


async def _stream(session: AsyncSession, film: Film) -> Masks:
    stream = session.stream(film.frames[1:])
    return [one.segmentation async for reply in stream for one in reply.objects]


def _film(clip: Clip) -> Film:
    numbers = range(1, clip.object_count + 1)
    objects = [NewObject(id=number, mask=clip.owners[0] == number) for number in numbers]
    return Film([_jpeg(image) for image in clip.images], objects)


def _jpeg(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=90)
    return file.getvalue()


if __name__ == "__main__":
    main()
