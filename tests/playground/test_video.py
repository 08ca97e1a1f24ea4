"""The video tab in a real browser: real frames over a real WebSocket to the demo tracker."""

import io
import json
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from docs.samples import sample_clip, write_clip
from models import rle
from models.training.scenes import render
from tests.playground.looking import choose, pixels

FRAMES = 6
BREAK_THE_FIRST = """() => {
  window.streams = 0;
  window.WebSocket = class extends WebSocket {
    number = ++streams;
    sent = 0;
    send(data) {
      super.send(data);
      if (this.number === 1 && ++this.sent === 2) this.close(3000);
    }
  };
}"""


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.webm"
    write_clip(sample_clip(FRAMES), path)
    return path


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


def saved_frames(page: Page) -> zipfile.ZipFile:
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save frames").click()
    return zipfile.ZipFile(io.BytesIO(Path(saved.value.path()).read_bytes()))


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


def test_a_clip_is_followed_and_its_masks_are_seen_as_pixels(
    page: Page, clip: Path, tmp_path: Path
) -> None:
    opened(page, clip)
    box_on_the_ring(page)
    page.get_by_role("button", name="Follow").click()
    page.wait_for_selector("#video[data-state=ended]")
    expect(page.locator("#video .timeline output")).to_have_text(f"Frame {FRAMES} of {FRAMES}")
    expect(page.locator("#video .pace")).to_contain_text("frames a second")
    shown = pixels(page, "video", truth(0).shape)
    with saved_frames(page) as archive:
        tracks = json.loads(archive.read("tracks.json"))
        last = Image.open(io.BytesIO(archive.read(f"frames/{FRAMES - 1:05d}.jpg")))
        archive.extractall(tmp_path)
    masks = [rle.decode(one["segmentation"]) for one in tracks["annotations"]]
    assert len(masks) == FRAMES
    assert min(iou(mask, truth(number)) for number, mask in enumerate(masks)) > 0.6
    tint = np.abs(shown - np.asarray(last.convert("RGB"), dtype=np.int16)).mean(axis=2)
    assert tint[masks[-1]].mean() > 3 * tint[~masks[-1]].mean()
    program_does_it_again(page, tmp_path, len(masks) - 1)


def program_does_it_again(page: Page, folder: Path, frames: int) -> None:
    """The copied command, run where the saved frames are, follows as many frames."""
    page.locator("#video").get_by_role("button", name="Copy as curl").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    command = page.evaluate("navigator.clipboard.readText()")
    said = subprocess.run(  # noqa: S603 (the page's own command)
        ["/bin/bash", "-ec", command], cwd=folder, capture_output=True, text=True, check=True
    )
    assert said.stdout.count('"frame_index":') == frames


def test_objects_are_found_stepped_through_and_corrected_by_keys(page: Page, clip: Path) -> None:
    sent: list[Any] = []

    def keep(message: str | bytes) -> None:
        sent.append(message)

    page.on("websocket", lambda socket: socket.on("framesent", keep))
    opened(page, clip)
    page.get_by_role("button", name="Find objects").click()
    page.wait_for_selector("#video[data-state=paused]")
    expect(page.locator("#video .results [data-id]")).not_to_have_count(0)
    number = page.locator("#video .timeline output")
    canvas = page.locator("#video canvas")
    canvas.focus()
    page.keyboard.press(".")
    expect(number).to_have_text(f"Frame 2 of {FRAMES}")
    page.locator("#video .results .row").first.click()
    canvas.focus()
    for key in ("Enter", "ArrowLeft", "Enter"):
        page.keyboard.press(key)
    expect(page.locator("#video .notice")).to_contain_text("followed as drawn from this frame on")
    edits = [json.loads(message)["objects"] for message in sent if isinstance(message, str)]
    assert [(one["id"], len(one["box"])) for edit in edits for one in edit] == [(1, 4)]
    page.locator("#video .timeline input").fill("0")
    expect(number).to_have_text(f"Frame 1 of {FRAMES}")
    canvas.focus()
    page.keyboard.press("Space")
    page.wait_for_selector("#video[data-state=ended]")
    expect(number).to_have_text(f"Frame {FRAMES} of {FRAMES}")


def test_a_broken_stream_is_told_kindly_and_goes_on_where_it_was(page: Page, clip: Path) -> None:
    page.evaluate(BREAK_THE_FIRST)
    opened(page, clip)
    box_on_the_ring(page)
    page.get_by_role("button", name="Follow").click()
    notice = page.locator("#video .notice")
    expect(notice).to_contain_text("The connection broke")
    notice.get_by_role("button", name="Try again").click()
    page.wait_for_selector("#video[data-state=ended]")
    expect(page.locator("#video .timeline output")).to_have_text(f"Frame {FRAMES} of {FRAMES}")
    assert page.evaluate("streams") == 2


def test_what_a_camera_sees_is_followed(page: Page) -> None:
    page.locator("#video-tab").click()
    page.get_by_role("button", name="Use the camera").click()
    page.get_by_role("button", name="Hold this frame").click()
    expect(page.locator("#video .notice")).to_contain_text("Draw a box")
    page.locator("#video canvas").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Follow").click()
    expect(page.locator("#video .pace")).to_contain_text("frames a second")
    page.get_by_role("button", name="Another video").click()
    page.wait_for_selector("#video[data-state=empty]")


def test_a_file_that_is_no_video_is_told_kindly(page: Page, tmp_path: Path) -> None:
    broken = tmp_path / "broken.webm"
    broken.write_text("no video")
    page.locator("#video-tab").click()
    choose(page, "video", broken)
    expect(page.locator("#video .notice")).to_contain_text("cannot play broken.webm")


def test_painted_objects_fit_a_phone(page: Page, clip: Path) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    opened(page, clip)
    page.get_by_text("Brush", exact=True).click()
    box_on_the_ring(page)  # a stroke from corner to corner
    expect(page.locator("#video .results [data-id]")).to_have_count(1)
    expect(page.get_by_role("button", name="Follow")).to_be_enabled()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
