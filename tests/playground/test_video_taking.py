"""What is taken along of a video: a command and a program that do it again, frames, COCO's JSON."""

import ast
import json
import sys
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, expect
from pycocotools.coco import COCO
from pycocotools.mask import area

from tests.playground.filming import (
    FRAMES,
    box_on_the_ring,
    copied,
    opened,
    press,
    run,
    saved_frames,
)


def test_the_copied_program_follows_what_was_told_in_any_way(
    page: Page, clip: Path, tmp_path: Path
) -> None:
    name = '"größer" \\ 7'
    opened(page, clip)
    box_on_the_ring(page)
    page.get_by_label("Name of object 1").fill(name)
    page.get_by_text("Brush", exact=True).click()
    box_on_the_ring(page)
    page.get_by_role("button", name="Follow").click()
    lines = followed_again(page, tmp_path / "told")
    assert len(lines) == 2 * (FRAMES - 1)
    assert all(name in line for line in lines[::2])
    page.get_by_role("button", name="Start over").click()
    page.get_by_role("button", name="Find objects").click()
    page.get_by_role("button", name="Go on").click()
    lines = followed_again(page, tmp_path / "found")
    assert len(lines) == page.locator("#video .row").count() * (FRAMES - 1) > 0


def followed_again(page: Page, folder: Path) -> list[str]:
    """What the copied program writes where the saved frames are: a line an object and frame."""
    page.wait_for_selector("#video[data-state=ended]")
    with saved_frames(page) as archive:
        archive.extractall(folder)
    return run([sys.executable, "-c", copied(page, "python")], folder).splitlines()


def replies(said: str) -> list[Any]:
    """The JSON values of a text, one right behind the other."""
    found, at, decoder = [], 0, json.JSONDecoder()
    while at < len(said):
        one, at = decoder.raw_decode(said, at)
        found.append(one)
    return found


def seen_by_curl(said: str) -> dict[tuple[int, int], list[float]]:
    """The boxes of the objects that are seen, by frame and object."""
    frames = [reply for reply in replies(said) if "memory_bytes" not in reply]  # else of an edit
    return {
        (frame["frame_index"], one["id"]): one["bbox"]
        for frame in frames
        for one in frame["objects"]
        if one["visible"]
    }


def seen_by_python(said: str) -> dict[tuple[int, int], list[float]]:
    lines = [line.split(" ", 4) for line in said.splitlines()]
    return {
        (int(frame), int(one)): [*ast.literal_eval(box)]
        for frame, one, _, visible, box in lines
        if visible == "True"
    }


def test_what_was_corrected_and_removed_is_done_again_too(
    page: Page, clip: Path, tmp_path: Path
) -> None:
    opened(page, clip)
    page.get_by_role("button", name="Find objects").click()
    page.wait_for_selector("#video[data-state=paused]")
    rows = page.locator("#video .row")
    count, canvas = rows.count(), page.locator("#video canvas")
    notice, number = page.locator("#video .notice"), page.locator("#video .timeline output")

    def draw(name: str) -> None:
        canvas.focus()
        press(page, "Enter", "ArrowLeft", "Enter")
        expect(notice).to_contain_text(f"{name} is followed as drawn")

    rows.first.click()
    draw(rows.first.inner_text())
    press(page, ".")
    expect(number).to_have_text(f"Frame 2 of {FRAMES}")
    expect(notice).to_be_empty()
    draw(f"object {count + 1}")
    press(page, ".")
    expect(number).to_have_text(f"Frame 3 of {FRAMES}")
    page.locator("#video .remove").nth(1).click()
    expect(rows).to_have_count(count)
    canvas.focus()
    press(page, "Space")
    page.wait_for_selector("#video[data-state=ended]")
    with saved_frames(page) as archive:
        tracks = json.loads(archive.read("tracks.json"))["annotations"]
        archive.extractall(tmp_path)
    seen = {
        (one["image_id"], one["track_id"]): one["bbox"] for one in tracks if one["image_id"] > 0
    }
    assert {(1, 2), (2, count + 1)} < {*seen}
    assert seen_by_curl(run(["/bin/bash", "-ec", copied(page, "curl")], tmp_path)) == seen
    assert seen_by_python(run([sys.executable, "-c", copied(page, "python")], tmp_path)) == seen


def test_the_command_takes_whatever_an_object_is_called(
    page: Page, clip: Path, tmp_path: Path
) -> None:
    name = '@it\'s; "größer" \\ 7'
    opened(page, clip)
    box_on_the_ring(page)
    page.get_by_label("Name of object 1").fill(name)
    page.get_by_role("button", name="Follow").click()
    page.wait_for_selector("#video[data-state=ended]")
    with saved_frames(page) as archive:
        archive.extractall(tmp_path)
    frames = replies(run(["/bin/bash", "-ec", copied(page, "curl")], tmp_path))
    assert [one["label"] for frame in frames for one in frame["objects"]] == [name] * (FRAMES - 1)


def test_the_saved_frames_are_a_data_set_that_pycocotools_loads(
    page: Page, clip: Path, tmp_path: Path
) -> None:
    opened(page, clip)
    page.get_by_role("button", name="Find objects").click()
    page.get_by_role("button", name="Go on").click()
    page.wait_for_selector("#video[data-state=ended]")
    with saved_frames(page) as archive:
        archive.extractall(tmp_path)
    coco = COCO(tmp_path / "tracks.json")
    pictures = coco.loadImgs(coco.getImgIds())
    assert len(pictures) == FRAMES
    for picture in pictures:
        for file in (picture["file_name"], picture["file_name"].replace("frames", "drawn")):
            with Image.open(tmp_path / file) as image:
                assert image.size == (picture["width"], picture["height"])
        annotations = coco.loadAnns(coco.getAnnIds(imgIds=[picture["id"]]))
        assert annotations
        for annotation in annotations:
            assert area(coco.annToRLE(annotation)) == annotation["area"]
