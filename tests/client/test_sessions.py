"""Sessions: objects in, frames in order, and connections that break."""

import json
from collections.abc import Callable

import httpx
import numpy as np
import pytest

from models import rle
from service.client import AsyncClient, Client, Detect, NewObject, RequestFailed, Unreachable
from service.client.prompts import to_json
from tests.api.serving import png
from tests.client.talking import FAST, FakeSessions

PNG = png()
BOX = [NewObject(box=(1, 2, 3, 4))]


def talking(service: FakeSessions) -> Client:
    return Client("http://service", transport=service, retry=FAST)


def test_frames_go_one_after_the_other() -> None:
    service = FakeSessions()
    with talking(service) as client, client.track(PNG, BOX) as session:
        assert session.opened.objects[0].label == "ball"
        answers = [session.step(frame) for frame in (b"one", b"two")]
        assert not service.is_closed
    assert [answer.frame_index for answer in answers] == [1, 2] == [1, session.frame_index]
    assert service.frames[1:] == [b"one", b"two"]
    assert service.is_closed
    assert np.array_equal(answers[0].objects[0].mask(), [[1, 1], [0, 0]])


@pytest.mark.parametrize("breaks", [httpx.ReadError, httpx.RemoteProtocolError, httpx.ReadTimeout])
def test_a_frame_whose_answer_got_lost_counts_once(breaks: Callable[[str], Exception]) -> None:
    service = FakeSessions(lambda: breaks("broken"))
    with talking(service) as client, client.track(PNG, BOX) as session:
        service.lost = 2
        assert session.step(b"one").frame_index == 1
        assert session.step(b"two").frame_index == 2
    assert service.frames[1:] == [b"one", b"two"]


def test_a_frame_that_failed_for_good_can_be_sent_again() -> None:
    service = FakeSessions()
    with talking(service) as client, client.track(PNG, BOX) as session:
        service.lost = 5
        with pytest.raises(Unreachable):
            session.step(b"one")
        assert session.frame_index == 0
        assert session.step(b"one").frame_index == 1


def test_a_session_is_not_opened_twice() -> None:
    service = FakeSessions()
    service.lost = 1
    with talking(service) as client, pytest.raises(Unreachable):
        client.track(PNG, BOX)
    assert len(service.frames) == 1


def test_a_session_that_cannot_be_closed_hides_no_error() -> None:
    service = FakeSessions()
    with talking(service) as client, pytest.raises(KeyError), client.track(PNG, BOX):  # noqa: PT012
        service.lost = 9
        raise KeyError
    assert service.lost == 8  # asked once


def test_objects_can_be_edited_on_the_way() -> None:
    service = FakeSessions()
    with talking(service) as client, client.track(PNG, BOX) as session:
        session.tell([NewObject(point=(3, 4), id=7, label="cup")])
        session.drop(1)
        with pytest.raises(RequestFailed):
            session.drop(2)
    assert service.edits == [{"objects": [{"point": [3, 4], "id": 7, "label": "cup"}]}, 1]


def test_a_session_can_be_looked_at() -> None:
    service = FakeSessions()
    with talking(service) as client, client.track(PNG, BOX) as session:
        session.step(b"one")
        state = session.state()
        assert (state.session_id, state.frame_index, state.memory_bytes) == (session.id, 1, 1)
        assert client.sessions() == (state,)
    assert not service.edits


async def test_a_loop_can_wait_as_well() -> None:
    service = FakeSessions()
    async with (
        AsyncClient("http://service", transport=service, retry=FAST) as client,
        await client.track(PNG, BOX) as session,
    ):
        service.lost = 1
        assert (await session.step(b"one")).frame_index == 1
        await session.tell(BOX)
        await session.drop(1)
        assert await client.sessions() == (await session.state(),)
    assert service.is_closed
    assert service.frames[1:] == [b"one"]


def test_masks_are_told_as_rle() -> None:
    mask = np.eye(3, dtype=bool)
    (told,) = to_json([NewObject(mask=mask)])["objects"]
    assert told == {"mask": rle.encode(mask)} == json.loads(json.dumps(told))
    assert to_json([NewObject(mask=rle.encode(mask))])["objects"] == [told]


@pytest.mark.parametrize("one", [NewObject(), NewObject(box=(0, 0, 1, 1), point=(0, 0))])
def test_an_object_is_told_in_one_way(one: NewObject) -> None:
    with pytest.raises(ValueError, match=r"not [02] of them"):
        to_json([one])


def test_what_a_detector_shall_find_is_told() -> None:
    told = to_json(Detect(score_threshold=0.5, labels=["ball", 3]))
    assert told == {"detect": {"score_threshold": 0.5, "labels": ["ball", "3"]}}
    assert to_json(Detect()) == {"detect": {}}
