"""Everything that can go wrong for a caller, named once; knows no HTTP status.

ServiceError
├── BadInput
│   ├── MalformedRequest      bytes that are no HTTP request
│   ├── HeadTooLarge          a request's line and headers of more bytes than may be
│   ├── MalformedBody         a body that is not of the form that its content type names
│   ├── UnreadableImage       bytes that are no whole picture of an allowed format
│   ├── UnreadableVideo       bytes that are no video of an allowed format, or a damaged one
│   ├── UnsupportedMediaType  a content type that no route reads
│   ├── InvalidOptions        an option out of range, unknown or of the wrong form
│   ├── TooLarge              more bytes or pixels than the limits allow
│   ├── FrameSizeChanged      a frame of another size than its session's first
│   └── TooManyObjects        more objects than one session follows
├── Unauthorized              not the token that the route asks for
├── SlowUpload                the head or the body did not arrive in time
├── NotFound                  a model, session, object or route that does not exist
├── ModelInUse                open sessions need the model; carries how many
├── FrameOutOfOrder           not the frame that the session awaits; carries its index
├── SessionGone               the session has ended; carries why
├── SnapshotUnusable          what was kept of the session cannot be read, or is another network's
├── ComeBack                  carries when to come back
│   ├── Overloaded            the queue is full
│   ├── TooManySessions       no room for one more session
│   ├── SessionBusy           too many requests wait for one session
│   └── SessionElsewhere      another process has the session
├── NotReady                  models are still loading, or the service is draining
├── DeadlineExceeded          the answer would come too late
├── OutOfMemory               the device cannot hold even this one picture
└── InferenceFailed           the network raised; details stay in the log
"""

from collections.abc import Mapping
from typing import Literal

GoneReason = Literal["closed", "idle", "age", "memory", "moved", "lost", "unloaded"]


class ServiceError(Exception):
    """A failure with a message that is fit for the caller to read.

    Args:
        detail: one sentence for the caller; no paths, no internals.
        limit: the bound that was broken, in the unit that `detail` names.
        actual: what the caller sent, in the same unit.
    """

    def __init__(
        self, detail: str, *, limit: float | None = None, actual: float | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.limit = limit
        self.actual = actual

    @property
    def facts(self) -> Mapping[str, float | str]:
        """What a program may want to know of it, by name; nothing that does not apply."""
        numbers = {"limit": self.limit, "actual": self.actual}
        return {name: number for name, number in numbers.items() if number is not None}


class BadInput(ServiceError):
    """The request can never succeed as it is."""


class MalformedRequest(BadInput):
    """The bytes are no HTTP request."""


class HeadTooLarge(BadInput):
    """The request's line and headers have more bytes than they may."""


class MalformedBody(BadInput):
    """The body is not of the form that its content type names."""


class UnreadableImage(BadInput):
    """The bytes are no whole picture of an allowed format."""


class UnreadableVideo(BadInput):
    """The bytes are no video of an allowed format, or are damaged from some frame on."""


class UnsupportedMediaType(BadInput):
    """The content type is none that the route reads."""


class InvalidOptions(BadInput):
    """An option is unknown, out of range or of the wrong form."""


class TooLarge(BadInput):
    """The request has more bytes or pixels than the limits allow."""


class FrameSizeChanged(BadInput):
    """The frame has another size than the session's first.

    Args:
        expected: (height, width) of the first frame, pixels.
        actual: of this one.
    """

    def __init__(self, expected: tuple[int, int], actual: tuple[int, int]) -> None:
        self._sizes = (expected, actual)
        (height, width), (given_height, given_width) = self._sizes
        super().__init__(
            f"The session's frames are {width} x {height} pixels, "
            f"not {given_width} x {given_height}."
        )

    @property
    def facts(self) -> Mapping[str, float | str]:
        """Both sizes."""
        (height, width), (given_height, given_width) = self._sizes
        return {
            "expected_width": width,
            "expected_height": height,
            "actual_width": given_width,
            "actual_height": given_height,
        }


class TooManyObjects(BadInput):
    """The session would follow more objects than one may."""


class Unauthorized(ServiceError):
    """The request does not carry the token that the route asks for."""


class SlowUpload(ServiceError):
    """The head or the body did not arrive before the request's deadline."""


class NotFound(ServiceError):
    """The named model, session or object does not exist, or is not here any more."""


class ModelInUse(ServiceError):
    """Open sessions need the model.

    Args:
        model: its name.
        sessions: that are open.
    """

    def __init__(self, model: str, sessions: int) -> None:
        super().__init__(f"{model} has open sessions, which would end: {sessions}.")
        self._sessions = sessions

    @property
    def facts(self) -> Mapping[str, float | str]:
        """How many sessions."""
        return {"open_sessions": self._sessions}


class FrameOutOfOrder(ServiceError):
    """The frame is neither the one just answered nor the next one.

    Args:
        expected: index of the next frame.
        actual: index of the frame that came.
    """

    def __init__(self, expected: int, actual: int) -> None:
        super().__init__(f"The session awaits frame {expected}, not {actual}.")
        self.expected = expected
        self.actual_index = actual

    @property
    def facts(self) -> Mapping[str, float | str]:
        """Both indices."""
        return {"expected_frame_index": self.expected, "actual_frame_index": self.actual_index}


class SessionGone(ServiceError):
    """The session has ended.

    Args:
        reason: `closed` by its client, `idle` or of too great `age`, `memory` needed by others,
            `moved` to another process, `lost` with its device, or `unloaded` with its model.
    """

    _TEXTS: Mapping[GoneReason, str] = {
        "closed": "The session was closed.",
        "idle": "The session ended, since no request came for it in time.",
        "age": "The session ended, since it was open as long as a session may be.",
        "memory": "The session ended, since others needed its memory.",
        "moved": "The session goes on in another process.",
        "lost": "The session was lost with its device.",
        "unloaded": "The session ended, since its model was unloaded.",
    }

    def __init__(self, reason: GoneReason) -> None:
        super().__init__(self._TEXTS[reason])
        self.reason = reason

    @property
    def facts(self) -> Mapping[str, float | str]:
        """The reason as one word."""
        return {"reason": self.reason}


class SnapshotUnusable(ServiceError):
    """What was kept of the session cannot be read, or belongs to another network or version."""


class ComeBack(ServiceError):
    """There is no room now.

    Args:
        detail: see `ServiceError`.
        retry_after_s: seconds until there should be room.
        limit: see `ServiceError`.
        actual: see `ServiceError`.
    """

    def __init__(
        self,
        detail: str,
        *,
        retry_after_s: float,
        limit: float | None = None,
        actual: float | None = None,
    ) -> None:
        super().__init__(detail, limit=limit, actual=actual)
        self.retry_after_s = retry_after_s


class Overloaded(ComeBack):
    """The queue is full; it comes back by its own measure."""


class TooManySessions(ComeBack):
    """One session more would be more, or take more memory, than the limits allow."""


class SessionBusy(ComeBack):
    """As many requests wait for the session's earlier ones as may."""


class SessionElsewhere(ComeBack):
    """Another process that lives, or may yet, has the session."""


class NotReady(ServiceError):
    """Models are still loading, or the service is draining."""


class DeadlineExceeded(ServiceError):
    """The answer did not come, or would not come, before the request's deadline."""


class OutOfMemory(ServiceError):
    """The device has not the memory for even this one picture."""


class InferenceFailed(ServiceError):
    """The network raised on this picture; the cause is in the log, not in the reply."""
