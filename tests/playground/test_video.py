"""The video tab in a real browser: real frames over a real WebSocket to the demo tracker."""

import io
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image
from playwright.sync_api import Page, expect

from models import rle
from tests.playground.filming import (
    FRAMES,
    box_on_the_ring,
    copied,
    opened,
    run,
    saved_frames,
    truth,
)
from tests.playground.looking import changed, pixels

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
    said = run(["/bin/bash", "-ec", copied(page, "curl")], tmp_path)
    assert said.count('"frame_index":') == FRAMES - 1


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
    expect(page.locator("#video .notice")).to_contain_text("is followed as drawn")
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


def test_an_object_is_removed_in_mid_stream(page: Page, long_clip: Path) -> None:
    opened(page, long_clip)
    page.get_by_role("button", name="Find objects").click()
    page.wait_for_selector("#video[data-state=paused]")
    rows = page.locator("#video .results [data-id]")
    before = rows.count()
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("#video .pace")).to_contain_text("frames a second")
    page.locator("#video .remove").first.click()
    expect(rows).to_have_count(before - 1)
    expect(page.locator("#video[data-state=running]")).to_have_count(1)
    page.wait_for_selector("#video[data-state=ended]")
    expect(rows).to_have_count(before - 1)
    with saved_frames(page) as archive:
        tracks = json.loads(archive.read("tracks.json"))["annotations"]
    frames = [one["image_id"] for one in tracks if one["track_id"] == 1]
    assert 0 in frames
    assert max(frames) < max(one["image_id"] for one in tracks)


def test_a_session_that_is_lost_can_be_begun_anew(page: Page, address: str, clip: Path) -> None:
    opened(page, clip)
    box_on_the_ring(page)
    with page.expect_response("**/sessions") as opening:
        page.get_by_role("button", name="Follow").click()
    httpx.delete(f"{address}{opening.value.headers['location']}")
    notice = page.locator("#video .notice")
    expect(notice).to_contain_text("The session has ended")
    assert notice.get_by_role("button").all_inner_texts() == ["Start over"]
    notice.get_by_role("button").click()
    page.wait_for_selector("#video[data-state=ready]")
    expect(page.locator("#video .results [data-id]")).to_have_count(1)


def test_a_video_stands_still_where_nobody_looks_at_its_newest_frame(
    page: Page, long_clip: Path
) -> None:
    opened(page, long_clip)
    box_on_the_ring(page)
    page.get_by_role("button", name="Follow").click()
    expect(page.locator("#video .pace")).to_contain_text("frames a second")
    page.locator("#picture-tab").click()
    page.wait_for_selector("#video[data-state=paused]", state="attached")
    page.locator("#video-tab").click()
    for pause in (
        lambda: page.locator("#video canvas").press("Space"),
        lambda: page.locator("#video canvas").click(),
        lambda: page.locator("#video .timeline input").fill("1"),
    ):
        page.get_by_role("button", name="Go on").click()
        page.wait_for_selector("#video[data-state=running]")
        pause()
        page.wait_for_selector("#video[data-state=paused]")
    first = pixels(page, "video", truth(0).shape)
    page.wait_for_timeout(500)  # what was on its way has come
    expect(page.locator("#video .timeline output")).to_have_text("Frame 2 of 60")
    assert not changed(first, pixels(page, "video", truth(0).shape)).any()
    page.locator("#video .remove").click()
    expect(page.locator("#video .results")).to_have_text("None yet: draw on the picture.")
    assert changed(first, pixels(page, "video", truth(0).shape)).any()


def test_a_session_ends_where_its_page_is_left(page: Page, address: str, clip: Path) -> None:
    opened(page, clip)
    box_on_the_ring(page)
    with page.expect_response("**/sessions") as opening:
        page.get_by_role("button", name="Follow").click()
    path = opening.value.headers["location"]
    page.reload()
    page.wait_for_selector("body[data-ready]")
    assert httpx.get(f"{address}{path}").json()["reason"] == "closed"


def test_painted_objects_fit_a_phone(page: Page, clip: Path) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    opened(page, clip)
    page.get_by_text("Brush", exact=True).click()
    box_on_the_ring(page)  # a stroke from corner to corner
    expect(page.locator("#video .results [data-id]")).to_have_count(1)
    expect(page.get_by_role("button", name="Follow")).to_be_enabled()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
