import asyncio
import time

from service.engine.clock import MonotonicClock


def test_deadlines_are_comparable_with_the_machine_s_monotonic_time() -> None:
    before = time.monotonic()
    assert before <= MonotonicClock().now() <= time.monotonic()


async def test_a_call_comes_at_its_time_and_not_before() -> None:
    clock, came = MonotonicClock(), asyncio.get_running_loop().create_future()
    when = clock.now() + 0.02
    clock.call_at(when, lambda: came.set_result(clock.now()))
    assert await came >= when - 0.001  # the resolution of the event loop's timers


async def test_a_call_in_the_past_comes_at_once() -> None:
    clock, came = MonotonicClock(), asyncio.get_running_loop().create_future()
    clock.call_at(clock.now() - 9.0, lambda: came.set_result(None))
    await asyncio.wait_for(came, 5)


async def test_a_cancelled_call_never_comes() -> None:
    clock, came = MonotonicClock(), asyncio.get_running_loop().create_future()
    clock.call_at(clock.now(), lambda: came.set_result("wrong")).cancel()
    clock.call_at(clock.now(), lambda: came.set_result("right"))
    assert await came == "right"
