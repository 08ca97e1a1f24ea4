"""Everything that can go wrong for a caller, named once; knows no HTTP status.

ServiceError
├── BadInput
│   ├── MalformedBody         a body that is not of the form that its content type names
│   ├── UnreadableImage       bytes that are no whole picture of an allowed format
│   ├── UnsupportedMediaType  a content type that no route reads
│   ├── InvalidOptions        an option out of range, unknown or of the wrong form
│   └── TooLarge              more bytes or pixels than the limits allow
├── SlowUpload                the body did not arrive in time
├── NotFound                  a model or route that does not exist
├── Overloaded                the queue is full; carries when to come back
├── NotReady                  models are still loading, or the service is draining
├── DeadlineExceeded          the answer would come too late
├── OutOfMemory               the device cannot hold even this one picture
└── InferenceFailed           the network raised; details stay in the log
"""


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


class BadInput(ServiceError):
    """The request can never succeed as it is."""


class MalformedBody(BadInput):
    """The body is not of the form that its content type names."""


class UnreadableImage(BadInput):
    """The bytes are no whole picture of an allowed format."""


class UnsupportedMediaType(BadInput):
    """The content type is none that the route reads."""


class InvalidOptions(BadInput):
    """An option is unknown, out of range or of the wrong form."""


class TooLarge(BadInput):
    """The request has more bytes or pixels than the limits allow."""


class SlowUpload(ServiceError):
    """The body did not arrive before the request's deadline."""


class NotFound(ServiceError):
    """The named model does not exist or is not loaded."""


class Overloaded(ServiceError):
    """The queue is full.

    Args:
        detail: see `ServiceError`.
        retry_after_s: seconds until the queue should have room, by its own measure.
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


class NotReady(ServiceError):
    """Models are still loading, or the service is draining."""


class DeadlineExceeded(ServiceError):
    """The answer did not come, or would not come, before the request's deadline."""


class OutOfMemory(ServiceError):
    """The device has not the memory for even this one picture."""


class InferenceFailed(ServiceError):
    """The network raised on this picture; the cause is in the log, not in the reply."""
