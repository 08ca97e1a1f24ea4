"""Sessions of the client against the whole service, its network a stand-in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import fields

import httpx
import numpy as np
import pytest
from pydantic import BaseModel

from service.api.sessions import options as session_options
from service.api.sessions import schemas as session_schemas
from service.client import AsyncClient, NewObject, RequestFailed, options, session_replies
from tests.api.serving import serving
from tests.client.talking import FAST
from tests.fake_tracker import FakeVideoPredictor

MASK = np.zeros((12, 16), bool)
MASK[2:6, 3:9] = True


def frame(value: int) -> np.ndarray:
    return np.full((12, 16, 3), value, np.uint8)


class Losing(httpx.AsyncBaseTransport):
    """A way to a service on which answers can get lost; `lost` is how many get lost next."""

    def __init__(self, way: httpx.AsyncBaseTransport) -> None:
        self._way = way
        self.lost = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._way.handle_async_request(request)
        if self.lost:
            self.lost -= 1
            raise httpx.ReadError("broken", request=request)
        return answer


@asynccontextmanager
async def tracking(*prompts: str) -> AsyncIterator[tuple[AsyncClient, Losing]]:
    tracker = FakeVideoPredictor(prompts=prompts or ("mask",))
    async with serving(tracker, task="track") as service:
        way = Losing(service._transport)
        async with AsyncClient("http://service", transport=way, retry=FAST) as client:
            yield client, way


def seen(reply: session_replies.FrameReply) -> list[float]:
    """The first values of all frames that the session has seen; see `FakeVideoPredictor`."""
    return [x for x, _ in reply.objects[0].rotated_box or ()]


async def test_objects_are_followed() -> None:
    async with tracking() as (client, _):
        told = [NewObject(mask=MASK, id=7, label="ball")]
        async with await client.track(frame(0), told, mask_format="rle_counts") as session:
            assert np.array_equal(session.opened.objects[0].mask(), MASK)
            reply = await session.step(frame(1))
            state = await session.tell([NewObject(mask=~MASK)])
            assert [(one.id, one.label) for one in state.objects] == [(7, "ball"), (8, None)]
            assert [one.id for one in (await session.step(frame(2))).objects] == [7, 8]
            assert len((await session.drop(7)).objects) == 1
        (one,) = reply.objects
        assert (one.id, one.label, one.visible, one.area) == (7, "ball", True, 24)
        assert isinstance(one.segmentation["counts"], list)
        with pytest.raises(RequestFailed) as caught:
            await session.step(frame(3))
    assert (caught.value.code, caught.value.problem.reason) == ("session-gone", "closed")


async def test_an_answer_that_got_lost_is_asked_for_again() -> None:
    async with tracking() as (client, way):
        session = await client.track(frame(0), [NewObject(mask=MASK)])
        way.lost = 2
        assert seen(await session.step(frame(1))) == [0, 1]
        assert seen(await session.step(frame(2))) == [0, 1, 2]


async def test_a_box_tells_an_object_too() -> None:
    async with tracking("box") as (client, _):
        session = await client.track(frame(0), [NewObject(box=(3, 2, 6, 4))])
        assert np.array_equal((await session.step(frame(1))).objects[0].mask(), MASK)


@pytest.mark.parametrize(
    ("ours", "documented"),
    [
        (session_replies.FrameReply, session_schemas.FrameReply),
        (session_replies.OpenedReply, session_schemas.OpenedReply),
        (session_replies.SessionReply, session_schemas.SessionReply),
        (session_replies.SessionsReply, session_schemas.SessionsReply),
        (session_replies.SessionLimits, session_schemas.SessionLimits),
        (session_replies.TrackedObject, session_schemas.TrackedObject),
        (session_replies.ObjectName, session_schemas.ObjectName),
    ],
)
def test_a_reply_has_the_documented_members(ours: type, documented: type[BaseModel]) -> None:
    assert {field.name for field in fields(ours)} == set(documented.model_fields)


def test_every_documented_option_can_be_given() -> None:
    given = {*options.TrackOptions.__annotations__, "objects", "detect"}
    assert given == set(session_options.OpenOptions.model_fields)
