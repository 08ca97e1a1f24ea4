"""Debian's Chromium, and the service with its demo weights as a process of its own."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from docs.samples import sample_clip, write_clip
from service.child import running
from tests.playground.filming import FRAMES
from tests.playground.looking import WAIT_MS, Watch

NAMES = ("chromium", "chromium-browser", "google-chrome")  # of Debian, Alpine, hosted machines
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)
SETTINGS = {"MASKD_WARM_UP_SIZES": "128x96", "MASKD_MAX_IMAGE_MEGAPIXELS": "1"}


@pytest.fixture(scope="package")
def address() -> Iterator[str]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with running({**os.environ, **SETTINGS}) as service:
        yield service.url


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.webm"
    write_clip(sample_clip(FRAMES), path)
    return path


@pytest.fixture
def long_clip(tmp_path: Path) -> Path:
    """A clip of 60 frames: time enough to do something meanwhile."""
    path = tmp_path / "long.webm"
    write_clip(sample_clip(60), path)
    return path


@pytest.fixture
def page(address: str, browser: Browser) -> Iterator[Page]:
    """The playground as a new visitor sees it; it must not complain, nor ask anyone else."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 900}, permissions=["clipboard-read", "clipboard-write"]
    )
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    watch = Watch(page, urlsplit(address).netloc)
    page.goto(address)
    page.wait_for_selector("body[data-ready]")
    yield page
    context.close()
    assert watch.outside == []
    assert watch.complaints == []
