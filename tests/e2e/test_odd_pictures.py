"""Broken, hostile and merely unusual pictures: an answer or a clean refusal, never a 5xx."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.api.serving import serving

_DEFAULT = Path(__file__).resolve().parents[3] / "shared" / "media"
MEDIA = Path(os.environ.get("MASKD_MEDIA_DIR", _DEFAULT))

pytestmark = [
    pytest.mark.skipif(
        not (MEDIA / "index.json").is_file(), reason="no media: set MASKD_MEDIA_DIR to their folder"
    ),
    pytest.mark.filterwarnings("ignore::UserWarning:PIL"),  # as the codec does
]
EXPECTED = {"ok": {200}, "reject": {400, 413}, "either": {200, 400, 413}}


def expected(item: dict[str, Any]) -> set[int]:
    is_video = "decode_image" not in item["task"]
    return EXPECTED["reject" if is_video and item["expect"] == "ok" else item["expect"]]


async def test_every_odd_file_gets_what_it_deserves() -> None:
    index = json.loads((MEDIA / "index.json").read_text())
    wrong = []
    async with serving() as client:
        for item in index:
            if not item["file"].startswith("odd/"):
                continue
            reply = await client.segment((MEDIA / item["file"]).read_bytes(), "image/png")
            if reply.status_code not in expected(item):
                wrong.append((item["file"], item["expect"], reply.status_code, reply.text[:200]))
    assert wrong == []
