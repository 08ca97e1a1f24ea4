"""Requests made up from the OpenAPI document and from noise: nothing is answered with a 5xx."""

import base64
import json
import math
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np
import pytest
import schemathesis
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from models.outputs import SemanticMap
from service.api.schemas import SegmentReply
from service.app import create_app
from service.settings import Settings
from tests.api.serving import png
from tests.e2e.listening import Listening, listening
from tests.fake_tracker import FakeVideoPredictor
from tests.fakes import FakeBoxSegmenter, FakeModel

BOUNDED = settings(
    max_examples=40,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def service() -> Iterator[Listening]:
    others = {
        "detect": FakeModel(),
        "semantic": FakeModel(two_halves),
        "track": FakeVideoPredictor(prompts=("mask", "box")),
    }
    with listening(FakeBoxSegmenter(), others=others) as service:
        yield service


def two_halves(image: np.ndarray, **_: Any) -> SemanticMap:
    label_map = torch.ones(image.shape[:2], dtype=torch.uint8)
    label_map[image.shape[0] // 2 :] = 2
    return SemanticMap(label_map, is_refined=True)


@pytest.fixture(scope="module")
def client(service: Listening) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, timeout=20) as client:
        yield client


def without(name: str, node: Any) -> Any:
    """A document without an option, wherever it may be given."""
    if isinstance(node, list):
        return [without(name, item) for item in node if not is_option(name, item)]
    if isinstance(node, dict):
        return {key: without(name, value) for key, value in node.items() if key != name}
    return node


def is_option(name: str, node: Any) -> bool:
    return isinstance(node, dict) and node.get("name") == name


# Whoever asks for an answer in no time rightly gets a 504.
schema = schemathesis.openapi.from_dict(without("timeout_s", create_app(Settings()).openapi()))

# Not schemathesis's own way: its tests share one id, and of those parallel workers run the first.
OPERATIONS = {one.label: one for one in (found.ok() for found in schema.get_all_operations())}


@pytest.mark.parametrize("label", OPERATIONS)
def test_replies_are_as_documented_whatever_is_asked(label: str, service: Listening) -> None:
    @BOUNDED
    @given(case=OPERATIONS[label].as_strategy())
    def check(case: Case) -> None:
        case.call_and_validate(base_url=service.url, checks=CHECKS)

    check()


ODD_TEXTS = st.sampled_from(["", "nan", "1e3", "99999999999999999999", "0x1"])


@pytest.fixture(scope="module")
def session_id(client: httpx.Client) -> str:
    told = {"objects": json.dumps([{"id": 1, "box": [8, 8, 20, 20]}])}
    reply = client.post("/sessions", files={"image": png()}, data=told)
    return str(reply.raise_for_status().json()["session_id"])


@pytest.mark.parametrize(
    "label", [label for label in OPERATIONS if "/sessions/{session_id}/" in label]
)
def test_an_open_session_answers_as_documented_whatever_is_asked(
    label: str, service: Listening, session_id: str
) -> None:
    @BOUNDED
    @given(case=OPERATIONS[label].as_strategy())
    def check(case: Case) -> None:
        case.path_parameters["session_id"] = session_id
        case.call_and_validate(base_url=service.url, checks=CHECKS)

    check()


@BOUNDED
@given(
    shape=st.tuples(st.integers(1, 70), st.integers(1, 70)) | st.just((48, 64)),
    index=st.integers(-2, 9) | ODD_TEXTS,
    edit=st.booleans(),
    rows=st.deferred(lambda: ROWS),
)
def test_no_frame_or_edit_of_an_open_session_is_a_fault_of_the_service(
    client: httpx.Client,
    session_id: str,
    shape: tuple[int, int],
    index: int | str,
    rows: list[Any],
    *,
    edit: bool,
) -> None:
    if edit:
        objects = [{"id": number + 1, "box": row} for number, row in enumerate(rows)]
        headers = {"content-type": "application/json"}
        body = json.dumps({"objects": objects})
        reply = client.post(f"/sessions/{session_id}/objects", content=body, headers=headers)
    else:
        query = {"frame_index": index}
        path = f"/sessions/{session_id}/frames"
        reply = client.post(path, content=png(*shape), params=query)
    assert reply.status_code in (200, 409, 422), reply.text


PATHS = st.sampled_from(["/segment", "/semantic", "/detect"])
TYPES = st.sampled_from(
    [
        "image/png",
        "application/json",
        "multipart/form-data; boundary=b",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=b; charset=utf-16",
        "multipart/form-data",
        "",
    ]
)
PIECES = st.sampled_from(
    [
        b"--b\r\n",
        b"--b--\r\n",
        b"\r\n",
        b'Content-Disposition: form-data; name="image"; filename="a"\r\n',
        b'Content-Disposition: form-data; name="labels"\r\n',
        b"Content-Disposition: form-data\r\n",
        b"Content-Disposition: form-data; name*=utf-16''%ff\r\n",
        b"Content-Type: image/png\r\n",
        b"\r\n\r\n",
        b'{"image": "',
        b'"}',
        png(2, 2),
        b"\xff\x00",
    ]
)


@BOUNDED
@given(path=PATHS, kind=TYPES, pieces=st.lists(PIECES | st.binary(max_size=20), max_size=8))
def test_no_body_whatever_its_type_is_a_fault_of_the_service(
    client: httpx.Client, path: str, kind: str, pieces: list[bytes]
) -> None:
    headers = {"content-type": kind}
    body = b"".join(pieces)
    reply = client.post(path, content=body, headers=headers)
    assert reply.status_code in (200, 400, 415, 422), reply.text


QUERIES = st.text("abcdelmnorst_=&+;%0f\x00\u00e9\u20ac,", max_size=60)
ACCEPTS = st.text("imagepn/jsot*;q=.019, ", max_size=30)


@BOUNDED
@given(path=PATHS, query=QUERIES, accept=ACCEPTS)
def test_no_query_is_a_fault_of_the_service(
    client: httpx.Client, path: str, query: str, accept: str
) -> None:
    url = f"{path}?{quote(query, safe='=&+;%,')}"
    reply = client.post(url, content=png(), headers={"accept": accept.strip()})
    assert reply.status_code in (200, 422), reply.text


ODD = st.sampled_from([math.nan, math.inf, 1e308, -1e308, 5e-324, 10**400, "1", None, True])
NUMBERS = st.integers(-9, 70) | ODD
ROWS = st.lists(
    st.lists(st.integers(0, 40), min_size=4, max_size=4)
    | st.lists(NUMBERS, min_size=4, max_size=4)
    | st.lists(NUMBERS, max_size=5)
    | NUMBERS,
    max_size=3,
)
LABELS = st.sampled_from(["", "circle", "1,2", "square,circle,1", "cat", ",", "[[]]"])


@settings(BOUNDED, max_examples=150)
@given(rows=ROWS, labels=LABELS, is_json=st.booleans())
def test_no_boxes_are_a_fault_of_the_service(
    client: httpx.Client, rows: list[Any], labels: str, *, is_json: bool
) -> None:
    options = {"boxes": rows, **({"box_labels": labels} if labels else {})}
    if is_json:
        image = base64.b64encode(png()).decode()
        body = json.dumps({"image": image, **options})
        reply = client.post("/segment", content=body, headers={"content-type": "application/json"})
    else:
        reply = client.post(
            "/segment", content=png(), params={**options, "boxes": json.dumps(rows)}
        )
    assert reply.status_code in (200, 422), reply.text
    if reply.status_code == 200:
        assert len(SegmentReply.model_validate_json(reply.content).instances) == len(rows)
