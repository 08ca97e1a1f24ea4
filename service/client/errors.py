"""Everything that a call can fail with.

MaskdError
├── RequestFailed    the service answered with a problem
├── Unreachable      no answer came: no connection, a broken one, or none in time
└── UnreadableReply  an answer came that is none of this service's
"""

from dataclasses import dataclass

from pydantic import TypeAdapter


class MaskdError(Exception):
    """A call failed; the message is one sentence."""


@dataclass(frozen=True)
class Problem:
    """What the service says of a failure; see `docs/errors.md`.

    Attributes:
        status: HTTP status.
        code: stable name of the kind of problem.
        title: the kind in words.
        detail: one sentence on this very failure.
        retryable: whether the same request may succeed later.
        request_id: to find it in the service's log.
        limit: the bound that was broken, or None.
        actual: what was sent instead, or None.
        reason: why a session ended, or None.
        expected_frame_index: the frame that a session awaits, or None.
    """

    status: int
    code: str
    title: str
    detail: str
    retryable: bool
    request_id: str
    limit: float | None = None
    actual: float | None = None
    reason: str | None = None
    expected_frame_index: int | None = None


PROBLEM = TypeAdapter(Problem)


class RequestFailed(MaskdError):
    """The service answered with a problem.

    Args:
        problem: all that it says.
        retry_after_s: seconds after which to come back, where it says so.

    Attributes:
        problem: all that the service says; its commonest members are at hand here too.
        retry_after_s: seconds after which to come back; None if the service does not say.
    """

    def __init__(self, problem: Problem, retry_after_s: float | None = None) -> None:
        super().__init__(f"{problem.detail} ({problem.status} {problem.code})")
        self.problem = problem
        self.retry_after_s = retry_after_s
        self.code = problem.code
        self.status = problem.status
        self.retryable = problem.retryable
        self.limit = problem.limit
        self.actual = problem.actual
        self.request_id = problem.request_id


class Unreachable(MaskdError):
    """No answer came; the cause is httpx's error.

    Args:
        detail: one sentence.
        was_sent: whether the service may have got the request all the same.
    """

    def __init__(self, detail: str, *, was_sent: bool) -> None:
        super().__init__(detail)
        self.was_sent = was_sent


class UnreadableReply(MaskdError):
    """What came is no reply of this service, or of a version that this client does not know.

    Args:
        detail: one sentence.
        status: HTTP status of what came.
    """

    def __init__(self, detail: str, status: int) -> None:
        super().__init__(detail)
        self.status = status
