"""Who may come in: one model's bound on pictures and pixels, kept before anything is decoded."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from service.engine.stats import ModelStats
from service.errors import Overloaded

# Weight of the newest batch in the running mean of what a job takes.
_NEWEST_WEIGHT = 0.2
# What a refused caller is told before anything was measured.
_UNMEASURED_WAIT_S = 1.0


@dataclass(frozen=True)
class Capacity:
    """Bounds of what one model may have admitted and not yet answered.

    Attributes:
        max_images: pictures.
        max_pixels: of all of them together.
    """

    max_images: int
    max_pixels: float


@dataclass(frozen=True)
class Ticket:
    """Room for one picture, held from before it is decoded until it is answered.

    Attributes:
        model: the variant that will see it.
        deadline: monotonic seconds; an answer after it is of no use.
    """

    model: str
    deadline: float

    def until(self, deadline: float) -> "Ticket":
        """Return the same room for the next picture of whoever holds it."""
        return replace(self, deadline=deadline)


class Admission:
    """What one model has admitted, and how fast it gets through it.

    State, on the event loop only: `images` and `pixels` inside, changed by `room`; `_pace_s`,
    the running mean of seconds between two answers while there is work, changed by `measure`.

    Args:
        model: its name.
        capacity: its bounds.
        stats: of the model.
    """

    def __init__(self, model: str, capacity: Capacity, stats: ModelStats) -> None:
        self._model = model
        self._capacity = capacity
        self._stats = stats
        self._pace_s: float | None = None
        self.images = 0
        self.pixels = 0
        stats.watch_admission(lambda: self.images, lambda: self.pixels)

    @contextmanager
    def room(self, pixels: int, left_s: float) -> Iterator[None]:
        """Hold room for one picture as long as the block runs.

        Args:
            pixels: of the picture.
            left_s: seconds until its answer becomes useless.

        Raises:
            Overloaded: it does not fit, or what is ahead of it would take longer than `left_s`.
                It carries when the same picture should be let in.
        """
        refusal = self._refusal(pixels, left_s)
        if refusal is not None:
            self._stats.ended("rejected")
            raise refusal
        self.images += 1
        self.pixels += pixels
        try:
            yield
        finally:
            self.images -= 1
            self.pixels -= pixels

    def measure(self, seconds: float, answers: int) -> None:
        """Learn the pace from a stretch of work.

        Args:
            seconds: that it took, with all replicas at work.
            answers: that it gave, at least one.
        """
        newest_s = seconds / answers
        before_s = newest_s if self._pace_s is None else self._pace_s
        self._pace_s = before_s + _NEWEST_WEIGHT * (newest_s - before_s)

    def _refusal(self, pixels: int, left_s: float) -> Overloaded | None:
        limits, images, total = self._capacity, self.images + 1, self.pixels + pixels
        if images > limits.max_images:
            return self._full("pictures", limits.max_images, images, leaving=1)
        if total > limits.max_pixels:
            mean = max(1.0, self.pixels / max(1, self.images))
            leaving = math.ceil((total - limits.max_pixels) / mean)
            return self._full("pixels", limits.max_pixels, total, leaving=leaving)
        wait_s = images * (self._pace_s or 0.0)
        # With nothing ahead a picture is always let in: only work done corrects a wrong measure.
        if self.images and wait_s > left_s:
            return self._too_late(wait_s, left_s)
        return None

    def _full(self, unit: str, limit: float, actual: int, *, leaving: int) -> Overloaded:
        """The refusal until `leaving` pictures have left."""
        pace_s = self._pace_s
        return Overloaded(
            f"{self._model} has as many {unit} waiting as it may.",
            retry_after_s=_UNMEASURED_WAIT_S if pace_s is None else leaving * pace_s,
            limit=limit,
            actual=actual,
        )

    def _too_late(self, wait_s: float, left_s: float) -> Overloaded:
        """The refusal until so many have left that the answer would come in time."""
        return Overloaded(
            f"{self._model} would answer in about {wait_s:.1f} s, after the request's deadline "
            f"in {left_s:.1f} s.",
            retry_after_s=wait_s - left_s,
            limit=round(left_s, 3),
            actual=round(wait_s, 3),
        )
