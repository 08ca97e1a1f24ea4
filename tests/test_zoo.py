import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models import rle, zoo
from models.checkpoint import CheckpointError
from models.layers import inference
from models.mask_rcnn import MaskRcnn
from models.predictor import ImagePredictor
from models.published import INCLUDED, PUBLICATIONS
from tests.goldens import ROOT, golden, needs_goldens, weights

PUBLISHED = {"mask_rcnn_r50_fpn": "v1-small", "mask_rcnn_r50_fpn_v2": "v2-small"}


def test_every_variant_says_what_it_is() -> None:
    for name, variant in zoo.available().items():
        assert variant.name == name
        assert name.startswith(variant.family)
        assert variant.task in ("segment", "semantic", "detect", "track")
        assert variant.licence
        assert variant.score
        assert bool(variant.files) == ("://" in variant.checkpoint)
        for file in variant.files:
            assert file.url.startswith(("https://", "http://"))
            assert file.file
            assert re.fullmatch("[0-9a-f]{8}|[0-9a-f]{64}|", file.sha256)
            assert file.naming


def test_only_variants_are_published() -> None:
    assert set(PUBLICATIONS) == set(zoo.available())


@needs_goldens
@pytest.mark.parametrize("name", zoo.available())
def test_files_and_the_beginnings_of_their_digests_are_the_published_ones(name: str) -> None:
    facts = "".join(path.read_text() for path in sorted(ROOT.glob("*/manifest-*.json")))
    for file in zoo.available()[name].files:
        assert file.url in facts or file.url.split("/resolve/")[0] in facts
        assert file.file in facts
        assert file.sha256 in facts
        assert file.size_mib is None or str(file.size_mib) in facts


def test_demo_weights_are_the_only_included_ones() -> None:
    for name, variant in zoo.available().items():
        assert name.endswith("_demo") == (variant.checkpoint == INCLUDED)


@needs_goldens
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_weights_load_as_published_and_as_saved_again(name: str) -> None:
    published = weights("mask_rcnn", golden("mask_rcnn", PUBLISHED[name]).meta)
    assert isinstance(zoo.load(name, published), ImagePredictor)
    # The names and shapes that the network itself has are those of files saved today.
    with torch.device("meta"):
        today = zoo.build(name).state_dict()
    zeros = {key: torch.zeros_like(tensor, device="cpu") for key, tensor in today.items()}
    assert isinstance(zoo.load(name, {"model": zeros}), ImagePredictor)


@needs_goldens
def test_the_categories_are_the_published_ones() -> None:
    official = golden_labels()
    categories = zoo.available()["mask_rcnn_r50_fpn"].config.categories
    assert {id_: category.name for id_, category in categories.items()} == official
    assert all(category.id == id_ for id_, category in categories.items())
    assert list(categories) == sorted(categories)


def golden_labels() -> dict[int, str]:
    published = json.loads((ROOT / "mask_rcnn" / "labels-coco91.json").read_text())["labels"]
    return {int(id_): name for id_, name in published.items() if name and int(id_)}


def test_an_unknown_variant_is_told_the_known_ones() -> None:
    for use in (zoo.build, zoo.load):
        with pytest.raises(zoo.UnknownVariant, match="'mask_rcnn'; there are mask_rcnn_r50_fpn, "):
            use("mask_rcnn")


def test_without_its_file_a_published_variant_says_where_it_is() -> None:
    with pytest.raises(CheckpointError, match=r"published at https://download\.pytorch\.org/"):
        zoo.load("mask_rcnn_r50_fpn")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"overrides": {"min_sise": 3}}, TypeError),
        ({"dtype": "int8"}, ValueError),
        ({"checkpoint": Path("absent.pth")}, CheckpointError),
        ({"checkpoint": {}}, CheckpointError),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        zoo.load("mask_rcnn_demo", **options)


def test_overrides_replace_fields_of_the_config() -> None:
    model = zoo.build("mask_rcnn_demo", {"min_size": 64, "anchor_sizes": (8, 16, 32, 64, 128)})
    assert isinstance(model, MaskRcnn)
    assert model.config.min_size == 64
    assert model.config.anchor_sizes[0] == 8
    assert zoo.available()["mask_rcnn_demo"].config.min_size != 64


def test_the_demo_network_stays_small() -> None:
    with torch.device("meta"):
        model = zoo.build("mask_rcnn_demo")
    assert sum(parameter.numel() for parameter in model.parameters()) <= 2_500_000


def test_a_variant_without_weights_says_so() -> None:
    with pytest.raises(CheckpointError, match="nobody has published any"):
        zoo.load("siammask_base")


@pytest.mark.parametrize("name", [name for name in zoo.available() if name.endswith("_demo")])
def test_a_predictor_tells_what_its_weights_take(name: str) -> None:
    parameters = sum(tensor.numel() for tensor in zoo.build(name).parameters())
    for dtype, each in {"float32": 4, "bfloat16": 2}.items():
        assert zoo.load(name, dtype=dtype).nbytes == pytest.approx(each * parameters, rel=0.02)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", [name for name in zoo.available() if name.endswith("_demo")])
def test_every_network_runs_in_half_precision(name: str, dtype: str) -> None:
    predictor = zoo.load(name, dtype=dtype)
    image = np.zeros((96, 128, 3), dtype=np.uint8)
    image[20:60, 30:80] = 255
    if isinstance(predictor, ImagePredictor):
        assert len(predictor.predict([image])) == 1
    else:
        state, _ = predictor.start(image, {1: image[..., 0] > 0})
        (step,) = predictor.step([state], [image])
        (tracked,) = step.objects
        assert tracked.score > 0.5
        assert rle.area(tracked.mask) == pytest.approx(2000, rel=0.1)


@pytest.mark.parametrize("name", [name for name in zoo.available() if name.endswith("_demo")])
def test_what_the_weights_take_is_counted_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = zoo.load(name)
    first = predictor.nbytes
    monkeypatch.setattr(inference, "nbytes", None)  # every request asks; the sum takes a while
    assert predictor.nbytes == first
