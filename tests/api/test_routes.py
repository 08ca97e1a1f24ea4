"""Health, models, metrics, documents: the routes around the work."""

import asyncio
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from models import rle, zoo
from service.api.schemas import DetectReply, ModelsReply, SegmentReply
from service.app import create_app
from service.engine.engine import Engine
from service.settings import Settings
from tests.api.serving import png, running, serving
from tests.fakes import FakeLoader, FakeModel, Gate

LIVE = ["/livez", "/healthz", "/v2/health/live"]
READY = ["/readyz", "/health", "/v2/health/ready"]


@pytest.mark.parametrize("path", LIVE + READY)
async def test_a_warm_service_is_live_and_ready(path: str) -> None:
    async with serving() as client:
        reply = await client.get(path)
    assert reply.status_code == 200
    assert reply.json()["status"] == "UP"


async def test_a_service_that_loads_is_live_but_not_ready() -> None:
    gate = Gate()
    gate.close()
    async with serving(FakeModel(gate=gate), ready=False) as client:
        live = [(await client.get(path)).status_code for path in LIVE]
        ready = [await client.get(path) for path in READY]
        segment = await client.segment(png())
        gate.open()
        await client.app.state.loading
        assert {(await client.get(path)).status_code for path in READY} == {200}
    assert set(live) == {200}
    for reply in (*ready, segment):
        assert reply.status_code == 503
        assert reply.json()["code"] == "not-ready"
        assert int(reply.headers["retry-after"]) >= 1


async def test_a_service_that_drains_is_live_but_not_ready() -> None:
    async with serving() as client:
        client.app.state.services.engine.drain()
        live = [(await client.get(path)).status_code for path in LIVE]
        refused = [await client.get(path) for path in READY]
        refused.append(await client.segment(png()))
    assert set(live) == {200}
    for reply in refused:
        assert reply.status_code == 503
        assert "shutting down" in reply.json()["detail"]
        assert "retry-after" in reply.headers


async def test_live_touches_no_model() -> None:
    async with serving() as client:
        await client.get("/livez")
        assert len(client.model.calls) == client.warm_up_calls


async def test_models_tells_what_is_loaded() -> None:
    async with serving(max_batch_size=3, deadline_s=9) as client:
        reply = await client.get("/models")
        one = await client.get("/models/fake")
    ModelsReply.model_validate_json(reply.content, strict=True)
    (card,) = reply.json()["models"]
    assert card == one.json()
    assert card["name"] == "fake"
    assert card["task"] == "segment"
    assert card["state"] == "ready"
    assert card["devices"] == ["cpu"]
    assert card["memory_bytes"] == {"cpu": 1000}
    assert card["categories"] == [{"id": 1, "name": "circle"}, {"id": 2, "name": "square"}]
    assert card["inputs"][0] == {
        "image": {"width": 640, "height": 480},
        "network": {"width": 640, "height": 480},
    }
    assert card["limits"]["max_batch_size"] == 3
    assert card["limits"]["deadline_s"] == 9


async def test_a_variant_of_the_zoo_tells_its_licence() -> None:
    settings = Settings(models=("mask_rcnn_r50_fpn",), devices=("cpu",))
    engine = Engine(settings, loader=FakeLoader({"mask_rcnn_r50_fpn": FakeModel()}))
    app = create_app(settings, engine=engine)
    async with running(app) as client:
        card = (await client.get("/models/mask_rcnn_r50_fpn")).json()
    assert card["family"] == "mask_rcnn"
    assert card["variant"] == "mask_rcnn_r50_fpn"
    assert card["score"]
    assert card["licence"]
    assert card["checkpoint"].startswith("https://")


@pytest.mark.parametrize("variant", ["mask_rcnn_demo", "aot_demo"])
async def test_weights_with_a_name_of_their_own_tell_what_they_are_made_of(
    tmp_path: Path, variant: str
) -> None:
    included = Path(zoo.__file__).parent / "demo" / f"{variant}.safetensors"
    zoo.convert(included, tmp_path / "street.safetensors", zoo.Origin(variant, "mine.pth", ""))
    settings = Settings(
        models=("street",),
        weights_dir=str(tmp_path),
        devices=("cpu",),
        warm_up_sizes=("64x48",),
    )
    async with running(create_app(settings)) as client:
        card = (await client.get("/models/street")).json()
    known = zoo.available()[variant]
    assert (card["name"], card["variant"]) == ("street", variant)
    assert (card["family"], card["licence"]) == (known.family, known.licence)
    assert (card["score"], card["checkpoint"]) == (None, None)


async def test_a_model_that_is_not_loaded_is_not_found() -> None:
    async with serving() as client:
        reply = await client.get("/models/other")
    assert reply.status_code == 404
    assert reply.json()["code"] == "not-found"


async def test_metrics_count_requests_and_jobs() -> None:
    async with serving() as client:
        await client.segment(png())
        reply = await client.get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain")
    assert 'maskd_jobs_total{model="fake",outcome="ok"} 1.0' in reply.text
    assert 'http_route="/segment"' in reply.text
    assert 'maskd_batch_size_bucket{le="1.0",model="fake"} 1.0' in reply.text
    assert 'maskd_model_memory_bytes{device="cpu",model="fake"} 1000.0' in reply.text


async def test_the_root_points_to_the_documents() -> None:
    async with serving() as client:
        pointers = (await client.get("/")).json()
        for path in (pointers["docs"], pointers["openapi"]):
            assert (await client.get(path)).status_code == 200


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str | None] = set()
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        self.ids.add(names.get("id"))
        self.links += [names[key] or "" for key in ("href", "src") if key in names]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


async def test_the_documents_page_is_whole_and_needs_nothing_from_elsewhere() -> None:
    async with serving() as client:
        reply = await client.get("/docs")
    page = _Page(reply.text)
    assert page.open == []
    assert "post-segment" in page.ids
    assert all(link == "openapi.json" or link[1:] in page.ids for link in page.links)
    assert "mask_format" in reply.text


EXAMPLES = {"/segment": SegmentReply, "/detect": DetectReply}


async def reply_example(path: str) -> dict[str, Any]:
    async with serving() as client:
        document = (await client.get("/openapi.json")).json()
    content = document["paths"][path]["post"]["responses"]["200"]["content"]
    example: dict[str, Any] = content["application/json"]["example"]
    return example


@pytest.mark.parametrize("path", EXAMPLES)
async def test_the_example_of_a_reply_is_as_documented(path: str) -> None:
    EXAMPLES[path].model_validate(await reply_example(path))


async def test_the_example_of_a_mask_is_a_true_one() -> None:
    example = await reply_example("/segment")
    (instance,) = example["instances"]
    assert rle.area(instance["segmentation"]) == instance["area"]
    assert rle.bbox_xywh(instance["segmentation"]) == instance["bbox"]


def _examples(node: Any) -> list[Any]:
    if isinstance(node, list):
        return [example for item in node for example in _examples(item)]
    if not isinstance(node, dict):
        return []
    here = [node["example"]] if "example" in node else []
    return here + [example for value in node.values() for example in _examples(value)]


async def test_the_openapi_document_describes_the_work() -> None:
    async with serving() as client:
        document = (await client.get("/openapi.json")).json()
        operation = document["paths"]["/segment"]["post"]
        example = operation["requestBody"]["content"]["application/json"]["example"]
        assert (await client.post("/segment", json=example)).status_code == 200
    assert {"200", "400", "413", "415", "422", "429", "503", "504", "507"} <= set(
        operation["responses"]
    )
    assert "application/problem+json" in operation["responses"]["429"]["content"]
    assert set(operation["requestBody"]["content"]) >= {
        "image/jpeg",
        "multipart/form-data",
        "application/json",
    }
    assert all(parameter["description"] for parameter in operation["parameters"])
    assert len(_examples(document)) >= 2


async def test_no_request_waits_for_a_thread_before_its_own_work() -> None:
    limiter = anyio.to_thread.current_default_thread_limiter()
    holders = [object() for _ in range(int(limiter.available_tokens))]
    async with serving(admin_token="open sesame") as client:  # noqa: S106
        for holder in holders:
            limiter.acquire_on_behalf_of_nowait(holder)
        try:
            async with asyncio.timeout(5):
                ready = await client.get("/readyz")
                frame = await client.post("/sessions/none/frames")
                change = await client.post("/admin/models")
        finally:
            for holder in holders:
                limiter.release_on_behalf_of(holder)
    assert [reply.status_code for reply in (ready, frame, change)] == [200, 404, 401]
