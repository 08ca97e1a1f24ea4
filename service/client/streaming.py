"""One stream of frames without its transport: what to do next, what an outcome means.

`Course.acts` yields what its driver shall do, one act at a time, and gets back what came of it; an
error comes back as a value. How one waits is all that a driver knows.
"""

import json
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from service.client import prompts
from service.client.errors import MaskdError, Problem, RequestFailed, UnreadableReply
from service.client.prompts import NewObject
from service.client.retry import Patience
from service.client.session_replies import SessionReply, StreamReply

NewPatience = Callable[[], Patience]
Policy = Literal["all", "latest"]

IN_FLIGHT = 4  # as many as a service takes: three that it works on and one that waits

_SWITCHED = 101  # HTTP's status of what became a WebSocket
_REPLY = TypeAdapter(StreamReply)
_SESSION = TypeAdapter(SessionReply)


@dataclass(frozen=True)
class StreamProblem(Problem):
    """A problem as the answer to a message.

    Attributes:
        retry_after_s: seconds after which to come back, or None.
        dropped: frames that were dropped since the answer before.
    """

    retry_after_s: float | None = None
    dropped: int = 0


class Refused(RequestFailed):
    """The service answered a message with a problem.

    Args:
        problem: all that it says.
    """

    def __init__(self, problem: StreamProblem) -> None:
        super().__init__(problem, problem.retry_after_s)
        self.dropped = problem.dropped


_PROBLEM = TypeAdapter(StreamProblem)


@dataclass(frozen=True)
class Connect:
    """Open a new connection; an open one is let go. Gives None."""

    query: dict[str, str]


@dataclass(frozen=True)
class Send:
    """Send a message; that the connection is broken shows when an answer is awaited. Gives None."""

    message: bytes | str


@dataclass(frozen=True)
class Receive:
    """Give the next answer; None if `waits` is false and there is none yet."""

    waits: bool


@dataclass(frozen=True)
class NextFrame:
    """Give the caller's next frame, encoded; None: there is no other."""


@dataclass(frozen=True)
class Look:
    """Ask for the session's state, once; give the reply."""


@dataclass(frozen=True)
class Pause:
    """Wait. Gives None."""

    seconds: float


@dataclass(frozen=True)
class Give:
    """Hand a reply to the caller. Gives None."""

    reply: StreamReply


Act = Connect | Send | Receive | NextFrame | Look | Pause | Give
Acts = Generator[Act, Any, None]


class Course:
    """A stream's way from its first frame to its last, over as many connections as it takes.

    Under `all` each frame has an index, so one that is sent again after a break counts once; the
    frames without an answer are kept for that. Edits are sent when no frame is unanswered.

    State: `_unanswered`, the frames that were sent, oldest first; `_index` of the oldest (of the
    next one, if there is none); `_passed`, frames since the last reply that get none; `_edits` to
    send; `_is_telling`, whether the first of these is on its way; `_is_over`, whether all frames
    were given; `_patience` since the last reply.

    Args:
        frame_index: of the last frame answered.
        query: of the stream.
        in_flight: the most frames that may be unanswered; policy `latest` has no such bound.
        new_patience: for the failures until the next reply.
        took: called with each reply before it is handed to the caller.
    """

    def __init__(
        self,
        frame_index: int,
        query: dict[str, str],
        in_flight: int,
        new_patience: NewPatience,
        took: Callable[[StreamReply], object],
    ) -> None:
        self._query = query
        self._counts = query["policy"] == "all"
        self._in_flight = in_flight
        self._new_patience = new_patience
        self._took = took
        self._patience = new_patience()
        self._index = frame_index + 1
        self._unanswered: deque[bytes] = deque()
        self._passed = 0
        self._edits: deque[Sequence[NewObject]] = deque()
        self._is_telling = False
        self._is_over = False

    def tell(self, objects: Sequence[NewObject]) -> None:
        """Send an edit once the frames before it are answered."""
        self._edits.append(objects)

    def acts(self) -> Acts:
        """Yield what to do until every frame is answered.

        Raises:
            MaskdError: it failed, and another attempt could not help or comes too late.
        """
        is_first = True
        while True:
            try:
                if not is_first:
                    self._catch_up((yield from _do(Look())).frame_index)
                yield from self._talk()
            except MaskdError as error:
                is_first = False
                if not self._was_overtaken(error):
                    is_repeatable = not (self._is_telling and _adds(self._edits[0]))
                    yield Pause(self._patience.wait_s(error, is_repeatable=is_repeatable))
            else:
                return

    def _talk(self) -> Acts:
        """Send and hear over one connection."""
        counted = {"frame_index": str(self._index)} if self._counts else {}
        yield from _do(Connect(self._query | counted))
        for frame in self._unanswered:
            yield from _do(Send(frame))
        while not self._is_over or self._unanswered or self._edits:
            if self._unanswered and (self._edits or not self._has_room()):
                yield from self._hear(waits=True)
            elif self._edits:
                yield from self._edit()
            else:
                yield from self._send_next()

    def _has_room(self) -> bool:
        is_full = self._counts and len(self._unanswered) >= self._in_flight
        return not (self._is_over or is_full)

    def _send_next(self) -> Acts:
        frame = yield from _do(NextFrame())
        if frame is None:
            self._is_over = True
            return
        self._unanswered.append(frame)
        yield from _do(Send(frame))
        while self._unanswered and (yield from self._hear(waits=False)):
            pass

    def _edit(self) -> Acts:
        self._is_telling = True
        yield from _do(Send(json.dumps(prompts.to_json(self._edits[0]))))
        _read(_SESSION, (yield from _do(Receive(waits=True))))
        self._is_telling = False
        self._edits.popleft()
        self._patience = self._new_patience()

    def _hear(self, *, waits: bool) -> Generator[Act, Any, bool]:
        """Take the next answer; return whether there was one."""
        text = yield from _do(Receive(waits))
        if text is None:
            return False
        try:
            reply = _read(_REPLY, text)
        except Refused as refusal:
            if self._counts or not refusal.retryable:
                raise
            self._pass_over(1 + refusal.dropped)  # a live camera's next frame is as good
            return True
        self._pass_over(reply.dropped)
        self._unanswered.popleft()
        self._index = reply.frame_index + 1
        passed, self._passed = self._passed, 0
        self._patience = self._new_patience()
        reply = reply.after(passed)
        self._took(reply)
        yield from _do(Give(reply))
        return True

    def _catch_up(self, reached: int) -> None:
        """Let go of frames that get no answer any more; the session stands at frame `reached`.

        The session gives the answer of the frame that it stands at again.
        """
        if not self._counts:
            self._pass_over(len(self._unanswered))
            return
        lost = min(reached - self._index, len(self._unanswered) - 1)
        if lost > 0:
            self._pass_over(lost)
            self._index += lost

    def _was_overtaken(self, error: MaskdError) -> bool:
        """Whether frames that an earlier connection took have counted since it was asked."""
        if not isinstance(error, RequestFailed) or error.problem.expected_frame_index is None:
            return False
        reached = error.problem.expected_frame_index - 1
        return self._index < reached < self._index + len(self._unanswered)

    def _pass_over(self, frames: int) -> None:
        for _ in range(frames):
            self._unanswered.popleft()
        self._passed += frames


def after(acts: Acts, outcome: Any) -> Act | None:
    """Tell a course what came of its last act; return the next act, or None at its end."""
    try:
        return acts.send(outcome)
    except StopIteration:
        return None


def _do(act: Act) -> Generator[Act, Any, Any]:
    """Have an act done; return what it gives, or raise what it failed with."""
    outcome = yield act
    if isinstance(outcome, MaskdError):
        raise outcome
    return outcome


def _read(reads: TypeAdapter[Any], text: str) -> Any:
    """Return the reply that a message is, or raise the problem that it is."""
    try:
        return reads.validate_json(text)
    except ValidationError:
        pass
    try:
        problem = _PROBLEM.validate_json(text)
    except ValidationError as error:
        raise UnreadableReply("The stream got what is no reply of maskd's.", _SWITCHED) from error
    raise Refused(problem)


def _adds(objects: Sequence[NewObject]) -> bool:
    """Whether an edit that is made twice may add an object twice."""
    return any(one.id is None for one in objects)
