"""A process that is killed in mid-stream, and the next one that goes on with its sessions."""

import io
import json
import os
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from models import rle, zoo
from service.child import Child, running
from tests.families import aot_tiny

SIZE = (48, 64)


def png(frame: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(frame).save(file, "PNG")
    return file.getvalue()


FRAMES = [png(frame) for frame in aot_tiny.clip(9, SIZE)]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    torch.manual_seed(7)
    save_file(dict(zoo.build("aot_demo").state_dict()), tmp_path / "aot_demo.safetensors")
    theirs = {name: value for name, value in os.environ.items() if not name.startswith("MASKD_")}
    return {
        **theirs,
        "MASKD_MODELS": "aot_demo",
        "MASKD_WEIGHTS_DIR": str(tmp_path),
        "MASKD_SESSION_DIR": str(tmp_path / "sessions"),
        "MASKD_SESSION_SNAPSHOT_FRAMES": "3",
    }


def open_session(client: httpx.Client) -> str:
    mask = rle.encode(np.pad(np.ones((20, 30), bool), ((10, 18), (12, 22))))
    objects = json.dumps([{"id": 3, "label": "thing", "mask": mask}])
    opened = client.post("/sessions", files={"image": FRAMES[0]}, data={"objects": objects})
    assert opened.status_code == 201, opened.text
    session_id: str = opened.json()["session_id"]
    return session_id


def send(client: httpx.Client, session_id: str, index: int) -> httpx.Response:
    headers = {"content-type": "image/png"}
    where = f"/sessions/{session_id}/frames?frame_index={index}"
    return client.post(where, content=FRAMES[index], headers=headers)


def answer(client: httpx.Client, session_id: str, index: int) -> Any:
    reply = send(client, session_id, index)
    assert reply.status_code == 200, reply.text
    return reply.json()["objects"]


@pytest.mark.slow
def test_a_session_survives_the_kill_of_its_process(environ: dict[str, str]) -> None:
    child = Child(environ)
    child.wait_until("ready")
    with httpx.Client(base_url=child.url, timeout=60) as client:
        session_id = open_session(client)
        before = {index: answer(client, session_id, index) for index in range(1, 6)}
        listed = client.get("/metrics").text
        assert "maskd_sessions 1.0" in listed
    child.process.kill()
    child.stop()

    with running(environ) as heir, httpx.Client(base_url=heir.url, timeout=60) as client:
        lost = send(client, session_id, 6)
        assert (lost.status_code, lost.json()["code"]) == (409, "frame-out-of-order")
        expected = lost.json()["expected_frame_index"]
        assert expected in (1, 4)  # the third frame's snapshot is there unless the disk was slow
        after = {index: answer(client, session_id, index) for index in range(expected, 9)}
        for index in range(expected, 6):
            assert after[index] == before[index]
        whole = open_session(client)
        undisturbed = {index: answer(client, whole, index) for index in range(1, 9)}
        assert {**before, **after} == undisturbed
        assert client.delete(f"/sessions/{session_id}").status_code == 204
        assert client.get(f"/sessions/{session_id}").json()["reason"] == "closed"

    with running(environ) as third, httpx.Client(base_url=third.url, timeout=60) as client:
        assert client.get(f"/sessions/{session_id}").status_code == 404
        again = answer(client, whole, 8)  # this process ended well: nothing was lost
        assert again == undisturbed[8]
