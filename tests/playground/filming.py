"""What a test does on the video tab: opens a clip, draws on it, takes along what was followed."""

import io
import os
import subprocess
import zipfile
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, expect

from docs.samples import sample_clip
from models.training.scenes import render
from tests.playground.looking import ROOT, choose

FRAMES = 6


def opened(page: Page, path: Path) -> None:
    """Choose a clip and wait until its first frame is shown."""
    page.locator("#video-tab").click()
    choose(page, "video", path)
    expect(page.locator("#video .notice")).to_contain_text("Draw a box")


def truth(number: int) -> np.ndarray:
    """Where the large ring of the clip is seen on a frame."""
    drawn = render(sample_clip(FRAMES).frame(number))
    return drawn.masks[int(drawn.masks.sum(axis=(1, 2)).argmax())]


def box_on_the_ring(page: Page) -> None:
    """Drag a box around the large ring."""
    rows, columns = np.nonzero(truth(0))
    stage = page.locator("#video canvas").bounding_box()
    assert stage is not None
    scale = stage["width"] / truth(0).shape[1]
    corners = [(columns.min(), rows.min()), (columns.max() + 1, rows.max() + 1)]
    (left, top), (right, bottom) = [
        (stage["x"] + x * scale, stage["y"] + y * scale) for x, y in corners
    ]
    page.mouse.move(left, top)
    page.mouse.down()
    page.mouse.move(right, bottom, steps=2)
    page.mouse.up()


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def saved_frames(page: Page) -> zipfile.ZipFile:
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save frames").click()
    return zipfile.ZipFile(io.BytesIO(Path(saved.value.path()).read_bytes()))


def copied(page: Page, kind: str) -> str:
    """What a button, curl or python, puts on the clipboard."""
    button = page.locator(f"#video [data-act={kind}]")
    button.click()
    expect(button).to_have_text("Copied")
    return page.evaluate("navigator.clipboard.readText()")


def run(command: list[str], folder: Path) -> str:
    """What a command writes, run in a folder."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(  # noqa: S603 (the page's own command)
        command, cwd=folder, env=environ, capture_output=True, text=True, check=True
    )
    return done.stdout
