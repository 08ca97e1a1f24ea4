"""`POST /segment`: every way of sending, every option, every way to fail."""

import base64
import io
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from models import rle
from models.outputs import InstanceMasks, Masks
from service.api.schemas import SegmentReply
from tests.api.serving import png, serving
from tests.fakes import FakeModel

PNG = png()
ENCODED = base64.b64encode(PNG).decode()


def problem(reply: httpx.Response) -> dict[str, Any]:
    assert reply.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = reply.json()
    assert body["status"] == reply.status_code
    return body


def form(**fields: str) -> dict[str, Any]:
    return {"files": {"image": ("a.png", PNG)}, "data": fields}


async def test_a_picture_comes_back_as_coco_members() -> None:
    async with serving() as client:
        reply = await client.segment(PNG)
    assert reply.status_code == 200
    body = reply.json()
    (instance,) = body["instances"]
    assert body["model"] == "fake"
    assert body["image"] == {"width": 64, "height": 48}
    assert body["request_id"] == reply.headers["x-request-id"]
    assert instance["label"] == "circle"
    assert instance["category_id"] == 1
    assert instance["score"] == 0.9
    assert instance["bbox"] == [0, 0, 32, 24]
    assert instance["area"] == 32 * 24
    mask = rle.decode(instance["segmentation"])
    assert mask.shape == (48, 64)
    assert mask[:24, :32].all()
    assert mask.sum() == 32 * 24


@pytest.mark.parametrize(
    "sent",
    [
        {"content": PNG, "headers": {"content-type": "image/png"}},
        {"content": PNG, "headers": {"content-type": "IMAGE/PNG; charset=x"}},
        {"content": PNG, "headers": {"content-type": "image/jpeg"}},
        {"content": PNG, "headers": {"content-type": "application/octet-stream"}},
        {"content": PNG},
        form(),
        {"json": {"image": ENCODED}},
        {"json": {"image": f"data:image/png;base64,{ENCODED}"}},
    ],
)
async def test_every_way_of_sending_gives_the_same_answer(sent: dict[str, Any]) -> None:
    async with serving() as client:
        expected = (await client.segment(PNG)).json()
        reply = await client.post("/segment", **sent)
    assert reply.status_code == 200
    assert reply.json()["instances"] == expected["instances"]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
async def test_every_format_is_read(kind: str) -> None:
    file = io.BytesIO()
    Image.new("RGB", (64, 48)).save(file, kind)
    async with serving() as client:
        reply = await client.segment(file.getvalue(), f"image/{kind.lower()}")
    assert reply.json()["image"] == {"width": 64, "height": 48}


async def test_the_network_sees_the_pixels_that_were_sent() -> None:
    async with serving() as client:
        await client.segment(PNG)
        ((image,), _) = client.model.calls[-1]
    assert image.shape == (48, 64, 3)
    assert image[0, 0].tolist() == [90, 120, 150]


OPTIONS = {"score_threshold": "0.25", "max_detections": "7", "labels": "square,1"}


@pytest.mark.parametrize(
    "sent",
    [
        {"params": OPTIONS, "content": PNG, "headers": {"content-type": "image/png"}},
        {"params": {"max_detections": "7"}, **form(score_threshold="0.25", labels="square,1")},
        {
            "json": {
                "image": ENCODED,
                "score_threshold": 0.25,
                "max_detections": 7,
                "labels": ["square", 1],
            }
        },
    ],
)
async def test_options_reach_the_network_however_they_are_sent(sent: dict[str, Any]) -> None:
    async with serving() as client:
        reply = await client.post("/segment", **sent)
        assert reply.status_code == 200, reply.text
        _, options = client.model.calls[-1]
    assert options == {"score_threshold": 0.25, "max_detections": 7, "labels": (1, 2)}


async def test_without_options_the_documented_defaults_hold() -> None:
    async with serving() as client:
        await client.segment(PNG)
        _, options = client.model.calls[-1]
        document = (await client.get("/openapi.json")).json()
    assert options == {"score_threshold": 0.5, "max_detections": 100, "labels": None}
    parameters = document["paths"]["/segment"]["post"]["parameters"]
    defaults = {item["name"]: item["schema"].get("default") for item in parameters}
    assert defaults["score_threshold"] == 0.5
    assert defaults["max_detections"] == 100
    assert defaults["mask_format"] == "rle"


async def test_labels_are_known_by_name_in_any_case() -> None:
    async with serving() as client:
        await client.segment(PNG, labels="CIRCLE")
        _, options = client.model.calls[-1]
    assert options["labels"] == (1,)


async def test_the_named_model_answers() -> None:
    async with serving() as client:
        assert (await client.segment(PNG, model="fake")).json()["model"] == "fake"


async def test_counts_of_runs_are_numbers() -> None:
    async with serving() as client:
        (instance,) = (await client.segment(PNG, mask_format="rle_counts")).json()["instances"]
    assert instance["segmentation"]["size"] == [48, 64]
    assert instance["segmentation"]["counts"][:3] == [0, 24, 24]
    assert sum(instance["segmentation"]["counts"]) == 48 * 64


async def test_a_polygon_runs_around_the_mask() -> None:
    async with serving() as client:
        (instance,) = (await client.segment(PNG, mask_format="polygon")).json()["instances"]
    (ring,) = instance["segmentation"]
    assert len(ring) >= 8
    assert (min(ring), max(ring[::2]), max(ring[1::2])) == (0, 32, 24)


async def test_a_png_mask_has_the_size_of_the_picture() -> None:
    async with serving() as client:
        (instance,) = (await client.segment(PNG, mask_format="png")).json()["instances"]
    mask = np.asarray(Image.open(io.BytesIO(base64.b64decode(instance["segmentation"]))))
    assert mask.shape == (48, 64)
    assert (mask[:24, :32] > 0).all()
    assert (mask > 0).sum() == 24 * 32


async def test_without_masks_the_area_is_the_boxes_and_nothing_is_encoded() -> None:
    def encode() -> list[rle.Rle]:
        raise AssertionError("nobody asked for masks")

    def answer(_: np.ndarray, **__: Any) -> InstanceMasks:
        return InstanceMasks(
            boxes_xyxy=torch.tensor([[1.0, 2.0, 11.0, 22.5]]),
            labels=torch.tensor([2]),
            scores=torch.tensor([0.75]),
            masks=Masks(1, (48, 64), encode),
        )

    async with serving(FakeModel(answer)) as client:
        (instance,) = (await client.segment(PNG, mask_format="none")).json()["instances"]
    assert instance["segmentation"] is None
    assert instance["area"] == 205
    assert instance["bbox"] == [1, 2, 10, 20.5]


@pytest.mark.parametrize("mask_format", ["rle", "rle_counts", "polygon", "png", "none"])
async def test_a_reply_is_as_documented(mask_format: str) -> None:
    async with serving() as client:
        reply = await client.segment(PNG, mask_format=mask_format)
    SegmentReply.model_validate_json(reply.content, strict=True)


async def test_a_picture_without_objects_gets_an_empty_list() -> None:
    def answer(_: np.ndarray, **__: Any) -> InstanceMasks:
        return InstanceMasks(
            boxes_xyxy=torch.zeros(0, 4),
            labels=torch.zeros(0, dtype=torch.int64),
            scores=torch.zeros(0),
            masks=Masks(0, (48, 64), list),
        )

    async with serving(FakeModel(answer)) as client:
        assert (await client.segment(PNG)).json()["instances"] == []


@pytest.mark.parametrize("accept", ["image/png", "image/png, application/json;q=0.5", "image/*"])
async def test_a_caller_who_prefers_pictures_gets_the_overlay(accept: str) -> None:
    async with serving() as client:
        reply = await client.post("/segment", content=PNG, headers={"accept": accept})
    assert reply.headers["content-type"] == "image/png"
    drawn = np.asarray(Image.open(io.BytesIO(reply.content)).convert("RGB"))
    assert drawn.shape == (48, 64, 3)
    assert (drawn[40:, 50:] == [90, 120, 150]).all()
    assert (drawn[:24, :32] != [90, 120, 150]).any()


@pytest.mark.parametrize("accept", ["*/*", "application/json", "image/png;q=0.1, */*", "x;q=y", ""])
async def test_others_get_json(accept: str) -> None:
    async with serving() as client:
        reply = await client.post("/segment", content=PNG, headers={"accept": accept})
    assert reply.headers["content-type"] == "application/json"


async def test_every_phase_is_timed() -> None:
    async with serving() as client:
        timing = (await client.segment(PNG)).headers["server-timing"]
    names = [entry.split(";")[0] for entry in timing.split(", ")]
    assert names == ["decode", "queue", "infer", "encode", "total"]


WRONG: list[tuple[dict[str, Any], int, str, str]] = [
    ({"content": b""}, 400, "unreadable-image", "empty"),
    ({"content": b"no picture"}, 400, "unreadable-image", "none of the formats"),
    ({"content": PNG[: len(PNG) // 2]}, 400, "unreadable-image", "damaged"),
    ({"content": b"GIF89a" + bytes(50)}, 400, "unreadable-image", "none of the formats"),
    ({"content": PNG, "headers": {"content-type": "text/html"}}, 415, "unsupported-media-type", ""),
    (
        {"content": PNG, "headers": {"content-type": "application/x-www-form-urlencoded"}},
        415,
        "unsupported-media-type",
        "image/jpeg",
    ),
    (
        {"content": PNG, "headers": {"content-encoding": "gzip"}},
        415,
        "unsupported-media-type",
        "gzip",
    ),
    ({"json": [1]}, 400, "malformed-body", "object"),
    ({"json": {"images": ENCODED}}, 422, "invalid-options", "image"),
    ({"json": {"image": "%%%"}}, 400, "unreadable-image", "base64"),
    ({"json": {"image": ENCODED, "tta": 1}}, 422, "invalid-options", "no option tta"),
    ({"data": {"a": "b"}, "files": {"picture": PNG}}, 422, "invalid-options", "named image"),
    (
        {"content": b"x", "headers": {"content-type": "multipart/form-data"}},
        400,
        "malformed-body",
        "boundary",
    ),
    (
        {"content": b"x" * 99, "headers": {"content-type": "multipart/form-data; boundary=b"}},
        400,
        "malformed-body",
        "",
    ),
    (
        {
            "content": b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--b--\r\n',
            "headers": {"content-type": "multipart/form-data; boundary=b; charset=undefined"},
        },
        400,
        "malformed-body",
        "charset",
    ),
    ({"content": PNG, "params": {"model": "other"}}, 404, "not-found", "loaded are fake"),
    ({"content": PNG, "params": {"labels": "circle,cat"}}, 422, "invalid-options", "cat"),
    ({"content": PNG, "params": {"labels": "3"}}, 422, "invalid-options", "3"),
    ({"content": PNG, "params": {"score_threshold": "2"}}, 422, "invalid-options", "score_thresh"),
    ({"content": PNG, "params": {"mask_format": "svg"}}, 422, "invalid-options", "polygon"),
    (
        {"params": {"max_detections": "5"}, **form(max_detections="6")},
        422,
        "invalid-options",
        "given twice",
    ),
]


@pytest.mark.parametrize(("sent", "status", "code", "said"), WRONG)
async def test_a_wrong_request_is_told_what_is_wrong(
    sent: dict[str, Any], status: int, code: str, said: str
) -> None:
    async with serving() as client:
        body = problem(await client.post("/segment", **sent))
        assert len(client.model.calls) == client.warm_up_calls
    assert (body["status"], body["code"]) == (status, code)
    assert said in body["detail"]


@pytest.mark.parametrize("fields", [33, 2000])
async def test_a_form_of_too_many_parts_is_refused(fields: int) -> None:
    async with serving() as client:
        reply = await client.post("/segment", **form(**{f"f{n}": "" for n in range(fields)}))
    assert problem(reply)["code"] == "malformed-body"


async def test_a_form_field_of_too_many_bytes_is_refused() -> None:
    async with serving() as client:
        reply = await client.post("/segment", **form(labels="x" * 1_100_000))
    assert problem(reply)["code"] == "malformed-body"


async def test_a_body_of_too_many_bytes_is_refused() -> None:
    async with serving(max_body_bytes=1000) as client:
        body = problem(await client.segment(bytes(1001)))
    assert (body["status"], body["limit"], body["actual"]) == (413, 1000, 1001)


async def test_a_picture_of_too_many_pixels_is_refused_from_its_header() -> None:
    async with serving(max_image_megapixels=0.001) as client:
        body = problem(await client.segment(PNG))
    assert (body["status"], body["limit"], body["actual"]) == (413, 1000, 64 * 48)


async def test_a_wrong_method_is_told_the_right_one() -> None:
    async with serving() as client:
        reply = await client.get("/segment")
    assert problem(reply)["code"] == "method-not-allowed"
    assert reply.headers["allow"] == "POST"


async def test_a_network_that_fails_is_told_without_its_words() -> None:
    def answer(image: np.ndarray, **_: Any) -> InstanceMasks:
        if image.shape == (48, 64, 3):
            raise RuntimeError("the secret at /etc/passwd")
        return InstanceMasks(
            torch.zeros(0, 4), torch.zeros(0), torch.zeros(0), Masks(0, (1, 1), list)
        )

    async with serving(FakeModel(answer)) as client:
        reply = await client.segment(PNG)
    assert (problem(reply)["status"], problem(reply)["code"]) == (500, "inference-failed")
    assert "passwd" not in reply.text


async def test_pycocotools_reads_the_reply_as_it_is() -> None:
    async with serving() as client:
        (instance,) = (await client.segment(PNG)).json()["instances"]
    truth = COCO()
    truth.dataset = {
        "info": {},
        "images": [{"id": 1, "width": 64, "height": 48}],
        "categories": [{"id": 1, "name": "circle"}],
        "annotations": [
            {
                "id": 1,
                "image_id": 1,
                "category_id": 1,
                "iscrowd": 0,
                "area": instance["area"],
                "bbox": instance["bbox"],
                "segmentation": instance["segmentation"],
            }
        ],
    }
    truth.createIndex()
    members = ("category_id", "bbox", "score", "segmentation")
    found = truth.loadRes([{"image_id": 1} | {name: instance[name] for name in members}])
    for kind in ("segm", "bbox"):
        evaluation = COCOeval(truth, found, kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        assert evaluation.stats[0] == pytest.approx(1.0)
