"""What a test sees of the playground: requests, complaints, pixels, downloads."""

import base64
import io
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt
from PIL import Image
from playwright.sync_api import ConsoleMessage, Page

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "docs" / "sample.jpg"
SAMPLE_SIZE = (480, 520)  # height, width
WAIT_MS = 60_000.0

_PIXELS = 'canvas => canvas.toDataURL("image/png").split(",")[1]'
_REFUSED = "Failed to load resource"  # Chromium's own line for every status that is no success


class Watch:
    """Keeps what a page asks of whom, and what it complains of.

    Args:
        page: not gone anywhere yet.
        host: the only one that may be asked.
    """

    def __init__(self, page: Page, host: str) -> None:
        self.outside: list[str] = []
        self.complaints: list[str] = []
        self._host = host
        page.on("request", lambda request: self._see(request.url))
        page.on("websocket", lambda socket: self._see(socket.url))
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _see(self, url: str) -> None:
        parts = urlsplit(url.removeprefix("blob:"))
        if parts.netloc != self._host and parts.scheme != "data":
            self.outside.append(url)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(_REFUSED):
            self.complaints.append(message.text)


def choose(page: Page, tab: str, path: Path | str) -> None:
    """Choose a file on a tab."""
    page.locator(f"#{tab} input[type=file]").first.set_input_files(path)


def answered(page: Page) -> None:
    """Wait until what the picture tab was asked is answered."""
    page.wait_for_selector("#picture[data-state=answered]:not([data-busy])")


def set_threshold(page: Page, value: float) -> None:
    with page.expect_response("**/segment?*"):
        page.locator("[name=threshold]").fill(str(value))
    answered(page)


def drop(page: Page, at: tuple[float, float], path: Path) -> None:
    """Let a file fall on the page, as from a folder's window."""
    devtools = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        place = {"type": kind, "x": at[0], "y": at[1], "data": data}
        devtools.send("Input.dispatchDragEvent", place)


def pixels(page: Page, tab: str, size: tuple[int, int]) -> npt.NDArray[np.int16]:
    """Return what the stage shows: [h, w, 3], one sample at the middle of each picture pixel.

    Args:
        page: which shows the tab.
        tab: "picture" or "video".
        size: (height, width) of the picture.
    """
    canvas = page.locator(f"#{tab} canvas")
    canvas.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    data = base64.b64decode(canvas.evaluate(_PIXELS))
    shown = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), dtype=np.int16)
    zoom = shown.shape[0] // size[0]
    assert shown.shape[:2] == (size[0] * zoom, size[1] * zoom)
    return shown[zoom // 2 :: zoom, zoom // 2 :: zoom]


def changed(before: npt.NDArray[np.int16], after: npt.NDArray[np.int16]) -> npt.NDArray[np.bool_]:
    """Return [h, w] bool: where two views differ."""
    return (np.abs(before - after) > 2).any(axis=2)
