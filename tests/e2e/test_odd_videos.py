"""Broken, hostile and merely unusual videos: every frame, or a clean refusal, never a 5xx."""

import json
import os
import random
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.test_sessions import tracking
from tests.clips import clip, cornered, grey
from tests.fake_tracker import FakeVideoPredictor

_DEFAULT = Path(__file__).resolve().parents[3] / "shared" / "media"
MEDIA = Path(os.environ.get("MASKD_MEDIA_DIR", _DEFAULT))
BOX = json.dumps([{"box": [2, 2, 20, 20]}])


def verdict(reply: httpx.Response) -> tuple[int, int, str | None]:
    """Status, frames answered, and what ended them."""
    if reply.status_code != 200:
        return reply.status_code, 0, reply.json()["code"]
    *frames, end = map(json.loads, reply.text.splitlines())
    assert end["summary"]["frames"] == len(frames)
    problem = end["problem"]
    return 200, len(frames), problem and problem["code"]


async def judge(client: httpx.AsyncClient, data: bytes) -> tuple[int, int, str | None]:
    headers = {"content-type": "video/mp4"}
    params = {"objects": BOX, "mask_format": "none"}
    return verdict(await client.post("/track", content=data, headers=headers, params=params))


def deserves(item: dict[str, Any], found: tuple[int, int, str | None]) -> bool:
    status, frames, code = found
    is_answered = status == 200 and code is None and frames == item.get("frames", frames)
    is_refused = status in (400, 413) or (status == 200 and code == "unreadable-video")
    if item["expect"] == "either":
        return is_answered or is_refused
    return is_answered if item["expect"] == "ok" else status in (400, 413)


@pytest.mark.skipif(
    not (MEDIA / "index.json").is_file(), reason="no media: set MASKD_MEDIA_DIR to their folder"
)
async def test_every_odd_video_gets_what_it_deserves() -> None:
    index = json.loads((MEDIA / "index.json").read_text())
    items = [item for item in index if item["file"].startswith("odd/video/")]
    wrong = []
    async with tracking(FakeVideoPredictor(prompts=("box", "mask"))) as client:
        for item in items:
            found = await judge(client, (MEDIA / item["file"]).read_bytes())
            if not deserves(item, found):
                wrong.append((item["file"], item["expect"], found))
        assert (await client.get("/sessions")).json()["sessions"] == []
    assert items
    assert wrong == []


@pytest.mark.parametrize(
    ("container", "codec"), [("mp4", "libx264"), ("matroska", "mpeg4"), ("avi", "mpeg4")]
)
async def test_no_damage_is_a_fault_of_the_service(container: str, codec: str) -> None:
    whole = clip([cornered(), *map(grey, range(0, 200, 20))], container=container, codec=codec)
    rng = random.Random(f"{container} {codec}")
    async with tracking(
        FakeVideoPredictor(prompts=("box", "mask")), max_image_megapixels=1
    ) as client:
        for _ in range(60):
            data = bytearray(whole)
            for _ in range(rng.randint(1, 30)):
                data[rng.randrange(len(data))] = rng.randrange(256)
            cut = data[: rng.randint(1, len(data))] if rng.random() < 0.3 else data
            status, _, code = await judge(client, bytes(cut))
            assert status in (200, 400, 413, 422), (status, code)
            assert code in (
                *(None, "unreadable-video", "too-large", "invalid-options"),
                "frame-size-changed",
            )
        assert await judge(client, whole) == (200, 11, None)
