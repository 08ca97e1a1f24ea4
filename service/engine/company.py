"""Who is about to send a frame: sessions that answer each answer with their next frame at once."""

import math
from collections.abc import Hashable
from dataclasses import dataclass, replace

from service.engine.policy import Company


@dataclass(frozen=True)
class _Rhythm:
    """What is known of one session.

    Attributes:
        bucket: of its frames.
        answered_at: when its last answer left; infinite while a frame of it is here.
        is_prompt: whether its last frame came soon after the answer before.
    """

    bucket: Hashable
    answered_at: float
    is_prompt: bool


class Rhythms:
    """The sessions of one lane.

    A session is expected for `window_s` after an answer, unless it was slower the last time: who
    sends a frame now and then is not waited for.

    State, on the event loop only: `_known` sessions.

    Args:
        window_s: longest wait for a session's next frame.
    """

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._known: dict[Hashable, _Rhythm] = {}

    def came(self, session: Hashable, bucket: Hashable, now: float) -> None:
        """Note that a session's frame is here."""
        before = self._known.get(session)
        is_prompt = before is None or now <= before.answered_at + self._window_s
        self._known[session] = _Rhythm(bucket, math.inf, is_prompt)

    def answered(self, session: Hashable, now: float) -> None:
        """Note that its answer left; its next frame may be on its way."""
        if session in self._known:
            self._known[session] = replace(self._known[session], answered_at=now)

    def forget(self, session: Hashable) -> None:
        """Expect nothing of a session any more."""
        self._known.pop(session, None)

    def expected(self, now: float) -> Company:
        """Return bucket -> until when somebody's next frame is expected there."""
        until: dict[Hashable, float] = {}
        for rhythm in self._known.values():
            end = rhythm.answered_at + self._window_s
            if rhythm.is_prompt and now < end < math.inf:
                until[rhythm.bucket] = max(end, until.get(rhythm.bucket, end))
        return until
