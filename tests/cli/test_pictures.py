"""`maskd segment`, `semantic` and `detect`: against a service, and in this process."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from models import rle
from models.outputs import SemanticMap
from models.predictor import Category
from service.__main__ import main
from service.cli import CommandFailed, in_process
from service.engine.engine import Engine
from service.settings import Settings
from tests.api.serving import png
from tests.e2e.listening import Listening, listening
from tests.fakes import FakeLoader, FakeModel

ROOT = Path(__file__).resolve().parents[2]
RED = (200, 0, 0)


class Coloured(FakeModel):
    """It sees the second category, which is red, in the ten highest lines."""

    def __init__(self) -> None:
        super().__init__(label_map)
        self.categories = {1: Category(1, "ground"), 2: Category(2, "sky", RED)}


def label_map(image: np.ndarray, **_: Any) -> SemanticMap:
    labels = torch.ones(image.shape[:2], dtype=torch.uint8)
    labels[:10] = 2
    return SemanticMap(labels, is_refined=True)


@pytest.fixture(scope="module")
def service() -> Iterator[Listening]:
    with listening(others={"detect": FakeModel(), "semantic": Coloured()}) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures and something else."""
    place = tmp_path / "in"
    place.mkdir()
    for name in ("b.png", "a.png"):
        (place / name).write_bytes(png())
    (place / "notes.txt").write_text("no picture")
    return place


def test_a_folder_becomes_results_and_overlays(
    service: Listening, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, results = folder.parent / "out", folder.parent / "r.json"
    wanted = ["--out", str(out), "--coco", str(results), "--score-threshold", "0.25"]
    assert main(["segment", str(folder), "--url", service.url, *wanted]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{folder / name}: 1 circle" for name in ("a.png", "b.png")
    ]
    assert service.model.calls[-1][1]["score_threshold"] == 0.25
    found = json.loads(results.read_text())
    assert [(one["image_id"], one["file_name"]) for one in found] == [(1, "a.png"), (2, "b.png")]
    assert found[0]["category_id"] == 1
    assert found[0]["bbox"] == [0, 0, 32, 24]
    assert rle.area(found[0]["segmentation"]) == 32 * 24
    drawn = np.asarray(Image.open(out / "a.png"))
    assert drawn.shape == (48, 64, 3)
    assert (drawn[40:, 50:] == [90, 120, 150]).all()
    assert (drawn[:24, :32] != [90, 120, 150]).any()


def test_boxes_have_no_masks(service: Listening, folder: Path) -> None:
    out, results = folder.parent / "out", folder.parent / "r.json"
    where = ["--url", service.url, "--out", str(out), "--coco", str(results)]
    assert main(["detect", str(folder / "a.png"), *where, "--labels", "circle"]) == 0
    (one,) = json.loads(results.read_text())
    assert set(one) == {"image_id", "file_name", "category_id", "bbox", "score"}
    assert (out / "a.png").exists()


def test_every_pixel_is_counted_and_drawn_in_its_data_set_s_colour(
    service: Listening, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, results = folder.parent / "out", folder.parent / "r.json"
    where = ["--url", service.url, "--out", str(out), "--coco", str(results)]
    assert main(["semantic", str(folder / "a.png"), *where]) == 0
    assert capsys.readouterr().out.endswith("a.png: 79.2% ground, 20.8% sky\n")
    ground, sky = json.loads(results.read_text())
    assert (ground["category_id"], sky["category_id"]) == (1, 2)
    assert rle.decode(sky["segmentation"])[:10].all()
    assert rle.area(sky["segmentation"]) == 640
    assert (np.asarray(Image.open(out / "a.png"))[9] == RED).all()  # the border


def test_one_bad_picture_fails_alone(
    service: Listening, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = folder / "notes.txt"
    assert main(["segment", str(bad), str(folder), "--url", service.url]) == 1
    said = capsys.readouterr()
    assert said.err == (
        f"maskd: {bad}: The picture is in none of the formats JPEG, PNG, WebP, BMP and TIFF. "
        "(400 unreadable-image)\n"
    )
    assert len(said.out.splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none.png"], "none.png: there is no such file"),
        (["{folder}/*.jpg"], "there is no such file"),
        (["{folder}/a.png", "--url", "host:1"], "must begin with http://"),
        (["{folder}/a.png", "--out", "{folder}/a.png"], "File exists"),
        (["{folder}/a.png", "--model", "no_such_model"], "no_such_model is no variant"),
        (["{folder}/a.png", "--model", "aot_demo"], "aot_demo: it can track, not segment"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(
    arguments: list[str], said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["segment", *(word.format(folder=folder) for word in arguments)]) == 1
    complaint = capsys.readouterr().err
    assert complaint.startswith("maskd: ")
    assert said in complaint
    assert complaint.count("\n") == 1


async def test_without_a_service_the_whole_of_it_runs_here() -> None:
    settings = Settings(models=("fake",), devices=("cpu",))
    engine = Engine(settings, loader=FakeLoader({"fake": FakeModel()}))
    async with in_process.running(settings, ("fake",), engine=engine) as client:
        assert (await client.segment(png())).instances


@pytest.mark.parametrize(
    ("models", "task", "model", "chosen"),
    [
        (("mask_rcnn_demo", "aot_t"), "track", None, "aot_t"),
        (("mask_rcnn_demo",), "semantic", None, "pointrend_demo"),
        (("mask_rcnn_demo",), "segment", "mask_rcnn_r50_fpn", "mask_rcnn_r50_fpn"),
    ],
)
def test_a_model_that_can_is_chosen(
    models: tuple[str, ...], task: str, model: str | None, chosen: str
) -> None:
    assert in_process.choose(Settings(models=models), task, model) == chosen


@pytest.mark.parametrize("models", [("mask_rcnn_demo",), ("no_such_model",)])
def test_where_none_can_that_is_told(models: tuple[str, ...]) -> None:
    with pytest.raises(CommandFailed, match=r"--model|no_such_model"):
        in_process.choose(Settings(models=models), "dance", None)


@pytest.mark.slow
def test_the_sample_is_segmented_with_nothing_but_this_repository(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["segment", str(ROOT / "docs" / "sample.jpg")]) == 0
    assert "2 circle" in capsys.readouterr().out
