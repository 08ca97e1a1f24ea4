"""How long sessions live, and which must go: pure decisions on what is known of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from service.errors import GoneReason
from service.settings import Settings


class Living(Protocol):
    """What these decisions know of a session."""

    @property
    def opened_at(self) -> float:
        """When it was opened, seconds."""
        ...

    @property
    def touched_at(self) -> float:
        """When its last request ended, seconds."""
        ...

    @property
    def nbytes(self) -> int:
        """What it remembers."""
        ...

    @property
    def is_busy(self) -> bool:
        """Whether a request of it is being answered."""
        ...


L = TypeVar("L", bound=Living)


@dataclass(frozen=True)
class Bounds:
    """Bounds of all sessions together, and of each one's life.

    Attributes:
        max_sessions: open at once.
        max_bytes: that they remember together.
        idle_s: seconds without a request.
        age_s: seconds since the opening.
    """

    max_sessions: int
    max_bytes: float
    idle_s: float
    age_s: float

    @classmethod
    def of(cls, settings: Settings) -> "Bounds":
        """Return those that the operator chose."""
        return cls(
            max_sessions=settings.max_sessions,
            max_bytes=settings.max_session_megabytes * 1e6,
            idle_s=settings.session_idle_s,
            age_s=settings.session_age_s,
        )


def end_of(session: Living, bounds: Bounds) -> tuple[float, GoneReason]:
    """Return when the session ends if no request comes, and why."""
    too_old = session.opened_at + bounds.age_s
    too_idle = session.touched_at + bounds.idle_s
    return (too_old, "age") if too_old <= too_idle else (too_idle, "idle")


def overflow(sessions: Sequence[L], max_bytes: float) -> list[L]:
    """Return who must go for the others to fit: longest unused first, nobody who is being served.

    Args:
        sessions: all.
        max_bytes: that they may remember together.
    """
    excess = sum(session.nbytes for session in sessions) - max_bytes
    leaving: list[L] = []
    for session in sorted(sessions, key=lambda session: session.touched_at):
        if excess > 0 and not session.is_busy:
            leaving.append(session)
            excess -= session.nbytes
    return leaving
