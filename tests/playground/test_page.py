"""The page as a whole: files from anywhere, tabs, keys, phones, what is loaded."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.playground.looking import ROOT, SAMPLE, answered, choose, drop

COPY_A_PICTURE = """async () => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [90, 70];
  canvas.getContext("2d").fillRect(0, 0, 90, 70);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
  await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]);
}"""


def test_nothing_is_offered_that_needs_a_picture_before_there_is_one(page: Page) -> None:
    for tab in ("picture", "video"):
        page.locator(f"#{tab}-tab").click()
        expect(page.locator(f"#{tab} .empty")).to_be_visible()
        for part in (".results", ".actions", ".another"):
            expect(page.locator(f"#{tab} {part}")).to_be_hidden()


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


def test_files_of_unknown_kind_go_to_the_tab_that_is_shown(page: Page, tmp_path: Path) -> None:
    odd = tmp_path / "odd.thing"
    odd.write_bytes(b"?")
    for tab, said in (("video", "cannot play odd.thing"), ("picture", "cannot show odd.thing")):
        page.locator(f"#{tab}-tab").click()
        drop(page, (600, 400), odd)
        expect(page.locator(f"#{tab} .notice")).to_contain_text(said)


def test_tabs_are_changed_by_keys_and_named_in_the_address(page: Page) -> None:
    page.locator("#picture-tab").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#video-tab")).to_be_focused()
    expect(page.locator("#video .empty")).to_be_visible()
    expect(page.locator("#picture")).to_be_hidden()
    assert page.evaluate("location.hash") == "#video"
    page.evaluate("location.hash = '#picture'")
    expect(page.locator("#picture .empty")).to_be_visible()


@pytest.mark.parametrize("task", ["detect", None])
def test_only_what_is_loaded_is_offered(page: Page, task: str | None) -> None:
    def leave_one(route: Any) -> None:
        models = route.fetch().json()["models"]
        route.fulfill(json={"models": [one for one in models if one["task"] == task]})

    page.route("**/models", leave_one)
    page.reload()
    page.wait_for_selector("body[data-ready]")
    expect(page.locator("[name=task]:enabled")).to_have_count(1 if task else 0)
    lacks = "" if task else "No network for pictures is loaded; MASKD_MODELS says which are."
    expect(page.locator("#picture .notice")).to_have_text(lacks)
    choose(page, "picture", SAMPLE)
    if task:
        answered(page)
    else:
        expect(page.locator("#picture .notice")).to_contain_text("No network for pictures")
    page.locator("#video-tab").click()
    notice = page.locator("#video .notice")
    expect(notice).to_contain_text("No tracker is loaded")
    page.locator("#video [data-act=sample]").click()
    page.wait_for_selector("#video[data-state=ready]")
    page.locator("#video canvas").focus()
    for key in ("Enter", "Enter"):
        page.keyboard.press(key)
    expect(page.locator("#video .row")).to_have_count(1)
    expect(notice).to_contain_text("No tracker is loaded")
    for name in ("Follow", "Find objects"):
        expect(page.get_by_role("button", name=name)).to_be_disabled()


def test_a_page_without_its_service_says_so(page: Page) -> None:
    page.route("**/models", lambda route: route.abort())
    page.reload()
    expect(page.locator(".greeting")).to_contain_text("The service does not answer")
    expect(page.locator("main")).to_be_hidden()
    page.unroute("**/models")
    page.locator(".greeting").get_by_role("button", name="Try again").click()
    page.wait_for_selector("body[data-ready]")


def test_the_page_fits_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    choose(page, "picture", SAMPLE)
    answered(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_scripts_are_small_enough_to_be_read() -> None:
    scripts = list((ROOT / "service" / "static").rglob("*.js"))
    assert scripts
    assert [path for path in scripts if len(path.read_text().splitlines()) > 200] == []
