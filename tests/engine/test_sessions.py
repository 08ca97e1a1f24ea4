"""Sessions as routes see them, with a tracker that tells what it has seen."""

import math

import pytest

from service.engine.sessions.records import BoxPrompt, NewObject, PointPrompt, SessionObject
from service.errors import (
    FrameOutOfOrder,
    FrameSizeChanged,
    InvalidOptions,
    NotFound,
    NotReady,
    SessionGone,
    TooManyObjects,
)
from tests.engine.asking import FOREVER
from tests.engine.following import add, advance, drawn, engine_with, frame, mask, open_session
from tests.fake_tracker import FakeVideoPredictor, seen
from tests.fakes import FakeModel, ManualClock


async def test_a_session_follows_its_objects_from_frame_to_frame() -> None:
    engine = await engine_with(clock=ManualClock())
    opened = await open_session(engine, 5, [drawn(label="dog"), drawn(7)])
    status = opened.status
    assert len(status.id) == 32
    assert (status.model, status.frame_index, status.frame_size) == ("tracker", 0, (12, 16))
    assert status.objects == (SessionObject(8, "dog"), SessionObject(7, None))
    assert opened.answer.frame_index == 0
    assert opened.answer.labels == {8: "dog", 7: None}
    first = await advance(engine, status.id, 6)
    second = await advance(engine, status.id, 7, index=2)
    assert (first.frame_index, seen(first.objects)) == (1, (5, 6))
    assert (second.frame_index, seen(second.objects)) == (2, (5, 6, 7))
    assert second.labels == {8: "dog", 7: None}
    assert second.timing.batch_size == 1
    assert (await engine.sessions.inspect(status.id)).frame_index == 2
    await engine.aclose()


async def test_the_index_just_answered_gets_the_same_answer_again() -> None:
    tracker = FakeVideoPredictor()
    engine = await engine_with(tracker)
    opened = await open_session(engine)
    session_id = opened.status.id
    again = await advance(engine, session_id, 9, index=0)
    assert again.objects is opened.answer.objects
    first = await advance(engine, session_id, 1, index=1)
    again = await advance(engine, session_id, 1, index=1)
    assert again.objects is first.objects
    assert (again.frame_index, again.timing.batch_size) == (1, 0)
    assert [name for name, _ in tracker.calls][2:] == ["start", "step"]
    await engine.aclose()


@pytest.mark.parametrize("index", [-1, 0, 3, 10**12])
async def test_any_other_index_is_out_of_order(index: int) -> None:
    engine = await engine_with()
    session_id = (await open_session(engine)).status.id
    await advance(engine, session_id, 1)
    with pytest.raises(FrameOutOfOrder) as refused:
        await advance(engine, session_id, 2, index=index)
    assert refused.value.expected == 2
    assert seen((await advance(engine, session_id, 2, index=2)).objects) == (0, 1, 2)
    await engine.aclose()


async def test_a_frame_of_another_size_is_refused_with_both_sizes() -> None:
    engine = await engine_with()
    session_id = (await open_session(engine)).status.id
    with pytest.raises(FrameSizeChanged) as refused:
        await advance(engine, session_id, 1, size=(12, 17))
    assert refused.value.facts == {
        "expected_width": 16,
        "expected_height": 12,
        "actual_width": 17,
        "actual_height": 12,
    }
    assert (await advance(engine, session_id, 1, index=1)).frame_index == 1
    await engine.aclose()


async def test_objects_are_added_corrected_and_removed_at_the_current_frame() -> None:
    engine = await engine_with()
    session_id = (await open_session(engine, objects=[drawn(1, "dog"), drawn(2)])).status.id
    await advance(engine, session_id, 1)
    status = await add(engine, session_id, [drawn(2, "cat"), drawn(1), drawn()])
    assert status.objects == tuple(
        SessionObject(*one) for one in [(1, "dog"), (2, "cat"), (3, None)]
    )
    assert status.frame_index == 1
    answer = await advance(engine, session_id, 2)
    assert [one.id for one in answer.objects] == [1, 2, 3]
    status = await engine.sessions.remove_objects(session_id, [1, 3], FOREVER)
    assert [one.id for one in status.objects] == [2]
    with pytest.raises(NotFound, match="no object 1"):
        await engine.sessions.remove_objects(session_id, [1], FOREVER)
    again = await advance(engine, session_id, 2, index=2)
    assert again.labels == {1: "dog", 2: "cat", 3: None}
    assert [one.id for one in (await advance(engine, session_id, 3)).objects] == [2]
    await engine.aclose()


async def test_a_session_without_objects_goes_on() -> None:
    engine = await engine_with()
    session_id = (await open_session(engine)).status.id
    status = await engine.sessions.remove_objects(session_id, [1], FOREVER)
    assert status.objects == ()
    assert (await advance(engine, session_id, 1)).objects == ()
    assert [one.id for one in (await add(engine, session_id, [drawn()])).objects] == [1]
    await engine.aclose()


async def test_more_objects_than_the_limit_are_refused_with_numbers() -> None:
    engine = await engine_with(max_session_objects=2)
    with pytest.raises(TooManyObjects):
        await open_session(engine, objects=[drawn()] * 3)
    session_id = (await open_session(engine, objects=[drawn()] * 2)).status.id
    assert len((await add(engine, session_id, [drawn(2)])).objects) == 2
    with pytest.raises(TooManyObjects) as refused:
        await add(engine, session_id, [drawn(3)])
    assert (refused.value.limit, refused.value.actual) == (2, 3)
    await engine.aclose()


@pytest.mark.parametrize(
    ("objects", "reason"),
    [
        ([], "there is none"),
        ([drawn(1), drawn(1)], "given twice"),
        ([drawn(0)], "from 1 to"),
        ([drawn(2**31)], "from 1 to"),
        ([NewObject(BoxPrompt((5, 1, 5, 5)))], "no area on the frame"),
        ([NewObject(BoxPrompt((17, 1, 20, 5)))], "no area on the frame"),
        ([NewObject(BoxPrompt((1, 1, math.inf, 5)))], "no area on the frame"),
        ([NewObject(BoxPrompt((math.nan, 1, 2, 5)))], "no area on the frame"),
        ([NewObject(PointPrompt((16, 1)))], "not on the frame"),
        ([NewObject(PointPrompt((1, math.nan)))], "not on the frame"),
        ([drawn(2**31 - 1), drawn()], "from 1 to"),
    ],
)
async def test_objects_that_cannot_be_followed_are_refused(
    objects: list[NewObject], reason: str
) -> None:
    engine = await engine_with()
    with pytest.raises(InvalidOptions, match=reason):
        await open_session(engine, objects=objects)
    assert engine.sessions.list() == ()
    await engine.aclose()


async def test_a_mask_must_fit_the_frame_and_show_something() -> None:
    engine = await engine_with()
    small, empty = drawn(), drawn()
    small.prompt.__dict__["mask"] = mask((12, 15))[:, :15]
    empty.prompt.__dict__["mask"] = ~(mask() | ~mask())
    with pytest.raises(InvalidOptions, match="15 x 12 pixels, the frame 16 x 12"):
        await open_session(engine, objects=[small])
    with pytest.raises(InvalidOptions, match="no pixel"):
        await open_session(engine, objects=[empty])
    await engine.aclose()


async def test_closing_ends_a_session_for_good() -> None:
    engine = await engine_with()
    session_id = (await open_session(engine)).status.id
    await engine.sessions.close(session_id)
    assert engine.sessions.list() == ()
    for use in (
        engine.sessions.inspect(session_id),
        engine.sessions.close(session_id),
        advance(engine, session_id, 1),
        add(engine, session_id, [drawn()]),
    ):
        with pytest.raises(SessionGone) as gone:
            await use
        assert gone.value.reason == "closed"
    await engine.aclose()


@pytest.mark.parametrize("name", ["", "0" * 32, "../../etc/passwd", "x" * 10_000])
async def test_a_session_that_never_was_is_not_found(name: str) -> None:
    engine = await engine_with()
    with pytest.raises(NotFound, match="no such session"):
        await engine.sessions.inspect(name)
    await engine.aclose()


async def test_sessions_are_listed_in_the_order_in_which_they_came() -> None:
    clock = ManualClock()
    engine = await engine_with(clock=clock, session_idle_s=100.0, session_age_s=1000.0)
    first = (await open_session(engine)).status
    clock.advance(10.0)
    second = (await open_session(engine)).status
    await advance(engine, second.id, 1)
    clock.advance(5.0)
    listed = engine.sessions.list()
    assert [one.id for one in listed] == [first.id, second.id]
    assert [one.age_s for one in listed] == [15.0, 5.0]
    assert [one.idle_s for one in listed] == [15.0, 5.0]
    assert [one.expires_at.timestamp() - clock.wall() for one in listed] == [85.0, 95.0]
    assert not any(one.is_busy for one in listed)
    assert all(one.memory_bytes == 12 * 16 * 3 for one in listed)
    await engine.aclose()


async def test_a_session_without_a_named_tracker_gets_one_that_takes_its_prompts() -> None:
    boxer = FakeVideoPredictor(prompts=("box",))
    engine = await engine_with(others={"boxer": boxer, "fake": FakeModel()})
    choose = engine.sessions.choose
    boxes = [NewObject(BoxPrompt((1, 1, 5, 5)))]
    assert choose(None, [drawn()]).name == "tracker"
    assert choose(None, boxes).name == "boxer"
    assert choose(None, [*boxes, drawn()]).name == "tracker"
    assert choose("tracker", boxes).name == "tracker"
    assert choose("tracker", boxes).prompts == {"mask"}
    with pytest.raises(InvalidOptions, match="fake can segment, not track"):
        choose("fake", boxes)
    with pytest.raises(InvalidOptions):
        await open_session(engine, model="fake")
    opened = await open_session(engine, objects=boxes, model="boxer")
    assert opened.status.model == "boxer"
    await engine.aclose()


async def test_a_picture_is_not_predicted_by_a_tracker() -> None:
    engine = await engine_with()
    with engine.admit("tracker", 10, FOREVER) as ticket, pytest.raises(InvalidOptions):
        await engine.predict(ticket, frame(1), {})
    await engine.aclose()


async def test_draining_refuses_new_sessions() -> None:
    engine = await engine_with()
    with engine.admit("tracker", 10, FOREVER) as ticket:
        engine.drain()
        with pytest.raises(NotReady):
            await engine.sessions.open(ticket, frame(1), [drawn()])
        with pytest.raises(NotReady):
            engine.sessions.check_room()
    await engine.aclose()


async def test_sessions_are_counted() -> None:
    engine = await engine_with()
    ids = [(await open_session(engine)).status.id for _ in range(2)]
    for index in (1, 1, 2):
        await advance(engine, ids[0], 1, index=index)
    await engine.sessions.close(ids[1])

    def value(name: str, **labels: str) -> float | None:
        return engine.registry.get_sample_value(f"maskd_{name}", labels)

    assert value("sessions") == 1
    assert value("session_memory_bytes") == 12 * 16 * 3
    assert value("sessions_opened_total", model="tracker") == 2
    assert value("session_frames_total", model="tracker") == 2
    assert value("sessions_ended_total", reason="closed") == 1
    await engine.aclose()
