"""Objects drawn on the first frame of a video: boxes, strokes, keys, and the list of them."""

import ast
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from models import rle
from tests.playground.filming import box_on_the_ring, copied, opened, press, truth
from tests.playground.looking import changed, pixels

SLOW_FRAMES = """() => {
  const make = createImageBitmap;
  window.createImageBitmap = async (source) => {
    await new Promise((done) => setTimeout(done, 500));
    return make(source);
  };
}"""
ROWS = "#video .results [data-id]"


def told(program: str) -> list[dict[str, Any]]:
    """The objects of a copied program."""
    calls = [node for node in ast.walk(ast.parse(program)) if isinstance(node, ast.Call)]
    return [
        {str(word.arg): ast.literal_eval(word.value) for word in call.keywords}
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == "NewObject"
    ]


def edges(mask: np.ndarray) -> tuple[float, ...]:
    """Top, bottom, left and right of a mask."""
    rows, columns = np.nonzero(mask)
    return rows.min(), rows.max() + 1, columns.min(), columns.max() + 1


def test_the_brush_is_seen_where_keys_have_it(page: Page, clip: Path) -> None:
    opened(page, clip)
    page.get_by_text("Brush", exact=True).click()
    plain = pixels(page, "video", truth(0).shape)
    page.locator("#video-tab").focus()
    press(page, "Tab", "Tab")
    expect(page.locator("#video canvas")).to_be_focused()
    ring = changed(plain, pixels(page, "video", truth(0).shape))
    height, width = ring.shape
    middle = (height / 2, height / 2, width / 2, width / 2)
    radius = 0.025 * width * np.array([-1, 1, -1, 1])
    assert edges(ring) == pytest.approx(middle + radius, abs=2)


def test_masks_are_painted_with_keys(page: Page, clip: Path) -> None:
    opened(page, clip)
    page.get_by_text("Brush", exact=True).click()
    canvas = page.locator("#video canvas")
    canvas.focus()
    press(page, "Shift+ArrowUp", "Enter", "ArrowRight", "ArrowRight", "Shift+ArrowRight", "Enter")
    expect(page.locator(ROWS)).to_have_count(1)
    press(page, "Enter", "ArrowDown", "Enter")  # a second stroke of the same object
    expect(page.locator(ROWS)).to_have_count(1)
    page.get_by_role("button", name="Draw another object").click()
    expect(canvas).to_be_focused()
    press(page, "Enter", "Enter")
    expect(page.locator(ROWS)).to_have_count(2)
    page.get_by_role("button", name="Follow").click()
    page.wait_for_selector("#video[data-state=ended]")
    first, second = told(copied(page, "python"))
    assert (first["id"], second["id"]) == (1, 2)
    strokes, dot = (rle.decode(rle.from_counts(**one["mask"])) for one in (first, second))
    height, width = strokes.shape
    step, radius = 0.01 * width, 0.025 * width
    top, bottom = height / 2 - 5 * step - radius, height / 2 - 4 * step + radius
    left, right = width / 2 - radius, width / 2 + 7 * step + radius
    assert edges(strokes) == pytest.approx((top, bottom, left, right), abs=1)
    assert dot.sum() == pytest.approx(np.pi * radius**2, rel=0.1)


def test_what_was_drawn_stays_where_the_video_begins_anew(page: Page, clip: Path) -> None:
    opened(page, clip)
    box_on_the_ring(page)
    page.get_by_label("Frames a second").select_option("25")
    expect(page.locator(ROWS)).to_have_count(1)
    page.get_by_role("button", name="Follow").click()
    page.wait_for_selector("#video[data-state=ended]")
    expect(page.locator(ROWS)).to_have_count(1)
    expect(page.locator("#video .remove")).to_have_count(0)  # the session has ended
    page.get_by_role("button", name="Start over").click()
    page.wait_for_selector("#video[data-state=ready]")
    expect(page.locator(ROWS)).to_have_count(1)
    expect(page.get_by_role("button", name="Follow")).to_be_enabled()


def test_the_focus_goes_on_where_buttons_and_rows_come_and_go(page: Page, clip: Path) -> None:
    opened(page, clip)
    box_on_the_ring(page)
    box_on_the_ring(page)
    first = page.locator("#video .row").first
    first.focus()
    press(page, "Enter")
    expect(first).to_be_focused()
    expect(first).to_have_attribute("aria-pressed", "true")
    page.locator("#video .remove").first.focus()
    press(page, "Enter")
    expect(page.locator("#video .row")).to_have_count(1)
    expect(page.locator("#video .row")).to_be_focused()
    page.get_by_role("button", name="Find objects").focus()
    press(page, "Enter")
    expect(page.get_by_role("button", name="Go on")).to_be_focused()


def test_what_is_pointed_at_stands_out_on_the_frame_and_in_the_list(page: Page, clip: Path) -> None:
    opened(page, clip)
    box_on_the_ring(page)
    page.mouse.move(5, 5)
    plain = pixels(page, "video", truth(0).shape)
    row = page.locator("#video .target")
    row.hover()
    assert changed(plain, pixels(page, "video", truth(0).shape)).any()
    expect(row).to_have_class("target pointed")
    page.mouse.move(5, 5)
    expect(row).to_have_class("target")
    canvas, (rows, columns) = page.locator("#video canvas"), np.nonzero(truth(0))
    stage = canvas.bounding_box()
    assert stage is not None
    scale = stage["width"] / truth(0).shape[1]
    canvas.hover(position={"x": columns.mean() * scale, "y": rows.mean() * scale})
    expect(row).to_have_class("target pointed")


def test_nothing_is_asked_to_be_drawn_before_there_is_a_frame(page: Page, clip: Path) -> None:
    page.evaluate(SLOW_FRAMES)
    opened(page, clip)
    page.locator("#video canvas").focus()
    press(page, "Enter", "Enter")
    expect(page.locator(ROWS)).to_have_count(1, timeout=2000)
