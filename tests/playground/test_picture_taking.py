"""What is taken along of a picture: a command, a program, COCO's JSON, a picture."""

import json
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect
from pycocotools.coco import COCO
from pycocotools.mask import area

from tests.playground.looking import SAMPLE, SAMPLE_SIZE, answered, changed, choose, set_threshold

NAME = 'it\'s; "odd", 1\\2.jpg'


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """The sample picture under a name that means something to shells and to curl."""
    return shutil.copy(SAMPLE, tmp_path / NAME)


def test_what_was_done_is_copied_as_a_command_that_does_it_again(page: Page, odd: Path) -> None:
    choose(page, "picture", odd)
    answered(page)
    set_threshold(page, 0.9)
    page.get_by_role("button", name="Copy as curl").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    command = shlex.split(page.evaluate("navigator.clipboard.readText()"))
    said = subprocess.run(  # noqa: S603 (the page's own command)
        [*command, "--silent", "--fail"], cwd=odd.parent, capture_output=True, check=True
    )
    scores = [one["score"] for one in json.loads(said.stdout)["instances"]]
    assert scores
    assert min(scores) >= 0.9


def test_what_was_done_is_copied_as_a_program_that_does_it_again(
    page: Page, odd: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    choose(page, "picture", odd)
    answered(page)
    page.get_by_role("button", name="Copy as Python").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    program = page.evaluate("navigator.clipboard.readText()")
    monkeypatch.chdir(odd.parent)
    exec(program, {"__name__": "copied"})  # noqa: S102 (the page's own program)
    rows = page.locator("#picture .results [data-id]").count()
    assert len(capsys.readouterr().out.splitlines()) == rows


@pytest.mark.parametrize("task", ["Segment", "Semantic", "Detect"])
def test_the_answer_is_saved_for_pycocotools(page: Page, tmp_path: Path, task: str) -> None:
    page.get_by_text(task, exact=True).click()
    choose(page, "picture", SAMPLE)
    answered(page)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save COCO JSON").click()
    assert saved.value.suggested_filename == "sample.coco.json"
    saved.value.save_as(tmp_path / "coco.json")
    coco = COCO(tmp_path / "coco.json")
    annotations = coco.loadAnns(coco.getAnnIds())
    names = [coco.cats[one["category_id"]]["name"] for one in annotations]
    assert page.locator("#picture .row .name").all_inner_texts() == names
    for one in annotations:
        *_, width, height = one["bbox"]
        covered = width * height if task == "Detect" else area(coco.annToRLE(one))
        assert one["area"] == covered > 0


def test_the_answer_is_saved_as_a_picture(page: Page, tmp_path: Path) -> None:
    choose(page, "picture", SAMPLE)
    answered(page)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save PNG").click()
    saved.value.save_as(tmp_path / "masks.png")
    drawn = np.asarray(Image.open(tmp_path / "masks.png").convert("RGB"), dtype=np.int16)
    assert drawn.shape == (*SAMPLE_SIZE, 3)
    assert changed(drawn, np.asarray(Image.open(SAMPLE).convert("RGB"), dtype=np.int16)).any()
