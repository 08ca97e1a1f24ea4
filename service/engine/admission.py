"""Who may come in: one model's bound on pictures and pixels, taken before anything is decoded."""

from types import TracebackType

from service.engine import policy
from service.errors import Overloaded


class Ticket:
    """The right to bring one picture; a context manager that gives it back however the block ends.

    Args:
        admission: that gave it.
        pixels: of the picture it was given for.
    """

    def __init__(self, admission: "Admission", pixels: int) -> None:
        self.model = admission.model
        self.pixels = pixels
        self._admission = admission

    def __enter__(self) -> "Ticket":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._admission.give_back(self)


class Admission:
    """The pictures of one model that were let in and are not yet answered.

    State: `images` and `pixels` inside, changed by `admit` and `give_back` only; `_cost_s`, the
    running mean of seconds a picture, changed by `measure` only. Lives on the event loop.

    Args:
        model: variant.
        max_images: bound on pictures.
        max_pixels: bound on their pixels together.
    """

    def __init__(self, model: str, *, max_images: int, max_pixels: int) -> None:
        self.model = model
        self.images = 0
        self.pixels = 0
        self._max_images = max_images
        self._max_pixels = max_pixels
        self._cost_s: float | None = None

    def admit(self, pixels: int, *, replicas: int) -> Ticket:
        """Let one picture in, or refuse it at once.

        Args:
            pixels: width times height, as its header says.
            replicas: that share the work, at least one.

        Raises:
            Overloaded: it would be one picture or some pixels too many.
        """
        if self.images >= self._max_images:
            raise self._full("pictures", self._max_images, self.images + 1, replicas)
        if self.pixels + pixels > self._max_pixels:
            raise self._full("pixels", self._max_pixels, self.pixels + pixels, replicas)
        self.images += 1
        self.pixels += pixels
        return Ticket(self, pixels)

    def give_back(self, ticket: Ticket) -> None:
        """Make room again."""
        self.images -= 1
        self.pixels -= ticket.pixels

    def measure(self, batch_s: float, batch_size: int) -> None:
        """Learn from a batch what a picture costs."""
        self._cost_s = policy.smoothed_cost(self._cost_s, batch_s, batch_size)

    def _full(self, unit: str, limit: int, actual: int, replicas: int) -> Overloaded:
        return Overloaded(
            f"{self.model} has as many {unit} waiting as it may.",
            retry_after_s=policy.retry_after_s(self.images, self._cost_s, replicas),
            limit=limit,
            actual=actual,
        )
