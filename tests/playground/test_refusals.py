"""What cannot be done with a picture, told kindly, and what is offered instead."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.playground.looking import SAMPLE, answered, choose


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


def test_what_the_service_does_not_read_is_sent_as_png(page: Page, tmp_path: Path) -> None:
    odd = tmp_path / "odd.gif"
    Image.open(SAMPLE).save(odd)
    choose(page, "picture", odd)
    answered(page)
    expect(page.locator("#picture .file-name")).to_have_text("odd.gif, sent as PNG")


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        ({"status": 502, "body": "<html>Bad Gateway"}, "The service answered 502"),
        ({"status": 429, "headers": {"retry-after": "7"}, "json": {}}, "Try again in 7 s."),
    ],
)
def test_who_is_busy_can_be_asked_again(page: Page, refusal: dict[str, Any], said: str) -> None:
    choose(page, "picture", SAMPLE)
    answered(page)
    page.route("**/detect?*", lambda route: route.fulfill(**refusal))
    page.get_by_text("Detect", exact=True).click()
    notice = page.locator("#picture .notice")
    expect(notice).to_contain_text(said)
    expect(page.locator("#picture .answer")).to_be_hidden()  # it was another task's
    page.unroute("**/detect?*")
    notice.get_by_role("button", name="Try again").click()
    answered(page)
