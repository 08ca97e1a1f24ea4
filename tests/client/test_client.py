"""The client against the whole service in this process, and on a port."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from models.outputs import SemanticMap
from service.client import AsyncClient, Client, RequestFailed, Retry, Segment
from tests.api.serving import png, serving
from tests.client.talking import FAST
from tests.e2e.listening import listening
from tests.fakes import FakeBoxSegmenter, FakeModel

PNG = png()
PIXELS = np.full((48, 64, 3), (90, 120, 150), np.uint8)


def talking(service: object) -> AsyncClient:
    return AsyncClient("http://service", transport=service._transport, retry=FAST)


async def test_instances_have_masks() -> None:
    async with serving() as service, talking(service) as client:
        reply = await client.segment(PNG)
    (instance,) = reply.instances
    assert (instance.label, instance.category_id, instance.score) == ("circle", 1, 0.9)
    assert instance.bbox == (0, 0, 32, 24)
    mask = instance.mask()
    assert mask.shape == (reply.image.height, reply.image.width) == (48, 64)
    assert mask[:24, :32].all()
    assert mask.sum() == instance.area == 24 * 32


async def test_options_reach_the_network(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    async with serving() as service, talking(service) as client:
        for picture in (PNG, path, PIXELS):
            await client.segment(
                picture, model="fake", labels=["circle", 2], score_threshold=0.25, max_detections=3
            )
        calls = service.model.calls[service.warm_up_calls :]
    wanted = {"score_threshold": 0.25, "max_detections": 3, "labels": (1, 2)}
    assert [options for _, options in calls] == [wanted] * 3
    assert all(np.array_equal(images[0], PIXELS) for images, _ in calls)


async def test_boxes_become_masks_in_order() -> None:
    boxes = [(8, 4, 16, 10), [40.5, 20.0, 10.0, 20.0]]
    async with serving(FakeBoxSegmenter()) as service, talking(service) as client:
        reply = await client.segment(PNG, boxes=boxes, box_labels=["square", 1])
    assert [one.bbox for one in reply.instances] == [(8, 4, 16, 10), (40.5, 20, 10, 20)]
    assert [one.label for one in reply.instances] == ["square", "circle"]
    assert reply.instances[0].mask()[4:14, 8:24].all()


def label_map(image: np.ndarray, **_: object) -> SemanticMap:
    labels = torch.ones(image.shape[:2], dtype=torch.uint8)
    labels[:10] = 2
    return SemanticMap(labels, is_refined=True)


@pytest.mark.parametrize("mask_format", ["rle", "png"])
async def test_every_pixel_has_its_category(mask_format: str) -> None:
    async with (
        serving(FakeModel(label_map), task="semantic") as service,
        talking(service) as client,
    ):
        reply = await client.semantic(PNG, mask_format=mask_format, min_area=1, refine=True)
    assert [segment.category_id for segment in reply.segments] == [1, 2]
    assert all(isinstance(segment, Segment) for segment in reply.segments)
    ids = reply.category_ids()
    assert ids.shape == (48, 64)
    assert (ids[:10] == 2).all()
    assert (ids[10:] == 1).all()


async def test_boxes_come_as_they_are() -> None:
    async with serving(task="detect") as service, talking(service) as client:
        reply = await client.detect(PNG)
    assert [found.bbox for found in reply.detections] == [(0, 0, 32, 24)]


async def test_what_is_loaded_is_told() -> None:
    async with serving() as service, talking(service) as client:
        (model,) = await client.models()
    assert (model.name, model.task, model.devices) == ("fake", "segment", ("cpu",))
    assert [category.name for category in model.categories] == ["circle", "square"]


async def test_a_refusal_is_told_in_the_service_s_words() -> None:
    async with serving(max_image_megapixels=0.001) as service, talking(service) as client:
        with pytest.raises(RequestFailed, match="64x48") as caught:
            await client.segment(PNG)
    assert (caught.value.code, caught.value.limit) == ("too-large", 1000)


async def test_a_service_that_starts_is_waited_for() -> None:
    async with serving(ready=False) as service:
        patient = Retry(attempts=2, budget_s=10)
        async with AsyncClient(
            "http://service", transport=service._transport, retry=patient
        ) as client:
            assert (await client.segment(PNG)).instances


@pytest.mark.slow
def test_a_thread_can_wait_as_well() -> None:
    with listening() as service, Client(service.url) as client:
        assert client.segment(PNG).instances
        assert [model.name for model in client.models()] == ["fake"]
        with pytest.raises(RequestFailed):
            client.segment(PNG, labels=["cat"])


def test_importing_it_brings_nothing_that_serves() -> None:
    names = "torch", "fastapi", "uvicorn", "service.api", "service.engine", "models.zoo"
    code = f"import sys, service.client; print([n for n in {names} if n in sys.modules])"
    said = subprocess.run(  # noqa: S603 (our own interpreter)
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert said.stdout == "[]\n"
