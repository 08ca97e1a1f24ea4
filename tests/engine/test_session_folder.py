"""The folder that sessions share between processes: whose each one is, and whole files only."""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.engine.sessions.folder import LEASE_S, Folder, Moved
from service.errors import NotFound, SessionElsewhere

ID = "0123456789abcdef" * 2


def owner_file(root: Path, folder: Folder) -> Path:
    return root / "owners" / folder._name


def die(folder: Folder) -> None:
    """What the system does for a process that is killed."""
    folder._own.close()


@pytest.fixture
def first(tmp_path: Path) -> Iterator[Folder]:
    folder = Folder(tmp_path)
    yield folder
    folder.release()


@pytest.fixture
def second(tmp_path: Path) -> Iterator[Folder]:
    folder = Folder(tmp_path)
    yield folder
    folder.release()


def test_what_is_written_is_read_and_replaced_as_a_whole(tmp_path: Path, first: Folder) -> None:
    first.write(ID, b"one")
    assert first.read(ID) == b"one"
    first.write(ID, b"two")
    assert first.read(ID) == b"two"
    names = sorted(path.name for path in (tmp_path / "sessions" / ID).iterdir())
    assert names == ["owner-1", "state.safetensors"]


def test_a_deleted_session_is_gone(tmp_path: Path, first: Folder) -> None:
    first.write(ID, b"one")
    first.delete(ID)
    first.delete(ID)
    for use in (first.read, first.claim):
        with pytest.raises(NotFound):
            use(ID)
    assert not [*(tmp_path / "sessions").iterdir()]


def test_a_living_owner_keeps_its_session(first: Folder, second: Folder) -> None:
    first.write(ID, b"one")
    with pytest.raises(SessionElsewhere) as refused:
        second.claim(ID)
    assert 0 < refused.value.retry_after_s <= LEASE_S
    first.claim(ID)
    first.write(ID, b"two")
    second.delete(ID)
    assert second.read(ID) == b"two"


def test_a_session_of_a_killed_process_is_taken_over_at_once(tmp_path: Path) -> None:
    first, second = Folder(tmp_path), Folder(tmp_path)
    first.write(ID, b"one")
    die(first)
    second.claim(ID)
    second.write(ID, b"two")
    assert second.read(ID) == b"two"
    assert [path.name for path in (tmp_path / "sessions" / ID).glob("owner-*")] == ["owner-2"]
    second.release()


def test_a_session_of_a_process_that_ended_well_is_taken_over_at_once(
    first: Folder, second: Folder
) -> None:
    first.write(ID, b"one")
    first.release()
    second.claim(ID)
    second.write(ID, b"two")


def test_another_machine_waits_for_the_lease(tmp_path: Path, second: Folder) -> None:
    first = Folder(tmp_path)
    first.write(ID, b"one")
    die(first)
    file = owner_file(tmp_path, first)
    file.write_text("another boot of another machine")
    touched_at = time.time() - LEASE_S / 3
    os.utime(file, (touched_at, touched_at))
    with pytest.raises(SessionElsewhere) as refused:
        second.claim(ID)
    assert LEASE_S / 2 < refused.value.retry_after_s < LEASE_S
    os.utime(file, (touched_at - LEASE_S, touched_at - LEASE_S))
    second.claim(ID)


def test_of_two_heirs_one_is_too_late(tmp_path: Path) -> None:
    first, second, third = (Folder(tmp_path) for _ in range(3))
    first.write(ID, b"one")
    die(first)
    # What a process sees that looked just before another one took over.
    assert second._sign(tmp_path / "sessions" / ID, 2)
    assert not third._sign(tmp_path / "sessions" / ID, 2)
    with pytest.raises(SessionElsewhere):
        third.claim(ID)
    for folder in (second, third):
        folder.release()


def test_an_owner_that_slept_too_long_writes_no_more(tmp_path: Path, second: Folder) -> None:
    first = Folder(tmp_path)
    first.write(ID, b"one")
    fcntl.flock(first._own, fcntl.LOCK_UN)
    second.claim(ID)
    second.write(ID, b"two")
    with pytest.raises(Moved):
        first.write(ID, b"three")
    first.delete(ID)
    assert second.read(ID) == b"two"
    second.delete(ID)
    with pytest.raises(Moved):
        first.write(ID, b"three")
    first.release()


def test_touching_renews_the_lease(tmp_path: Path, first: Folder) -> None:
    os.utime(owner_file(tmp_path, first), (0, 0))
    first.touch()
    assert owner_file(tmp_path, first).stat().st_mtime > time.time() - 60


def test_sweeping_deletes_what_is_too_old_to_be_wanted(tmp_path: Path, first: Folder) -> None:
    first.write(ID, b"one")
    first.write(ID[::-1], b"two")
    dead = Folder(tmp_path)
    die(dead)
    for path in (tmp_path / "sessions" / ID, owner_file(tmp_path, dead)):
        os.utime(path, (0, 0))
    first.sweep(100.0)
    assert [path.name for path in (tmp_path / "sessions").iterdir()] == [ID[::-1]]
    assert [path.name for path in (tmp_path / "owners").iterdir()] == [first._name]


def test_a_folder_that_was_deleted_is_made_anew(tmp_path: Path, second: Folder) -> None:
    first = Folder(tmp_path)
    first.write(ID, b"one")
    shutil.rmtree(tmp_path)
    first.write(ID, b"two")
    first.write(ID, b"three")
    second.touch()
    with pytest.raises(SessionElsewhere):
        second.claim(ID)
    die(first)
    second.claim(ID)
    assert second.read(ID) == b"three"


def test_a_session_that_found_no_room_on_the_disk_is_written_when_there_is_some(
    tmp_path: Path, first: Folder
) -> None:
    (tmp_path / "sessions" / ID).mkdir()  # all that there was room for
    first.write(ID, b"one")
    with pytest.raises(TypeError):
        first.write(ID, "no bytes")  # type: ignore[arg-type]
    assert first.read(ID) == b"one"
    names = sorted(path.name for path in (tmp_path / "sessions" / ID).iterdir())
    assert names == ["owner-1", "state.safetensors"]


@pytest.mark.parametrize("owner", [b"\xff", b"a\0b", b"", b"..", b"x" * 5000])
def test_whoever_has_no_name_of_ours_is_taken_for_dead(
    tmp_path: Path, first: Folder, owner: bytes
) -> None:
    folder = tmp_path / "sessions" / ID
    folder.mkdir()
    (folder / "owner-4").write_bytes(owner)
    (folder / "owner-\N{SUPERSCRIPT TWO}").write_bytes(b"")
    first.claim(ID)
    first.write(ID, b"mine")
    assert first.read(ID) == b"mine"


def test_a_file_in_the_place_of_a_session_is_none(tmp_path: Path, first: Folder) -> None:
    (tmp_path / "sessions" / ID).write_bytes(b"")
    with pytest.raises(NotFound):
        first.read(ID)
