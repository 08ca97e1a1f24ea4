"""Sessions that outlive their process: written, restored frame-exactly, refused when unfit."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from models import rle
from service.engine.engine import Engine
from service.engine.loader import EngineStartError
from service.errors import (
    FrameOutOfOrder,
    NotFound,
    NotReady,
    SessionElsewhere,
    SessionGone,
    SnapshotUnusable,
    TooManySessions,
)
from tests.engine.asking import FOREVER
from tests.engine.following import add, advance, drawn, engine_with, mask, open_session
from tests.fake_tracker import FakeVideoPredictor, seen
from tests.fakes import FakeModel, ManualClock, loop_turns


def folder_of(engine: Engine) -> Any:
    return engine.sessions._disk._keeper._folder  # type: ignore[union-attr]


async def written(engine: Engine) -> None:
    """Return once all that was to be written is."""
    keeper = engine.sessions._disk._keeper
    assert keeper is not None
    await keeper._do(lambda: None)


async def kill(engine: Engine) -> None:
    """Leave the engine as it is, but for what the system does when its process dies."""
    await written(engine)
    folder_of(engine)._own.close()


def state_file(root: Path, session_id: str) -> Path:
    return root / "sessions" / session_id / "state.safetensors"


async def engine_at(root: Path, clock: ManualClock | None = None, **changes: Any) -> Engine:
    return await engine_with(
        clock=clock or ManualClock(),
        session_dir=str(root),
        **{"session_snapshot_frames": 3, "session_gather_ms": 0.0, **changes},
    )


async def test_a_session_goes_on_after_a_kill_from_its_last_snapshot(tmp_path: Path) -> None:
    first = await engine_at(tmp_path)
    session_id = (await open_session(first, 5, [drawn(4, "dog")])).status.id
    for value in (6, 7, 8, 9):
        await advance(first, session_id, value)
    await kill(first)
    second = await engine_at(tmp_path)
    with pytest.raises(FrameOutOfOrder) as refused:
        await advance(second, session_id, 10, index=5)
    assert refused.value.expected == 4
    again = await advance(second, session_id, 8, index=3)
    assert (again.timing.batch_size, again.labels, seen(again.objects)) == (
        *(0, {4: "dog"}),
        (5, 6, 7, 8),
    )
    assert (rle.decode(again.objects[0].mask) == mask()).all()
    answer = await advance(second, session_id, 9, index=4)
    assert (answer.frame_index, seen(answer.objects)) == (4, (5, 6, 7, 8, 9))
    assert answer.labels == {4: "dog"}
    assert (
        second.registry.get_sample_value("maskd_sessions_restored_total", {"model": "tracker"}) == 1
    )
    await second.aclose()


async def test_a_session_is_written_when_it_is_opened_and_edited(tmp_path: Path) -> None:
    first = await engine_at(tmp_path, session_snapshot_frames=1000)
    opened = await open_session(first)
    edited = (await open_session(first, objects=[drawn(1), drawn(2)])).status.id
    await advance(first, edited, 1)
    await add(first, edited, [drawn(3)])
    await first.sessions.remove_objects(edited, [1], FOREVER)
    await kill(first)
    second = await engine_at(tmp_path)
    assert (await second.sessions.inspect(opened.status.id)).frame_index == 0
    status = await second.sessions.inspect(edited)
    assert (status.frame_index, [one.id for one in status.objects]) == (1, [2, 3])
    assert [one.id for one in (await advance(second, edited, 1, index=1)).objects] == [1, 2]
    await second.aclose()


async def test_a_session_that_ends_well_loses_no_frame(tmp_path: Path) -> None:
    first = await engine_at(tmp_path)
    session_id = (await open_session(first)).status.id
    await advance(first, session_id, 1)
    await advance(first, session_id, 2)
    await first.aclose()
    await first.aclose()
    second = await engine_at(tmp_path)
    assert seen((await advance(second, session_id, 3, index=3)).objects) == (0, 1, 2, 3)
    await second.aclose()


async def test_a_session_that_another_process_has_is_not_taken(tmp_path: Path) -> None:
    first = await engine_at(tmp_path)
    session_id = (await open_session(first)).status.id
    await written(first)
    second = await engine_at(tmp_path)
    with pytest.raises(SessionElsewhere):
        await advance(second, session_id, 1)
    assert second.sessions.list() == ()
    assert (await advance(first, session_id, 1)).frame_index == 1
    await first.aclose()
    assert (await advance(second, session_id, 2)).frame_index == 2
    await second.aclose()


async def test_a_process_whose_session_was_taken_over_learns_it(tmp_path: Path) -> None:
    first = await engine_at(tmp_path, session_snapshot_frames=1)
    session_id = (await open_session(first)).status.id
    await kill(first)
    second = await engine_at(tmp_path)
    await second.sessions.inspect(session_id)
    await advance(first, session_id, 1)
    await written(first)
    await loop_turns()
    with pytest.raises(SessionGone) as gone:
        await first.sessions.inspect(session_id)
    assert gone.value.reason == "moved"
    assert (await second.sessions.inspect(session_id)).frame_index == 0
    await second.aclose()


@pytest.mark.parametrize("reason", ["closed", "idle", "age", "memory"])
async def test_an_ended_session_is_deleted_from_disk(tmp_path: Path, reason: Any) -> None:
    engine = await engine_at(tmp_path)
    session_id = (await open_session(engine)).status.id
    await written(engine)
    assert state_file(tmp_path, session_id).exists()
    (session,) = engine.sessions._store
    engine.sessions._store.end(session, reason)
    await written(engine)
    assert not state_file(tmp_path, session_id).exists()
    with pytest.raises(SessionGone):
        await engine.sessions.inspect(session_id)
    await engine.aclose()


async def test_many_requests_for_a_lost_session_bring_it_back_once(tmp_path: Path) -> None:
    first = await engine_at(tmp_path)
    session_id = (await open_session(first)).status.id
    await kill(first)
    second = await engine_at(tmp_path)
    frames = [advance(second, session_id, value, index=value) for value in (1, 2, 3)]
    assert [seen(one.objects)[-1] for one in await asyncio.gather(*frames)] == [1, 2, 3]
    assert len(second.sessions.list()) == 1
    await second.aclose()


async def test_a_session_that_comes_back_keeps_its_age_and_the_limits(tmp_path: Path) -> None:
    clock = ManualClock()
    first = await engine_at(tmp_path, clock, session_age_s=100.0, session_idle_s=90.0)
    ids = [(await open_session(first)).status.id for _ in range(2)]
    clock.advance(60.0)
    for session_id in ids:
        await advance(first, session_id, 1)
    await kill(first)
    # Another process's clock starts elsewhere; the wall tells how much time has passed.
    later = ManualClock(clock.now() + 10.0)
    second = await engine_at(
        tmp_path, later, session_age_s=100.0, session_idle_s=90.0, max_sessions=1
    )
    assert (await second.sessions.inspect(ids[0])).age_s == 70.0
    with pytest.raises(TooManySessions):
        await second.sessions.inspect(ids[1])
    later.advance(30.0)
    for session_id in ids:
        with pytest.raises(SessionGone) as gone:
            await second.sessions.inspect(session_id)
        assert gone.value.reason == "age"
    await second.aclose()


async def test_a_session_that_nobody_used_does_not_come_back(tmp_path: Path) -> None:
    clock = ManualClock()
    first = await engine_at(tmp_path, clock, session_idle_s=10.0)
    session_id = (await open_session(first)).status.id
    await kill(first)
    second = await engine_at(tmp_path, ManualClock(10.0), session_idle_s=10.0)
    with pytest.raises(SessionGone) as gone:
        await second.sessions.inspect(session_id)
    assert gone.value.reason == "idle"
    await second.aclose()


async def test_a_slow_session_is_written_often_enough_to_look_used(tmp_path: Path) -> None:
    clock = ManualClock()
    first = await engine_at(tmp_path, clock, session_idle_s=10.0, session_snapshot_frames=1000)
    session_id = (await open_session(first)).status.id
    for value in range(1, 6):
        clock.advance(3.0)
        await advance(first, session_id, value)
    await kill(first)
    second = await engine_at(tmp_path, ManualClock(clock.now() + 5.0), session_idle_s=10.0)
    assert (await second.sessions.inspect(session_id)).frame_index == 5
    await second.aclose()


def cut(content: bytes) -> bytes:
    return content[:-1]


def flip(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


def empty(_: bytes) -> bytes:
    return b""


def rewrite(content: bytes) -> bytes:
    return content.replace(b"frame_index", b"frame_inde_")


def relabel(content: bytes) -> bytes:
    return content.replace(b"dog", b"cat")


def unheard(content: bytes) -> bytes:
    return content.replace(rb"\"format\":1", rb"\"format\":7")


@pytest.mark.parametrize("damage", [cut, flip, empty, rewrite, relabel, unheard])
async def test_a_damaged_snapshot_is_refused(tmp_path: Path, damage: Any) -> None:
    first = await engine_at(tmp_path)
    session_id = (await open_session(first, objects=[drawn(label="dog")])).status.id
    await kill(first)
    path = state_file(tmp_path, session_id)
    content = path.read_bytes()
    assert damage(content) != content
    path.write_bytes(damage(content))
    second = await engine_at(tmp_path)
    with pytest.raises(SnapshotUnusable, match="damaged"):
        await advance(second, session_id, 1)
    await second.aclose()


async def test_another_session_s_snapshot_is_refused(tmp_path: Path) -> None:
    first = await engine_at(tmp_path)
    ids = [(await open_session(first)).status.id for _ in range(2)]
    await kill(first)
    state_file(tmp_path, ids[0]).replace(state_file(tmp_path, ids[1]))
    second = await engine_at(tmp_path)
    with pytest.raises(SnapshotUnusable, match="another session"):
        await second.sessions.inspect(ids[1])
    await second.aclose()


async def test_a_session_of_a_model_that_is_not_loaded_stays_for_others(tmp_path: Path) -> None:
    models = {"boxer": FakeVideoPredictor(prompts=("mask", "box"))}
    first = await engine_at(tmp_path, others=models)
    session_id = (await open_session(first, model="boxer")).status.id
    await kill(first)
    second = await engine_at(tmp_path)
    with pytest.raises(SnapshotUnusable, match="not loaded"):
        await second.sessions.inspect(session_id)
    third = await engine_at(tmp_path, others=models)
    assert (await third.sessions.inspect(session_id)).model == "boxer"
    for engine in (second, third):
        await engine.aclose()


async def test_a_snapshot_that_the_network_refuses_is_unusable(tmp_path: Path) -> None:
    class Stranger(FakeVideoPredictor):
        def restore(self, _: Any) -> Any:
            raise ValueError("other shapes")

    first = await engine_at(tmp_path)
    session_id = (await open_session(first)).status.id
    await kill(first)
    second = await engine_with(Stranger(), ManualClock(), session_dir=str(tmp_path))
    with pytest.raises(SnapshotUnusable, match="another network"):
        await second.sessions.inspect(session_id)
    await second.aclose()


@pytest.mark.parametrize("name", ["0" * 32, "..", "../owners", "a" * 33, "A" * 32, "a/b", "\0"])
async def test_names_that_are_no_ids_never_reach_the_disk(tmp_path: Path, name: str) -> None:
    (tmp_path / "state.safetensors").write_bytes(b"secret")
    engine = await engine_at(tmp_path / "root")
    with pytest.raises(NotFound):
        await engine.sessions.inspect(name)
    await engine.aclose()


async def test_a_disk_that_takes_nothing_leaves_sessions_in_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine = await engine_at(tmp_path, session_snapshot_frames=1)
    folder_of(engine)._sessions = tmp_path / "nowhere"
    session_id = (await open_session(engine)).status.id
    assert (await advance(engine, session_id, 1)).frame_index == 1
    await written(engine)
    assert "could not be kept on disk" in caplog.text
    await engine.aclose()


async def test_a_disk_that_gives_nothing_lets_clients_come_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine = await engine_at(tmp_path)
    session_id = "0" * 32
    (tmp_path / "sessions" / session_id / "state.safetensors").mkdir(parents=True)
    with pytest.raises(NotReady):
        await engine.sessions.inspect(session_id)
    assert "could not be taken from disk" in caplog.text
    await engine.aclose()


async def test_a_folder_that_cannot_be_made_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EngineStartError, match="MASKD_SESSION_DIR cannot be used"):
        await engine_at(tmp_path / "file" / "sessions")


async def test_the_process_shows_life_while_it_lives(tmp_path: Path) -> None:
    clock = ManualClock()
    engine = await engine_at(tmp_path, clock)
    await written(engine)
    touches = 0

    def touch() -> None:
        nonlocal touches
        touches += 1

    folder_of(engine).touch = touch
    clock.advance(15.0)
    await written(engine)
    assert touches == 3
    await engine.aclose()
    assert clock.next_call is None


async def test_sessions_of_an_unloaded_tracker_come_back_with_it(tmp_path: Path) -> None:
    engine = await engine_at(tmp_path, others={"fake": FakeModel()})
    session_id = (await open_session(engine)).status.id
    await advance(engine, session_id, 1)
    await engine.unload("tracker", ends_sessions=True)
    assert engine.sessions.list() == ()
    with pytest.raises(SnapshotUnusable, match="not loaded"):
        await engine.sessions.inspect(session_id)
    await engine.load("tracker")
    assert seen((await advance(engine, session_id, 2, index=2)).objects) == (0, 1, 2)
    await engine.aclose()


async def test_without_a_folder_sessions_end_with_their_tracker() -> None:
    engine = await engine_with(others={"fake": FakeModel()})
    session_id = (await open_session(engine)).status.id
    await engine.unload("tracker", ends_sessions=True)
    with pytest.raises(SessionGone) as gone:
        await engine.sessions.inspect(session_id)
    assert gone.value.reason == "unloaded"
    await engine.aclose()
