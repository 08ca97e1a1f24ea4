"""Weights converted once: the same network, whatever names they were published under."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from models import checkpoint, converted, zoo
from models.checkpoint import CheckpointError
from models.converted import Origin
from models.predictor import Category, ImagePredictor

VARIANT = "mask_rcnn_demo"
INCLUDED = Path(zoo.__file__).parent / "demo" / f"{VARIANT}.safetensors"
ORIGIN = Origin(VARIANT, "https://example.org/demo.safetensors", "ab" * 32)
PICTURE = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)


def headed(path: Path, **header: str) -> Path:
    save_file({"w": torch.zeros(1)}, path, metadata=header)
    return path


def test_a_converted_file_holds_the_same_network(tmp_path: Path) -> None:
    zoo.convert(INCLUDED, tmp_path / "ours.safetensors", ORIGIN)
    answers = []
    for path in (None, tmp_path / "ours.safetensors"):
        predictor = zoo.load(VARIANT, path)
        assert isinstance(predictor, ImagePredictor)
        answers.append(predictor.predict([PICTURE], score_threshold=0.0)[0])
    assert len(answers[0].scores) > 0
    assert torch.equal(answers[0].scores, answers[1].scores)
    assert torch.equal(answers[0].boxes_xyxy, answers[1].boxes_xyxy)


def test_the_header_tells_where_the_weights_come_from(tmp_path: Path) -> None:
    path = tmp_path / "ours.safetensors"
    zoo.convert(INCLUDED, path, ORIGIN)
    assert zoo.read_origin(path) == ORIGIN
    with safe_open(path, framework="pt") as file:
        assert file.metadata()["maskd"] == "1"
        assert not any("num_batches_tracked" in name for name in file.keys())  # noqa: SIM118
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["absent.safetensors", "weights.pth"])
def test_files_of_others_have_no_origin(tmp_path: Path, name: str) -> None:
    assert zoo.read_origin(tmp_path / name) is None
    (tmp_path / name).write_bytes(b"something else")
    assert zoo.read_origin(tmp_path / name) is None
    assert zoo.read_origin(INCLUDED) is None


def test_the_weights_of_one_variant_are_not_loaded_as_another(tmp_path: Path) -> None:
    zoo.convert(INCLUDED, tmp_path / "ours.safetensors", ORIGIN)
    with pytest.raises(CheckpointError, match="of mask_rcnn_demo, not of mask_rcnn_r50_fpn"):
        zoo.load("mask_rcnn_r50_fpn", tmp_path / "ours.safetensors")


def test_a_file_of_a_later_format_says_what_to_do(tmp_path: Path) -> None:
    path = headed(tmp_path / "later.safetensors", maskd="2")
    with pytest.raises(CheckpointError, match="format 2, format 1 is read: convert its source"):
        zoo.load(VARIANT, path)


@pytest.mark.parametrize("labels", ["[", "[]", "{}", '{"a": "b"}', '{"-1": "b"}', '{"1": 2}'])
def test_a_spoilt_header_is_a_checkpoint_error(tmp_path: Path, labels: str) -> None:
    path = headed(
        tmp_path / "spoilt.safetensors",
        maskd="1",
        variant=VARIANT,
        source="",
        source_sha256="",
        labels=labels,
    )
    with pytest.raises(CheckpointError, match=r"header of .* cannot be read"):
        zoo.load(VARIANT, path)
    with pytest.raises(CheckpointError, match=r"header of .* cannot be read"):
        zoo.read_origin(headed(tmp_path / "short.safetensors", maskd="1"))


def test_what_does_not_fit_is_not_converted(tmp_path: Path) -> None:
    target = tmp_path / "ours.safetensors"
    with pytest.raises(CheckpointError, match="unexpected"):
        zoo.convert(INCLUDED, target, replace(ORIGIN, variant="mask_rcnn_r50_fpn"))
    with pytest.raises(zoo.UnknownVariant):
        zoo.convert(INCLUDED, target, replace(ORIGIN, variant="mask_rcnn"))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="absent"):
        converted.write(tmp_path / "absent" / "ours.safetensors", {}, ORIGIN)
    (tmp_path / "ours.safetensors").mkdir()
    with pytest.raises(OSError, match="ours"):
        converted.write(tmp_path / "ours.safetensors", {"w": torch.zeros(1)}, ORIGIN)
    assert [path.name for path in tmp_path.iterdir()] == ["ours.safetensors"]


def three_classes() -> dict[str, torch.Tensor]:
    """The demo's weights with heads for background and two categories."""
    weights = checkpoint.read(INCLUDED)
    for name, each in (("cls_score", 1), ("bbox_pred", 4)):
        for kind in ("weight", "bias"):
            key = f"roi_heads.box_predictor.{name}.{kind}"
            weights[key] = weights[key][: 3 * each].contiguous()
    for kind in ("weight", "bias"):
        key = f"roi_heads.mask_predictor.mask_fcn_logits.{kind}"
        weights[key] = weights[key][:3].contiguous()
    return weights


def test_a_head_with_other_classes_loads_with_its_labels(tmp_path: Path) -> None:
    save_file(three_classes(), tmp_path / "mine.safetensors")
    target = tmp_path / "ours.safetensors"
    with pytest.raises(CheckpointError, match=r"misshapen: .*cls_score"):
        zoo.convert(tmp_path / "mine.safetensors", target, ORIGIN)
    categories = {1: Category(17, "cat"), 2: Category(18, "dog")}
    zoo.convert(tmp_path / "mine.safetensors", target, replace(ORIGIN, categories=categories))
    predictor = zoo.load(VARIANT, target)
    assert isinstance(predictor, ImagePredictor)
    assert dict(predictor.categories) == categories
    (found,) = predictor.predict([PICTURE])
    assert set(found.labels.tolist()) <= {1, 2}


def test_labels_for_a_network_that_knows_none_are_refused(tmp_path: Path) -> None:
    origin = Origin("aot_demo", "mine.pth", "", {1: Category(1, "cat")})
    with pytest.raises(CheckpointError, match="aot_demo knows no labels"):
        zoo.convert(tmp_path / "mine.pth", tmp_path / "ours.safetensors", origin)


@pytest.mark.parametrize(
    "content",
    [
        {"2": "dog", "1": "cat"},
        {"1": {"id": 1, "name": "cat"}, "2": {"id": 2, "name": "dog"}},
        {"images": [], "categories": [{"id": 2, "name": "dog"}, {"id": 1, "name": "cat"}]},
    ],
)
def test_labels_are_read_in_the_forms_that_people_have(tmp_path: Path, content: object) -> None:
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(content))
    assert list(zoo.read_labels(path).items()) == [(1, Category(1, "cat")), (2, Category(2, "dog"))]


@pytest.mark.parametrize("text", ["", "[1]", "3", '"cat"', '{"categories": [{"id": 1}]}', "null"])
def test_other_labels_are_refused_with_an_example(tmp_path: Path, text: str) -> None:
    path = tmp_path / "labels.json"
    path.write_text(text)
    with pytest.raises(zoo.LabelsError, match="cannot read labels from"):
        zoo.read_labels(path)
