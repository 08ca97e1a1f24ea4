"""Where frames come from: files that the browser plays, whatever they are, and cameras."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.clips import clip as clip_of
from tests.clips import grey
from tests.playground.filming import FRAMES, box_on_the_ring, opened, press
from tests.playground.looking import choose, drop

HIDE_THE_LENGTH = """() => Object.defineProperty(
  HTMLMediaElement.prototype, "duration", { get: () => Infinity },
)"""
KEEP_THE_STREAM = """() => {
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wanted) => (window.kept = await open(wanted));
}"""
REFUSE_THE_CAMERA = """(name) => {
  const refusal = new DOMException("no", name);
  navigator.mediaDevices.getUserMedia = () => Promise.reject(refusal);
}"""
PASTE_THE_SAMPLE = """async () => {
  const blob = await (await fetch("static/samples/figures.webm")).blob();
  const clipboardData = new DataTransfer();
  clipboardData.items.add(new File([blob], "pasted.webm", { type: blob.type }));
  document.dispatchEvent(new ClipboardEvent("paste", { clipboardData }));
}"""


def test_what_a_camera_sees_is_followed(page: Page) -> None:
    page.evaluate(KEEP_THE_STREAM)
    page.locator("#video-tab").click()
    page.get_by_role("button", name="Use the camera").click()
    page.get_by_role("button", name="Hold this frame").click()
    expect(page.locator("#video .notice")).to_contain_text("Draw a box")
    page.locator("#video canvas").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Follow").click()
    expect(page.locator("#video .pace")).to_contain_text("frames a second")
    assert page.evaluate("kept.getTracks().map(track => track.readyState)") == ["live"]
    page.get_by_role("button", name="Another video").click()
    page.wait_for_selector("#video[data-state=empty]")
    assert page.evaluate("kept.getTracks().map(track => track.readyState)") == ["ended"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("NotAllowedError", "was told not to allow it"),
        ("NotReadableError", "Another program uses it"),
        ("NotFoundError", "None was found"),
    ],
)
def test_a_camera_that_cannot_be_used_is_told_kindly(page: Page, name: str, said: str) -> None:
    page.evaluate(REFUSE_THE_CAMERA, name)
    page.locator("#video-tab").click()
    page.get_by_role("button", name="Use the camera").click()
    expect(page.locator("#video .notice")).to_contain_text(said)


def test_a_file_that_is_no_video_is_told_kindly(page: Page, tmp_path: Path) -> None:
    broken = tmp_path / "broken.webm"
    broken.write_text("no video")
    page.locator("#video-tab").click()
    choose(page, "video", broken)
    expect(page.locator("#video .notice")).to_contain_text("cannot play broken.webm")


def test_wide_videos_are_made_smaller_to_be_sent(page: Page, tmp_path: Path) -> None:
    wide = tmp_path / "wide.webm"
    wide.write_bytes(clip_of([grey(90, (360, 1280))] * 2, container="webm", codec="libvpx"))
    opened(page, wide)
    page.locator("#video canvas").focus()
    press(page, "Enter", "Enter")
    with page.expect_response("**/sessions") as opening:
        page.get_by_role("button", name="Follow").click()
    assert opening.value.json()["image"] == {"width": 960, "height": 270}


def test_a_video_that_does_not_tell_its_length_ends_with_its_last_frame(
    page: Page, clip: Path
) -> None:
    page.evaluate(HIDE_THE_LENGTH)
    opened(page, clip)
    box_on_the_ring(page)
    page.get_by_role("button", name="Follow").click()
    page.wait_for_selector("#video[data-state=ended]")
    expect(page.locator("#video .timeline output")).to_have_text(f"Frame {FRAMES}")


def test_videos_are_dropped_and_pasted_anywhere(page: Page, clip: Path) -> None:
    drop(page, (900, 20), clip)
    expect(page.locator("#video .notice")).to_contain_text("Draw a box")
    expect(page.locator("#video-tab")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#video .file-name")).to_have_text("clip.webm")
    assert page.evaluate("document.body.className") == ""
    page.locator("#picture-tab").click()
    page.evaluate(PASTE_THE_SAMPLE)
    expect(page.locator("#video .file-name")).to_have_text("pasted.webm")
    expect(page.locator("#video .notice")).to_contain_text("Draw a box")
