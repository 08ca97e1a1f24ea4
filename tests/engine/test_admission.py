import math
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from service.engine.admission import Admission, Capacity
from service.engine.stats import ModelStats, Stats
from service.errors import Overloaded


def admission_of(max_images: int = 3, max_pixels: float = 1000.0) -> Admission:
    stats = ModelStats(Stats(CollectorRegistry()), "fake")
    return Admission("fake", Capacity(max_images, max_pixels), stats)


def refusal(admission: Admission, pixels: int = 1, left_s: float = math.inf) -> Overloaded:
    with pytest.raises(Overloaded) as caught, admission.room(pixels, left_s):
        pass
    return caught.value


def test_room_is_held_as_long_as_the_block_runs() -> None:
    admission = admission_of()
    with admission.room(10, math.inf):
        assert (admission.images, admission.pixels) == (1, 10)
    assert (admission.images, admission.pixels) == (0, 0)


def test_room_is_given_back_when_the_block_fails() -> None:
    admission = admission_of()
    with pytest.raises(KeyError), admission.room(10, math.inf):
        raise KeyError
    assert (admission.images, admission.pixels) == (0, 0)


def test_one_picture_too_many_is_refused_with_the_numbers() -> None:
    admission = admission_of()
    with ExitStack() as held:
        for _ in range(3):
            held.enter_context(admission.room(1, math.inf))
        error = refusal(admission)
    assert (error.limit, error.actual) == (3, 4)
    assert error.retry_after_s == 1.0
    assert admission.images == 0


def test_some_pixels_too_many_are_refused_with_the_numbers() -> None:
    admission = admission_of()
    with admission.room(600, math.inf):
        error = refusal(admission, pixels=401)
        assert (error.limit, error.actual) == (1000, 1001)
        with admission.room(400, math.inf):
            assert admission.pixels == 1000


def test_a_refused_picture_is_told_when_enough_will_have_left() -> None:
    admission = admission_of(max_pixels=900)
    admission.measure(2.0, 4)
    with admission.room(300, math.inf), admission.room(300, math.inf):
        assert refusal(admission, pixels=700).retry_after_s == 1.0
        with admission.room(300, math.inf):
            assert refusal(admission, pixels=0).retry_after_s == 0.5


def test_an_empty_queue_that_is_too_small_refuses_all_the_same() -> None:
    assert refusal(admission_of(), pixels=2000).actual == 2000


def test_what_would_come_too_late_is_refused_at_once() -> None:
    admission = admission_of()
    admission.measure(2.0, 1)
    with admission.room(1, left_s=5.0), admission.room(1, left_s=5.0):
        error = refusal(admission, left_s=5.0)
    assert (error.limit, error.actual) == (5.0, 6.0)
    assert error.retry_after_s == pytest.approx(1.0)


def test_without_company_even_a_hopeless_deadline_is_tried() -> None:
    admission = admission_of()
    admission.measure(100.0, 1)
    with admission.room(1, left_s=0.1):
        assert admission.images == 1


def test_the_pace_follows_what_is_measured() -> None:
    admission = admission_of(max_images=1)
    admission.measure(8.0, 8)
    with admission.room(1, math.inf):
        assert refusal(admission).retry_after_s == pytest.approx(1.0)
        admission.measure(2.0, 1)
        assert refusal(admission).retry_after_s == pytest.approx(1.2)


@given(st.lists(st.tuples(st.integers(1, 700), st.integers(0, 5)), max_size=30))
def test_the_bounds_hold_whoever_comes_and_goes(visits: list[tuple[int, int]]) -> None:
    admission = admission_of()
    inside: list[ExitStack] = []
    for pixels, leaving in visits:
        stack = ExitStack()
        try:
            stack.enter_context(admission.room(pixels, math.inf))
            inside.append(stack)
        except Overloaded:
            assert admission.images == 3 or admission.pixels + pixels > 1000
        assert admission.images == len(inside) <= 3
        assert admission.pixels <= 1000
        if leaving < len(inside):
            inside.pop(leaving).close()
    for stack in inside:
        stack.close()
    assert (admission.images, admission.pixels) == (0, 0)
