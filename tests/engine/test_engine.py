"""The facade, with real threads and fake networks."""

import asyncio
from collections.abc import Hashable
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from models.outputs import InstanceMasks
from models.predictor import BoxPrompts
from service.engine.engine import Engine, Prediction
from service.errors import DeadlineExceeded, InferenceFailed, NotReady, Overloaded, ServiceError
from service.settings import Settings
from tests.engine.asking import FOREVER, ask, engine_of, metric
from tests.fakes import (
    FakeBoxSegmenter,
    FakeLoader,
    FakeModel,
    Gate,
    ManualClock,
    loop_turns,
    picture,
)


async def test_a_picture_gets_its_answer() -> None:
    model = FakeModel()
    engine = engine_of({"fake": model})
    await engine.start()
    prediction = await ask(engine, options={"score_threshold": 0.5})
    assert isinstance(prediction.output, InstanceMasks)
    assert (prediction.model, prediction.batch_size) == ("fake", 1)
    assert prediction.queue_wait_s >= 0
    assert prediction.run_s >= 0
    assert model.calls[-1][1] == {"score_threshold": 0.5}
    await engine.aclose()


async def test_queue_wait_and_run_time_come_from_the_clock() -> None:
    clock, gate = ManualClock(), Gate()
    engine = engine_of({"fake": FakeModel(gate=gate)}, clock)
    await engine.start()
    gate.close()
    first = asyncio.ensure_future(ask(engine))
    await asyncio.to_thread(gate.wait_arrival)
    await asyncio.to_thread(gate.wait_arrival)
    second = asyncio.ensure_future(ask(engine))
    await loop_turns()
    clock.advance(2.0)
    gate.open()
    assert [(await asked).queue_wait_s for asked in (first, second)] == [0.0, 2.0]
    assert ((await first).run_s, (await second).run_s) == (2.0, 0.0)
    await engine.aclose()


async def test_a_full_queue_refuses_at_once_and_counts_it() -> None:
    engine = engine_of({"fake": FakeModel()}, max_queue_images=1)
    await engine.start()
    with engine.admit("fake", 10, FOREVER), pytest.raises(Overloaded):
        await ask(engine)
    assert (await ask(engine)).batch_size == 1
    assert metric(engine, "jobs_total", outcome="rejected") == 1
    await engine.aclose()


async def test_a_refused_caller_is_told_when_by_the_measured_pace() -> None:
    clock, gate = ManualClock(), Gate()
    engine = engine_of({"fake": FakeModel(gate=gate)}, clock, max_queue_images=1)
    await engine.start()
    await asyncio.to_thread(gate.wait_arrival)
    gate.close()
    asked = asyncio.ensure_future(ask(engine))
    await asyncio.to_thread(gate.wait_arrival)
    clock.advance(7.0)
    gate.open()
    await asked
    with engine.admit("fake", 10, FOREVER), pytest.raises(Overloaded) as refused:
        await ask(engine)
    assert refused.value.retry_after_s == 7.0
    await engine.aclose()


async def test_the_bound_on_pixels_is_in_millions() -> None:
    engine = engine_of({"fake": FakeModel()}, max_queue_megapixels=60.0)
    await engine.start()
    with (
        engine.admit("fake", 60_000_000, FOREVER),
        pytest.raises(Overloaded) as refused,
        engine.admit("fake", 1, FOREVER),
    ):
        pass
    assert refused.value.limit == 60e6
    assert metric(engine, "admitted_pixels") == 0
    await engine.aclose()


async def test_each_model_has_a_bound_of_its_own() -> None:
    engine = engine_of({"fake": FakeModel(), "other": FakeModel()}, max_queue_images=1)
    await engine.start()
    with engine.admit("fake", 10, FOREVER):
        assert (await ask(engine, "other")).model == "other"
        assert metric(engine, "admitted_images") == 1
        assert metric(engine, "admitted_pixels") == 10
    await engine.aclose()


async def test_a_deadline_that_has_passed_is_refused_before_decoding() -> None:
    clock = ManualClock(10.0)
    engine = engine_of({"fake": FakeModel()}, clock)
    await engine.start()
    with pytest.raises(DeadlineExceeded), engine.admit("fake", 10, deadline=10.0):
        pytest.fail("let in")
    await engine.aclose()


async def test_a_deadline_that_passes_while_the_picture_is_decoded_ends_the_job() -> None:
    clock = ManualClock()
    engine = engine_of({"fake": FakeModel()}, clock)
    await engine.start()
    with engine.admit("fake", 10, deadline=5.0) as ticket:
        clock.advance(5.0)
        with pytest.raises(DeadlineExceeded):
            await engine.predict(ticket, picture(), {})
    await engine.aclose()


async def test_pictures_of_other_shapes_or_options_never_share_a_pass() -> None:
    gate = Gate()
    model = FakeModel(gate=gate)
    engine = engine_of({"fake": model})
    await engine.start()
    gate.close()

    async def one(height: int, **options: Hashable) -> int:
        with engine.admit("fake", 10, FOREVER) as ticket:
            return (await engine.predict(ticket, picture(height), options)).batch_size

    asked = [one(20), one(20, k=1), one(20), one(30), one(20, k=1), one(20)]
    answers = asyncio.gather(*asked)
    await asyncio.to_thread(gate.wait_arrival)
    gate.open()
    assert await answers == [1, 2, 2, 1, 2, 2]
    await engine.aclose()


async def test_pictures_with_boxes_of_their_own_share_a_pass_without_the_others() -> None:
    gate = Gate()
    model = FakeBoxSegmenter(gate)
    engine = engine_of({"fake": model})
    await engine.start()
    gate.close()

    async def one(side: float | None, **options: Hashable) -> Prediction:
        prompts = None if side is None else BoxPrompts(np.array([[0, 0, side, side]]))
        with engine.admit("fake", 10, FOREVER) as ticket:
            return await engine.predict(ticket, picture(), options, prompts)

    asked = [one(None), one(3), one(None), one(4), one(5, labels=(1,))]
    answers = asyncio.gather(*asked)
    await asyncio.to_thread(gate.wait_arrival)
    gate.open()
    assert engine.find("segment").prompts == {"box"}
    made = await answers
    assert [answer.batch_size for answer in made] == [1, 2, 1, 2, 1]
    assert [made[index].output.boxes_xyxy[0, 2] for index in (1, 3, 4)] == [3, 4, 5]
    assert [options for _, options in model.prompted] == [{}, {"labels": (1,)}]
    await engine.aclose()


async def test_boxes_for_a_network_that_takes_none_fail_alone() -> None:
    engine = engine_of({"fake": FakeModel()})
    await engine.start()
    assert engine.find("segment").prompts == frozenset()
    with engine.admit("fake", 10, FOREVER) as ticket, pytest.raises(InferenceFailed):
        await engine.predict(ticket, picture(), {}, BoxPrompts(np.ones((1, 4))))
    await engine.aclose()


async def test_draining_refuses_new_work_and_ends_what_was_admitted() -> None:
    gate = Gate()
    engine = engine_of({"fake": FakeModel(gate=gate)})
    await engine.start()
    gate.close()
    asked = asyncio.ensure_future(ask(engine))
    await loop_turns()
    with engine.admit("fake", 10, FOREVER) as decoding:
        engine.drain()
        assert (engine.is_draining, engine.is_ready) == (True, False)
        with pytest.raises(NotReady, match="shutting down"):
            await ask(engine)
        gate.open()
        assert (await asked).batch_size == 1
        assert (await engine.predict(decoding, picture(), {})).batch_size == 1
    await engine.aclose()


async def test_closing_fails_what_still_runs_and_can_be_repeated() -> None:
    gate = Gate()
    engine = engine_of({"fake": FakeModel(gate=gate)})
    await engine.start()
    gate.close()
    asked = asyncio.ensure_future(ask(engine))
    await loop_turns()
    await engine.aclose()
    await engine.aclose()
    with pytest.raises(NotReady, match="shutting down"):
        await asked
    assert not engine.is_ready
    gate.open()


async def test_a_client_that_leaves_gives_its_room_back() -> None:
    gate = Gate()
    engine = engine_of({"fake": FakeModel(gate=gate)}, max_queue_images=1)
    await engine.start()
    gate.close()
    gone = asyncio.ensure_future(ask(engine))
    await loop_turns()
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    gate.open()
    assert (await ask(engine)).batch_size == 1
    assert metric(engine, "jobs_total", outcome="cancelled") == 1
    await engine.aclose()


async def test_a_model_that_lost_its_device_turns_the_engine_unready() -> None:
    class Mortal(FakeModel):
        def predict(self, images: Any, *_: Any, **options: Any) -> list[Any]:
            if self.calls:
                raise SystemExit
            return super().predict(images, **options)

    engine = engine_of({"mortal": Mortal(), "fake": FakeModel()})
    await engine.start()
    with pytest.raises(ServiceError):
        await ask(engine, "mortal")
    assert engine.failed.is_set()
    assert not engine.is_ready
    assert [model.state for model in engine.models()] == ["failed", "ready"]
    with (
        pytest.raises(NotReady, match="lost all its devices"),
        engine.admit("mortal", 10, FOREVER),
    ):
        pytest.fail("let in")
    assert (await ask(engine)).batch_size == 1
    await engine.aclose()


async def test_metrics_go_to_the_registry_that_is_given() -> None:
    registry = CollectorRegistry()
    engine = Engine(
        Settings(models=("fake",)), registry=registry, loader=FakeLoader({"fake": FakeModel()})
    )
    await engine.start()
    await ask(engine)
    assert engine.registry is registry
    text = generate_latest(registry).decode()
    assert 'maskd_jobs_total{model="fake",outcome="ok"} 1.0' in text
    assert 'maskd_replica_up{device="cpu",model="fake"} 1.0' in text
    await engine.aclose()
