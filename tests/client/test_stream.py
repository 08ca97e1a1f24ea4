"""Streams of both clients against a service that listens, over connections that get cut."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from time import sleep
from typing import Any

import httpx
import numpy as np
import pytest

from service.client import AsyncClient, Client, NewObject, RequestFailed, Retry, StreamReply
from service.client.wire import Address
from tests.client.relay import Relay, relaying
from tests.client.talking import FAST
from tests.e2e.listening import WAIT_S, Listening, listening
from tests.fake_tracker import FakeVideoPredictor
from tests.fakes import Gate

BALL = NewObject(box=(3, 2, 6, 4), label="ball")
FRAMES = 9

Seen = Callable[[Any, StreamReply], None]
"""Called with the stream and each of its replies."""


def frame(value: int) -> np.ndarray:
    return np.full((12, 16, 3), value, np.uint8)


def frames(count: int = FRAMES) -> Iterator[np.ndarray]:
    """The frames after the first."""
    return (frame(value) for value in range(1, count + 1))


def seen(reply: StreamReply) -> list[int]:
    """The first values of all frames that the session has seen."""
    return [int(x) for x, _ in reply.objects[0].rotated_box or ()]


def follow(
    url: str, given: Iterable[Any], on_reply: Seen, retry: Retry, **options: Any
) -> list[StreamReply]:
    replies = []
    with Client(url, retry=retry) as client, client.track(frame(0), [BALL]) as session:
        stream = session.stream(given, **options)
        for reply in stream:
            assert session.last is reply
            replies.append(reply)
            on_reply(stream, reply)
    return replies


def follow_in_a_loop(
    url: str, given: Iterable[Any], on_reply: Seen, retry: Retry, **options: Any
) -> list[StreamReply]:
    async def main() -> list[StreamReply]:
        replies = []
        async with (
            AsyncClient(url, retry=retry) as client,
            await client.track(frame(0), [BALL]) as session,
        ):
            stream = session.stream(given, **options)
            async for reply in stream:
                assert session.last is reply
                replies.append(reply)
                on_reply(stream, reply)
        return replies

    return asyncio.run(main())


@pytest.fixture(params=[follow, follow_in_a_loop])
def following(request: pytest.FixtureRequest) -> Callable[..., list[StreamReply]]:
    def call(
        url: str,
        given: Iterable[Any],
        on_reply: Seen = lambda *_: None,
        retry: Retry = FAST,
        **options: Any,
    ) -> list[StreamReply]:
        return request.param(url, given, on_reply, retry, **options)

    return call


@contextmanager
def tracking(tracker: Any = None, **settings: Any) -> Iterator[tuple[Listening, Relay]]:
    tracker = tracker or FakeVideoPredictor(prompts=("box",))
    with (
        listening(others={"track": tracker}, **settings) as service,
        relaying(service.address) as relay,
    ):
        yield service, relay


def test_each_frame_is_answered_in_order(following: Any) -> None:
    with tracking() as (service, _):
        replies = following(service.url, frames())
    assert [reply.frame_index for reply in replies] == list(range(1, FRAMES + 1))
    assert seen(replies[-1]) == list(range(FRAMES + 1))
    assert {reply.dropped for reply in replies} == {0}
    assert replies[0].objects[0].mask()[2:6, 3:9].all()


def test_few_frames_are_taken_ahead_of_the_answers(following: Any) -> None:
    taken = []
    ahead = []

    def given() -> Iterator[np.ndarray]:
        for value in range(1, 30):
            taken.append(value)
            yield frame(value)

    with tracking() as (service, _):
        following(
            service.url,
            given(),
            lambda _, reply: ahead.append(len(taken) - reply.frame_index),
            in_flight=3,
        )
    assert len(ahead) == 29
    assert max(ahead) == 2


def test_after_a_cut_each_frame_counts_once(following: Any) -> None:
    with tracking() as (_, relay):

        def cut(_: Any, reply: StreamReply) -> None:
            if reply.frame_index in (2, 6):
                relay.cut()

        replies = following(relay.url, frames(30), cut)
    assert seen(replies[-1]) == list(range(31))
    assert len(replies) + sum(reply.dropped for reply in replies) == 30
    for reply in replies:
        assert seen(reply) == list(range(reply.frame_index + 1))


def test_the_answer_of_the_frame_that_the_session_stands_at_is_not_lost(following: Any) -> None:
    """It is followed, and its answer made, while nobody is connected."""
    gate = Gate()
    tracker = FakeVideoPredictor(gate, prompts=("box",))
    is_closed = Event()

    def given() -> Iterator[np.ndarray]:
        yield frame(1)
        for _ in range(tracker.calls.count(("step", 1))):  # all so far: none is in flight
            gate.wait_arrival()
        gate.close()
        is_closed.set()
        yield from (frame(value) for value in range(2, 6))

    def cut_in_mid_step(relay: Relay) -> None:
        assert is_closed.wait(WAIT_S)
        gate.wait_arrival()
        relay.cut()
        gate.open()

    with (
        tracking(tracker) as (_, relay),
        ThreadPoolExecutor() as cutter,
    ):
        cut = cutter.submit(cut_in_mid_step, relay)
        replies = following(relay.url, given(), in_flight=1)
        cut.result()
    assert [reply.frame_index for reply in replies] == list(range(1, 6))
    assert seen(replies[-1]) == list(range(6))


def test_edits_are_made_behind_the_frames_that_were_sent(following: Any) -> None:
    def edit(stream: Any, reply: StreamReply) -> None:
        if reply.frame_index == 2:
            stream.tell([NewObject(box=(0, 0, 4, 4), id=7)])
        if reply.frame_index == FRAMES:
            stream.tell([NewObject(box=(0, 0, 4, 4), id=8)])

    with tracking() as (service, _):
        replies = following(service.url, frames(), edit, in_flight=3)
    counts = [len(reply.objects) for reply in replies]
    assert counts == [1] * 4 + [2] * (FRAMES - 4)


def test_an_edit_that_cannot_be_made_is_told(following: Any) -> None:
    with tracking() as (service, _), pytest.raises(RequestFailed) as caught:
        following(
            service.url,
            frames(),
            lambda stream, _: stream.tell([NewObject(box=(90, 90, 1, 1), id=7)]),
        )
    assert caught.value.code == "invalid-options"


def test_a_frame_that_cannot_be_read_ends_the_stream_before_it(following: Any) -> None:
    replies = []
    broken = [frame(1), b"no picture", frame(3), frame(4)]
    with tracking() as (service, _), pytest.raises(RequestFailed) as caught:
        following(service.url, broken, lambda _, reply: replies.append(reply))
    assert caught.value.code == "unreadable-image"
    assert [seen(reply) for reply in replies] == [[0, 1]]


def test_a_frame_larger_than_a_body_may_be_is_not_sent_again(following: Any) -> None:
    with tracking(max_body_bytes=5000) as (_, relay), pytest.raises(RequestFailed) as caught:
        following(relay.url, [frame(1), bytes(5001)])
    assert caught.value.code == "too-large"


def test_a_service_that_stays_away_is_told(following: Any) -> None:
    with tracking() as (_, relay), pytest.raises(Exception, match=r"answer came|stream broke"):
        following(relay.url, frames(), lambda *_: relay.close())


def test_the_callers_own_errors_pass_through(following: Any) -> None:
    with tracking() as (service, _), pytest.raises(FileNotFoundError):
        following(service.url, [frame(1), "no such file"])


def test_of_frames_that_come_too_fast_the_latest_are_answered(following: Any) -> None:
    gate = Gate()

    def given() -> Iterator[np.ndarray]:
        gate.close()
        yield from frames(50)
        gate.open()

    with tracking(FakeVideoPredictor(gate, prompts=("box",))) as (service, _):
        replies = following(service.url, given(), policy="latest")
    assert len(replies) < 10
    assert len(replies) + sum(reply.dropped for reply in replies) == 50
    assert seen(replies[-1])[-1] == 50


def test_a_live_camera_goes_on_after_a_cut(following: Any) -> None:
    given = []

    def camera(relay: Relay) -> Iterator[np.ndarray]:
        """Frames at a camera's pace until the stream was taken up again, and a last one."""
        while relay.connections < 3 and len(given) < 2000:
            sleep(0.01)
            given.append(1)
            yield frame(1)
        given.append(40)
        yield frame(40)

    with tracking() as (_, relay):

        def cut(_: Any, reply: StreamReply) -> None:
            if reply.frame_index == 2:
                relay.cut()

        replies = following(relay.url, camera(relay), cut, policy="latest")
    assert relay.connections >= 3
    assert len(replies) + sum(reply.dropped for reply in replies) <= len(given)
    assert seen(replies[-1])[-1] == 40


def test_the_callers_headers_are_sent_and_httpx_own_are_not() -> None:
    with httpx.Client(base_url="https://host/under", headers={"authorization": "b"}) as http:
        address = Address.of(http, "a/b")
    assert address.with_query({"policy": "all"}) == (
        "wss://host/under/sessions/a%2Fb/stream?policy=all"
    )
    assert address.headers == {"authorization": "b"}
