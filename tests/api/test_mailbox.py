"""Messages of a stream: how many wait, whom those in flight wait for, what nobody holds."""

import weakref

import anyio

from service.api.sessions.mailbox import Place
from tests.api.test_sessions import MASK, picture
from tests.api.test_stream import Gated, streaming
from tests.fakes import loop_turns


async def test_the_next_has_its_turn_while_the_one_before_is_still_answered() -> None:
    first = Place()
    second = Place(first)
    async with first.turn():
        pass
    with anyio.fail_after(1):
        async with second.turn():
            pass
    assert not first.is_answered.is_set()


async def test_the_services_deadline_counts_from_a_messages_arrival() -> None:
    tracker = Gated()
    async with streaming(tracker, deadline_s=0.3) as (_, _, stream):
        tracker.close()
        for value in range(1, 6):
            stream.say(picture(value))
        await tracker.arrival()
        await anyio.sleep(0.4)
        tracker.gate.open()
        replies = [await stream.hear() for _ in range(5)]
        assert replies[-1]["code"] == "deadline-exceeded"  # it was only begun with now


def test_a_place_does_not_hold_the_one_before() -> None:
    first = Place()
    second = Place(first)
    gone = weakref.ref(first)
    del first
    assert gone() is None
    assert not second.has_moved.is_set()


async def test_edits_that_wait_are_few_where_frames_are_dropped() -> None:
    tracker = Gated()
    async with streaming(tracker, "policy=latest") as (_, _, stream):
        tracker.close()
        stream.say(picture(1))
        await tracker.arrival()
        for _ in range(30):
            stream.say({"objects": [{**MASK, "id": 1}]})
        await loop_turns(200)
        assert 30 - 12 <= stream.unread < 30
        tracker.gate.open()
        replies = [await stream.hear() for _ in range(31)]
        assert [reply["frame_index"] for reply in replies] == [1] * 31
