"""From nothing to a ready engine, or to one line that says why not."""

import asyncio
import threading
from typing import Any

import pytest
import torch
from prometheus_client import CollectorRegistry

from service.engine.engine import Engine
from service.engine.loader import EngineStartError
from service.engine.stats import Stats
from service.errors import InvalidOptions, NotFound, NotReady
from service.settings import Settings
from tests.engine.asking import ask, engine_of
from tests.fakes import CATEGORIES, FakeLoader, FakeModel, Gate, loop_turns


async def test_the_engine_is_ready_once_every_model_is_loaded_and_warm() -> None:
    gate = Gate()
    gate.close()
    engine = engine_of({"fake": FakeModel(), "slow": FakeModel(gate=gate)})
    start = asyncio.ensure_future(engine.start())
    await asyncio.to_thread(gate.wait_arrival)
    assert not engine.is_ready
    assert engine.models() == ()
    with pytest.raises(NotReady, match="still loading"):
        engine.find("segment")
    with pytest.raises(NotReady, match="still loading"):
        await ask(engine)
    gate.open()
    await start
    assert engine.is_ready
    assert [model.name for model in engine.models()] == ["fake", "slow"]
    await engine.aclose()


async def test_every_size_that_settings_name_is_warmed_up_once_an_input_shape() -> None:
    model = FakeModel()
    engine = engine_of({"fake": model}, warm_up_sizes=("64x48", "32x20", "64x48"))
    await engine.start()
    assert [images[0].shape for images, _ in model.calls] == [(48, 64, 3), (20, 32, 3)]
    await engine.aclose()


async def test_models_are_loaded_at_the_same_time() -> None:
    models = {"fake": FakeModel(), "other": FakeModel()}
    both = threading.Barrier(2, timeout=10)
    engine = Engine(Settings(models=tuple(models)), loader=FakeLoader(models, before=both.wait))
    await engine.start()
    assert engine.is_ready
    await engine.aclose()


async def test_models_on_the_cpu_take_turns_on_one_thread() -> None:
    threads: list[int] = []
    model = FakeModel(lambda _: threads.append(threading.get_ident()))
    engine = engine_of({"fake": model, "other": model})
    await engine.start()
    threads.clear()
    await asyncio.gather(ask(engine), ask(engine, "other"))
    assert len(threads) == 2
    assert len(set(threads)) == 1
    assert threads[0] != threading.get_ident()
    await engine.aclose()


async def test_models_run_for_the_first_time_one_after_the_other_on_the_cpu() -> None:
    gate = Gate()
    gate.close()
    models = {"fake": FakeModel(gate=gate), "other": FakeModel(gate=gate)}
    engine = engine_of(models)
    start = asyncio.ensure_future(engine.start())
    await asyncio.to_thread(gate.wait_arrival)
    await loop_turns()
    assert sum(len(model.calls) for model in models.values()) == 1
    gate.open()
    await start
    assert [len(model.calls) for model in models.values()] == [1, 1]
    await engine.aclose()


async def test_a_model_that_comes_later_runs_first_beside_those_that_serve() -> None:
    gate = Gate()
    models = {"fake": FakeModel(), "late": FakeModel(gate=gate)}
    settings = Settings(models=("fake",), devices=("cpu",))
    engine = Engine(settings, loader=FakeLoader(models))
    await engine.start()
    gate.close()
    load = asyncio.ensure_future(engine.load("late"))
    await asyncio.to_thread(gate.wait_arrival)
    await ask(engine)
    assert not load.done()
    gate.open()
    await load
    await ask(engine, "late")
    await engine.aclose()


async def test_a_loaded_model_tells_what_it_is() -> None:
    engine = engine_of({"fake": FakeModel()})
    await engine.start()
    (model,) = engine.models()
    assert (model.name, model.task, model.devices, model.state) == (
        *("fake", "segment"),
        *(("cpu",), "ready"),
    )
    assert model.categories == CATEGORIES
    await engine.aclose()


def test_what_torch_holds_of_a_device_is_read_when_somebody_looks() -> None:
    registry, held = CollectorRegistry(), [5]
    Stats(registry).watch_device("fake:0", lambda: held[0])
    held[0] = 7
    assert registry.get_sample_value("maskd_device_memory_bytes", {"device": "fake:0"}) == 7


async def test_models_are_found_by_task_and_by_name() -> None:
    engine = engine_of({"finder": FakeModel(), "first": FakeModel(), "second": FakeModel()})
    await engine.start()
    assert engine.find("segment").name == "first"
    assert engine.find("segment", "second").name == "second"
    assert engine.find("detect").name == "finder"
    with pytest.raises(NotFound, match="loaded are finder, first, second"):
        engine.find("segment", "third")
    with pytest.raises(NotFound, match="can track"):
        engine.find("track")
    with pytest.raises(InvalidOptions, match="first can segment, not detect"):
        engine.find("detect", "first")
    with pytest.raises(NotFound):
        await ask(engine, "third")
    await engine.aclose()


@pytest.mark.parametrize(
    ("model", "devices", "reason"),
    [
        (OSError("no such\nfile"), "cpu", "fake cannot be loaded: no such file"),
        (FakeModel(lambda _: 1 / 0), "cpu", "fake cannot be loaded: division by zero"),
        (FakeModel(), "cuda:99", "device 'cuda:99' is not here; there are "),
    ],
)
async def test_what_cannot_be_started_is_said_in_one_line(
    model: Any, devices: str, reason: str
) -> None:
    settings = Settings(models=("fake",), devices=(devices,))
    engine = Engine(settings, loader=FakeLoader({"fake": model}))
    with pytest.raises(EngineStartError) as failure:
        await engine.start()
    assert str(failure.value).startswith(reason)
    assert "\n" not in str(failure.value)
    assert not engine.is_ready
    await engine.aclose()


async def test_an_unknown_variant_stops_the_start() -> None:
    engine = Engine(Settings(models=("other",)), loader=FakeLoader({}))
    with pytest.raises(EngineStartError, match="other cannot be loaded"):
        await engine.start()
    await engine.aclose()


async def test_a_start_that_is_cancelled_leaves_nothing_behind() -> None:
    gate = Gate()
    gate.close()
    engine = engine_of({"slow": FakeModel(gate=gate)})
    start = asyncio.ensure_future(engine.start())
    await asyncio.to_thread(gate.wait_arrival)
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    assert engine.models() == ()
    gate.open()
    await engine.aclose()


async def test_a_load_that_is_cancelled_leaves_no_thread_of_its_device(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "set_device", lambda _: None)
    gate = Gate()
    gate.close()
    engine = Engine(
        Settings(models=("slow",), devices=("cuda",)),
        loader=FakeLoader({"slow": FakeModel(gate=gate)}),
    )
    load = asyncio.ensure_future(engine._assembly.load_one("slow"))
    await asyncio.to_thread(gate.wait_arrival)
    (thread,) = (one for one in threading.enumerate() if one.name.startswith("replica-cuda"))
    load.cancel()
    with pytest.raises(asyncio.CancelledError):
        await load
    gate.open()
    await asyncio.to_thread(thread.join, 5)
    assert not thread.is_alive()
    await engine.aclose()
