"""The picture tab in a real browser, against a real service."""

import json
from typing import Any

import httpx
import numpy as np
import pytest
from playwright.sync_api import Page, Route, expect

from models import rle
from tests.playground.looking import SAMPLE, answered, changed, choose, pixels, set_threshold
from tests.playground.looking import SAMPLE_SIZE as SIZE


def ask(address: str, route: str, **options: Any) -> Any:
    reply = httpx.post(
        f"{address}/{route}",
        params=options,
        content=SAMPLE.read_bytes(),
        headers={"content-type": "image/jpeg"},
        timeout=60,
    )
    return reply.raise_for_status().json()


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
    expect(page.locator("#picture .columns")).to_be_hidden()
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


def test_boxes_are_given_up_kept_within_the_picture_and_forgotten_with_it(page: Page) -> None:
    choose(page, "picture", SAMPLE)
    answered(page)
    page.get_by_label("Only in boxes that I draw").check()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    canvas = page.locator("#picture canvas")
    canvas.click()  # no drag
    corners = [{"position": {"x": side, "y": side}} for side in (100, 200)]
    canvas.hover(**corners[0])
    page.mouse.down(button="right")
    canvas.hover(**corners[1])
    page.mouse.up(button="right")
    canvas.focus()
    for key in ("Enter", "Escape", *["ArrowLeft"] * 3):
        page.keyboard.press(key)
    assert asked == []
    with page.expect_request("**/segment?*") as request:
        for key in ("Enter", *["ArrowLeft"] * 25, *["Shift+ArrowDown"] * 25, "Enter"):
            page.keyboard.press(key)
    (box,) = json.loads(httpx.URL(request.value.url).params["boxes"])
    assert box == [0, 180, 130, 300]
    answered(page)
    choose(page, "picture", SAMPLE)
    expect(page.locator("#picture .notice")).to_have_text("Draw a box around each object.")
    page.get_by_text("Detect", exact=True).click()
    answered(page)  # by the model, without boxes
    expect(page.locator("#picture .results [data-id]")).not_to_have_count(0)


def test_what_was_asked_before_is_given_up(page: Page) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/segment?*", hold)
    page.route("**/detect?*", hold)
    choose(page, "picture", SAMPLE)
    notice = page.locator("#picture .notice")
    expect(notice).to_have_text("Asking mask_rcnn_demo…")
    with page.expect_event("requestfailed", lambda request: "/segment?" in request.url):
        page.get_by_text("Detect", exact=True).click()
    expect(notice).to_have_text("Asking deformable_detr_demo…")
    expect(page.locator("#picture")).to_have_attribute("data-busy", "")
    held[-1].continue_()
    answered(page)
    expect(notice).to_contain_text("deformable_detr_demo: ")
