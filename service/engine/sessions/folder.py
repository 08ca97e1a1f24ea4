"""The folder of sessions that outlive their process, and whose each one is.

    owners/<process>                 held locked and touched while the process lives
    sessions/<id>/state.safetensors  the newest snapshot, replaced as a whole
    sessions/<id>/owner-<n>          the n-th owner's name; the highest counts

A session is taken over by making the next `owner-<n>`, which only one process can. An owner is
taken for dead when its file is gone; when nobody holds its lock on the same machine; or, on
another machine, where locks may not be seen, when its file was not touched for `LEASE_S`. A process
that was stopped for so long and goes on finds a higher owner before it writes again. Between that
look and the write it could still overwrite one snapshot: a plain folder cannot prevent it.
"""

import fcntl
import os
import secrets
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from service.errors import NotFound, SessionElsewhere

LEASE_S = 15.0

_STATE = "state.safetensors"
_OWNER = "owner-"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Moved(Exception):
    """Another process has taken the session over."""


class Folder:
    """One process's share of it; used from one thread at a time.

    Nothing here checks ids: who calls has made sure that they are no paths.

    State: `_mine`, the sessions that this process has owned and not deleted; `_own`, its open file,
    which is another one once the folder was made anew.

    Args:
        root: the folder; made if it is not there.
    """

    def __init__(self, root: Path) -> None:
        self._sessions = root / "sessions"
        self._owners = root / "owners"
        self._mine: set[str] = set()
        self._name = secrets.token_hex(16)
        self._own = self._enter()

    def touch(self) -> None:
        """Show that this process lives; make the folder anew where somebody has deleted it."""
        try:
            os.utime(self._owners / self._name)
        except FileNotFoundError:
            self._own.close()
            self._mine.clear()
            self._own = self._enter()

    def release(self) -> None:
        """Let others take this process's sessions at once."""
        (self._owners / self._name).unlink(missing_ok=True)
        self._own.close()

    def read(self, session_id: str) -> bytes:
        """Return the session's newest snapshot.

        Raises:
            NotFound: there is none.
        """
        try:
            return (self._sessions / session_id / _STATE).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise NotFound("There is no such session.") from None

    def claim(self, session_id: str) -> None:
        """Make the session this process's.

        Raises:
            NotFound: it is not there any more.
            SessionElsewhere: its owner lives, or somebody else was quicker.
        """
        folder = self._sessions / session_id
        number, owner = _owner(folder)
        if owner == self._name:
            return  # such as after the loss of one of several devices
        left_s = self._lease_s(owner)
        if left_s > 0 or not self._sign(folder, number + 1):
            raise SessionElsewhere(
                "Another process has this session, or had it until just now.",
                retry_after_s=left_s,
            )
        self._mine.add(session_id)
        (folder / f"{_OWNER}{number}").unlink(missing_ok=True)

    def write(self, session_id: str, content: bytes) -> None:
        """Put a snapshot in the place of the one before.

        Raises:
            Moved: the session is not this process's any more.
        """
        self.touch()
        folder = self._sessions / session_id
        if session_id not in self._mine:
            folder.mkdir(exist_ok=True)  # there, if the disk was full when it was to be signed
            self._sign(folder, 1)
            self._mine.add(session_id)
        if _owner(folder)[1] != self._name:
            raise Moved
        part = folder / f"{_STATE}.{self._name}"
        try:
            with part.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(folder / _STATE)
        finally:
            part.unlink(missing_ok=True)

    def delete(self, session_id: str) -> None:
        """Forget a session of this process."""
        folder = self._sessions / session_id
        if _owner(folder)[1] == self._name:
            self._mine.discard(session_id)
            shutil.rmtree(folder, ignore_errors=True)

    def sweep(self, age_s: float) -> None:
        """Delete what nobody can want: sessions not written for as long as one may live.

        Args:
            age_s: seconds that a session may live.
        """
        oldest = time.time() - age_s
        for path in (*self._sessions.iterdir(), *self._owners.iterdir()):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime >= oldest:
                    continue
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink()

    def _enter(self) -> TextIO:
        """Make the folder if it is not there, and hold this process's file in it."""
        for folder in (self._sessions, self._owners):
            folder.mkdir(parents=True, exist_ok=True)
        own = (self._owners / self._name).open("w")
        fcntl.flock(own, fcntl.LOCK_EX)
        own.write(_machine())
        own.flush()
        return own

    def _sign(self, folder: Path, number: int) -> bool:
        """Make this process the n-th owner, whole or not at all; False if there is one."""
        part = folder / f"part-{self._name}"
        try:
            part.write_text(self._name)
            os.link(part, folder / f"{_OWNER}{number}")
        except FileExistsError:
            return False
        except FileNotFoundError:
            raise NotFound("There is no such session.") from None
        finally:
            part.unlink(missing_ok=True)
        return True

    def _lease_s(self, owner: str) -> float:
        """Seconds until an owner may be taken for dead, as far as can be seen now."""
        try:
            file = (self._owners / owner).open()
        except (OSError, ValueError):  # it is gone, or was never a name of ours
            return 0.0
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return LEASE_S
            if file.read() == _machine():
                return 0.0
            return os.fstat(file.fileno()).st_mtime + LEASE_S - time.time()


def _owner(folder: Path) -> tuple[int, str]:
    """The highest number of an owner, and its name; zero and nobody if there is none."""
    numbers = [
        int(path.name.removeprefix(_OWNER))
        for path in folder.glob(f"{_OWNER}*")
        if path.name.removeprefix(_OWNER).isdecimal()
    ]
    if not numbers:
        return 0, ""
    number = max(numbers)
    try:
        return number, (folder / f"{_OWNER}{number}").read_text(errors="replace")
    except FileNotFoundError:
        return _owner(folder)  # a higher one has just taken its place


def _machine() -> str:
    """What tells this machine, since it started, from all others."""
    return _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else ""
