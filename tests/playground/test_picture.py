"""The picture tab in a real browser, against a real service."""

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect
from pycocotools.coco import COCO
from pycocotools.mask import area

from models import rle
from tests.playground.looking import ROOT, SAMPLE, changed, choose, drop, pixels

SIZE = (480, 520)
COPY_A_PICTURE = """async () => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [90, 70];
  canvas.getContext("2d").fillRect(0, 0, 90, 70);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
  await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]);
}"""


def ask(address: str, route: str, **options: Any) -> Any:
    reply = httpx.post(
        f"{address}/{route}",
        params=options,
        content=SAMPLE.read_bytes(),
        headers={"content-type": "image/jpeg"},
        timeout=60,
    )
    return reply.raise_for_status().json()


def answered(page: Page) -> None:
    page.wait_for_selector("#picture[data-state=answered]:not([data-busy])")


def set_threshold(page: Page, value: float) -> None:
    with page.expect_response("**/segment?*"):
        page.locator("[name=threshold]").fill(str(value))
    answered(page)


def grown(mask: np.ndarray, by: int) -> np.ndarray:
    """The mask and everything within so many pixels, along rows and columns."""
    padded = np.pad(mask, by)
    height, width = mask.shape
    steps = range(2 * by + 1)
    return np.any([padded[y : y + height, x : x + width] for y in steps for x in steps], axis=0)


def test_a_chosen_picture_shows_its_masks_as_pixels(page: Page, address: str) -> None:
    choose(page, "picture", SAMPLE)
    answered(page)
    with_masks = pixels(page, "picture", SIZE)
    expect(page.locator("#picture .results [data-id]")).not_to_have_count(0)
    set_threshold(page, 1)
    expect(page.locator("#picture .results")).to_contain_text("Nothing was found")
    tinted = changed(pixels(page, "picture", SIZE), with_masks)
    found = ask(address, "segment")["instances"]
    on_objects = np.any([rle.decode(one["segmentation"]) for one in found], axis=0)
    assert tinted[on_objects].mean() > 0.95
    assert not tinted[~grown(on_objects, 4)].any()


def test_pointing_at_an_object_or_its_row_tells_its_name(page: Page, address: str) -> None:
    choose(page, "picture", SAMPLE)
    answered(page)
    plain = pixels(page, "picture", SIZE)
    rows = page.locator("#picture .results [data-id]")
    rows.first.focus()
    assert changed(plain, pixels(page, "picture", SIZE)).any()
    x, y, width, height = ask(address, "segment")["instances"][0]["bbox"]
    box = page.locator("#picture canvas").bounding_box()
    assert box is not None
    scale = box["width"] / SIZE[1]
    page.mouse.move(box["x"] + (x + width / 2) * scale, box["y"] + (y + height / 2) * scale)
    expect(page.locator("#picture .results .lit")).to_have_count(1)
    assert rows.first.get_attribute("class") == "row lit"


def test_a_tap_tells_an_objects_name_also_once_the_finger_is_gone(page: Page, address: str) -> None:
    choose(page, "picture", SAMPLE)
    answered(page)
    x, y, width, height = ask(address, "segment")["instances"][0]["bbox"]
    canvas = page.locator("#picture canvas")
    box = canvas.bounding_box()
    assert box is not None
    scale = box["width"] / SIZE[1]
    where = {
        "clientX": box["x"] + (x + width / 2) * scale,
        "clientY": box["y"] + (y + height / 2) * scale,
        "pointerType": "touch",
    }
    for kind in ("pointerdown", "pointerup", "pointerleave"):
        canvas.dispatch_event(kind, where)
    expect(page.locator("#picture .results .lit")).to_have_count(1)


def test_nothing_is_offered_that_needs_a_picture_before_there_is_one(page: Page) -> None:
    for tab in ("picture", "video"):
        page.locator(f"#{tab}-tab").click()
        expect(page.locator(f"#{tab} .empty")).to_be_visible()
        for part in (".results", ".actions", ".another"):
            expect(page.locator(f"#{tab} {part}")).to_be_hidden()


def test_columns_that_an_answer_does_not_have_are_not_headed(page: Page) -> None:
    choose(page, "picture", SAMPLE)
    heads = page.locator("#picture .columns :visible")
    for task, columns in [
        ("Segment", ["Found", "Score", "Area"]),
        ("Semantic", ["Found", "Area"]),
        ("Detect", ["Found", "Score"]),
    ]:
        page.get_by_text(task, exact=True).click()
        expect(heads).to_have_text(columns)
        answered(page)
        cells = page.locator("#picture .results li").first.locator(".name, .number")
        expect(cells).to_have_count(len(columns))


def test_the_slider_wipes_from_the_refined_to_the_coarse_answer(page: Page) -> None:
    page.get_by_text("Semantic", exact=True).click()
    choose(page, "picture", SAMPLE)
    answered(page)
    refined = pixels(page, "picture", SIZE)
    slider = page.locator("#picture .wipe input")
    slider.fill("50")
    differing = changed(refined, pixels(page, "picture", SIZE))
    middle = SIZE[1] // 2
    assert differing[:, : middle - 2].mean() > 0.001
    assert not differing[:, middle + 2 :].any()
    slider.fill("100")
    assert changed(refined, pixels(page, "picture", SIZE))[:, middle + 2 :].mean() > 0.001


def test_boxes_are_drawn_with_the_pointer_and_with_keys(page: Page) -> None:
    choose(page, "picture", SAMPLE)
    answered(page)
    page.get_by_label("Only in boxes that I draw").check()
    expect(page.locator("#picture .notice")).to_have_text("Draw a box around each object.")
    expect(page.locator("#picture .answer")).to_be_hidden()
    plain = pixels(page, "picture", SIZE)
    canvas = page.locator("#picture canvas")
    box = canvas.bounding_box()
    assert box is not None
    scale = box["width"] / SIZE[1]
    with page.expect_request("**/segment?*") as asked:
        page.mouse.move(box["x"] + 110 * scale, box["y"] + 160 * scale)
        page.mouse.down()
        page.mouse.move(box["x"] + 280 * scale, box["y"] + 330 * scale, steps=3)
        page.mouse.up()
    drawn = json.loads(httpx.URL(asked.value.url).params["boxes"])
    assert drawn[0] == pytest.approx([110, 160, 170, 170], abs=1)
    answered(page)
    upper_edge = changed(plain, pixels(page, "picture", SIZE))[160, 111:280]
    assert upper_edge.mean() > 0.9
    canvas.focus()
    with page.expect_request("**/segment?*") as asked:
        for key in ("Enter", "ArrowRight", "Shift+ArrowDown", "Enter"):
            page.keyboard.press(key)
    step = 0.02 * 520
    by_keys = json.loads(httpx.URL(asked.value.url).params["boxes"])[1]
    assert by_keys == pytest.approx([195 + step, 180, 130, 120 + step], abs=0.1)
    answered(page)
    expect(page.locator("#picture .results [data-id]")).to_have_count(2)
    page.get_by_role("button", name="Clear boxes").click()
    expect(page.locator("#picture .answer")).to_be_hidden()
    assert not changed(plain, pixels(page, "picture", SIZE)).any()


def test_the_keyboard_alone_gets_an_answer(page: Page) -> None:
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.dataset.act") == "sample":
            break
    page.keyboard.press("Enter")
    answered(page)
    expect(page.locator("#picture canvas")).to_be_focused()
    page.locator("[name=task]:checked").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#picture .wipe:not([hidden])")


def test_a_service_that_does_not_answer_can_be_asked_again(page: Page) -> None:
    page.context.set_offline(True)
    choose(page, "picture", SAMPLE)
    notice = page.locator("#picture .notice")
    expect(notice).to_contain_text("The service does not answer")
    page.context.set_offline(False)
    notice.get_by_role("button", name="Try again").click()
    answered(page)
    expect(notice).to_contain_text("objects in")


def test_a_picture_that_is_too_large_is_offered_to_be_sent_smaller(
    page: Page, tmp_path: Path
) -> None:
    page.set_viewport_size({"width": 1280, "height": 600})
    large = tmp_path / "large.png"
    Image.open(SAMPLE).resize((1300, 1200)).save(large)
    choose(page, "picture", large)
    notice = page.locator("#picture .notice")
    expect(notice).to_contain_text("is too large")
    expect(notice).to_be_in_viewport(ratio=0.9)
    assert notice.get_by_role("button").all_inner_texts() == ["Send it smaller"]
    with page.expect_response("**/segment?*") as asked:
        notice.get_by_role("button").click()
    answered(page)
    width, height = asked.value.json()["image"].values()
    assert 800_000 < width * height < 1_000_000
    expect(page.locator("#picture .results [data-id]")).not_to_have_count(0)
    note = f"made smaller, to {width}x{height}"
    expect(page.locator("#picture .file-name")).to_have_text(f"large.png, {note}")
    page.get_by_role("button", name="Copy as curl").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").startswith(
        f"# On the page it was {note}.\ncurl "
    )


def test_a_picture_that_only_the_browser_reads_is_offered_to_be_sent_as_png(
    page: Page, tmp_path: Path
) -> None:
    odd = tmp_path / "odd.jpg"
    Image.open(SAMPLE).save(odd, "GIF")  # its name says that the service reads it
    choose(page, "picture", odd)
    notice = page.locator("#picture .notice")
    expect(notice).to_contain_text("cannot be read")
    assert notice.get_by_role("button").all_inner_texts() == ["Send it as PNG"]
    notice.get_by_role("button").click()
    answered(page)
    expect(page.locator("#picture .results [data-id]")).not_to_have_count(0)


def test_pictures_are_dropped_and_pasted_whatever_tab_is_shown(page: Page) -> None:
    page.locator("#video-tab").click()
    drop(page, (600, 400), SAMPLE)
    answered(page)
    expect(page.locator("#picture-tab")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#picture .file-name")).to_have_text("sample.jpg")
    page.locator("#video-tab").click()
    page.evaluate(COPY_A_PICTURE)
    with page.expect_response("**/segment?*") as asked:
        page.keyboard.press("Control+V")
    assert asked.value.json()["image"] == {"width": 90, "height": 70}
    expect(page.locator("#picture .file-name")).to_have_text("image.png")


def test_what_nothing_helps_with_is_not_offered_again(page: Page) -> None:
    problem = {"title": "An option cannot be used", "detail": "Really.", "retryable": False}
    refusal = {"status": 422, "content_type": "application/problem+json"}
    page.route("**/segment?*", lambda route: route.fulfill(**refusal, json=problem))
    choose(page, "picture", SAMPLE)
    notice = page.locator("#picture .notice")
    expect(notice).to_contain_text("An option cannot be used")
    expect(notice.get_by_role("button")).to_have_count(0)


def test_a_file_that_is_no_picture_is_told_kindly(page: Page, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_text("no picture")
    choose(page, "picture", broken)
    expect(page.locator("#picture .notice")).to_contain_text("cannot show broken.png")


def test_what_was_done_is_copied_as_a_command_that_does_it_again(page: Page) -> None:
    choose(page, "picture", SAMPLE)
    answered(page)
    set_threshold(page, 0.9)
    page.get_by_role("button", name="Copy as curl").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    command = shlex.split(page.evaluate("navigator.clipboard.readText()"))
    said = subprocess.run(  # noqa: S603 (the page's own command)
        [*command, "--silent", "--fail"], cwd=SAMPLE.parent, capture_output=True, check=True
    )
    scores = [one["score"] for one in json.loads(said.stdout)["instances"]]
    assert scores
    assert min(scores) >= 0.9


def test_what_was_done_is_copied_as_a_program_that_does_it_again(
    page: Page, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    choose(page, "picture", SAMPLE)
    answered(page)
    page.get_by_role("button", name="Copy as Python").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    program = page.evaluate("navigator.clipboard.readText()")
    monkeypatch.chdir(SAMPLE.parent)
    exec(program, {"__name__": "copied"})  # noqa: S102 (the page's own program)
    rows = page.locator("#picture .results [data-id]").count()
    assert len(capsys.readouterr().out.splitlines()) == rows


def test_the_answer_is_saved_for_pycocotools_and_as_a_picture(page: Page, tmp_path: Path) -> None:
    choose(page, "picture", SAMPLE)
    answered(page)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save COCO JSON").click()
    assert saved.value.suggested_filename == "sample.coco.json"
    saved.value.save_as(tmp_path / "coco.json")
    coco = COCO(tmp_path / "coco.json")
    for annotation in coco.loadAnns(coco.getAnnIds()):
        assert area(coco.annToRLE(annotation)) == annotation["area"]
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save PNG").click()
    saved.value.save_as(tmp_path / "masks.png")
    drawn = np.asarray(Image.open(tmp_path / "masks.png").convert("RGB"), dtype=np.int16)
    assert drawn.shape == (*SIZE, 3)
    assert changed(drawn, np.asarray(Image.open(SAMPLE).convert("RGB"), dtype=np.int16)).any()


def test_the_page_fits_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    choose(page, "picture", SAMPLE)
    answered(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_scripts_are_small_enough_to_be_read() -> None:
    scripts = list((ROOT / "service" / "static").rglob("*.js"))
    assert scripts
    assert [path for path in scripts if len(path.read_text().splitlines()) > 200] == []
