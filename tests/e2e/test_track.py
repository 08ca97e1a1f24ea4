"""Whole videos over real sockets, with the demo weights, and with readers that stop or leave."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np
import pytest

from models import rle
from models.training.examples import DemoClips
from models.training.scenes import World
from models.training.video_metrics import region_similarity
from service.child import Child, running
from tests.clips import clip, grey
from tests.e2e.listening import WAIT_S, Listening, listening
from tests.fake_tracker import FakeVideoPredictor

SIZE = (240, 320)
# Runs of one pixel: a line of the reply is far larger than what sockets hold back.
CHECKS = np.indices(SIZE).sum(axis=0) % 2 == 0


@contextmanager
def tracking(**settings: Any) -> Iterator[Listening]:
    with listening(others={"track": FakeVideoPredictor()}, **settings) as service:
        yield service


@contextmanager
def following(service: Listening, frames: int) -> Iterator[Iterator[str]]:
    """The lines of a reply, as they are read."""
    video = clip(grey(value % 200, SIZE) for value in range(frames))
    form = {"objects": json.dumps([{"mask": rle.encode(CHECKS)}]), "mask_format": "rle_counts"}
    with httpx.stream(
        "POST", f"{service.url}/track", files={"video": video}, data=form, timeout=WAIT_S
    ) as reply:
        assert reply.status_code == 200
        yield reply.iter_lines()


def open_sessions(service: Listening) -> list[Any]:
    found: list[Any] = httpx.get(f"{service.url}/sessions", timeout=WAIT_S).json()["sessions"]
    return found


def test_lines_come_before_the_video_is_followed_to_its_end() -> None:
    with tracking() as service, following(service, 100) as lines:
        assert json.loads(next(lines))["frame_index"] == 0
        (session,) = open_sessions(service)
        assert session["frame_index"] < 99
        *_, last = lines
        assert json.loads(last)["summary"]["frames"] == 100
        assert open_sessions(service) == []


def test_a_reader_that_stops_is_not_worked_for_and_given_up_in_the_end() -> None:
    with tracking(session_idle_s=1.0) as service, following(service, 100) as lines:
        assert json.loads(next(lines))["frame_index"] == 0
        line = service.log.wait_for("POST /track", status=200)
        assert line.fields["reason"] == "slow-reader"
        assert open_sessions(service) == []
        with pytest.raises(httpx.RemoteProtocolError):
            list(lines)


def test_a_client_that_goes_takes_its_session_along() -> None:
    with tracking() as service:
        with following(service, 100) as lines:
            next(lines)
            assert len(open_sessions(service)) == 1
        line = service.log.wait_for("POST /track", status=200)
        assert line.fields["reason"] == "client-gone"
        assert open_sessions(service) == []


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    with running({"MASKD_MODELS": "aot_demo,mask_rcnn_demo"}) as service:
        yield service


@pytest.mark.slow
def test_the_demo_weights_follow_figures_through_a_video_file(child: Child) -> None:
    world = World((128, 128), max_aspect=1, figures=(2, 2))
    example = DemoClips(5, (world,), 12, video_frames=(12, 12))[0]
    numbers = range(1, example.object_count + 1)
    objects = [{"id": one, "mask": rle.encode(example.owners[0] == one)} for one in numbers]
    reply = httpx.post(
        f"{child.url}/track",
        files={"video": clip(example.images)},
        data={"objects": json.dumps(objects)},
        timeout=120,
    )
    *frames, end = map(json.loads, reply.text.splitlines())
    assert end["problem"] is None
    assert [frame["frame_index"] for frame in frames] == list(range(12))
    scores = [
        region_similarity(rle.decode(one["segmentation"]), owners == one["id"])
        for frame, owners in zip(frames[1:], example.owners[1:], strict=True)
        for one in frame["objects"]
    ]
    assert np.mean(scores) > 0.7


@pytest.mark.slow
def test_what_a_network_finds_on_the_first_frame_is_followed(child: Child) -> None:
    world = World((128, 128), max_aspect=1, figures=(2, 2))
    example = DemoClips(5, (world,), 4, video_frames=(4, 4))[0]
    reply = httpx.post(
        f"{child.url}/track",
        files={"video": clip(example.images)},
        data={"detect": "{}"},
        timeout=120,
    )
    *frames, end = map(json.loads, reply.text.splitlines())
    assert len(frames) == 4
    assert all(one["label"] for one in end["summary"]["objects"])
