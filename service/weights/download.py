"""One file over HTTP: goes on where it was cut, clicks through what stands before it."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import httpx

from service.weights.errors import DownloadError
from service.weights.pages import Page, direct

_ATTEMPTS = 5  # without a byte of progress
_PAGES = 3  # between the first page and the file
_MAX_PAGE = 1_000_000  # characters
_OK, _PARTIAL, _BAD_RANGE = 200, 206, 416
_TIMEOUT = httpx.Timeout(60.0, connect=20.0)
_LATER = (408, 425, 429, 500, 502, 503, 504)


def open_client(transport: httpx.BaseTransport | None = None) -> httpx.Client:
    """Return a client that follows redirects, but none that leads from https to plain http.

    Proxies and certificates are those of the environment: HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE and
    so on.

    Args:
        transport: what sends requests; None: the network.
    """
    return httpx.Client(
        transport=transport,
        follow_redirects=True,
        timeout=_TIMEOUT,
        event_hooks={"response": [_check_redirect]},
    )


class Progress(Protocol):
    """Whom a download tells how far it is."""

    def __call__(self, done: int, total: int | None) -> object:
        """Take note of bytes on disk, and of how many there will be where that is known."""
        ...


class _TryAgain(Exception):
    """This attempt failed; another may not."""


class Download:
    """A file on its way to `target`; what is here of it waits in `<target>.part` for the next try.

    State: `_url`, which moves on with each page in between.

    Args:
        client: as `open_client` makes it.
        url: of the file, or of a Google Drive page.
        target: where it shall be.
        progress: is told of every piece.
        pause: waits so many seconds between attempts.
    """

    def __init__(
        self,
        client: httpx.Client,
        url: str,
        target: Path,
        *,
        progress: Progress = lambda *_: None,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._client = client
        self._source = url
        self._url = direct(url)
        self._target = target
        self._part = target.with_name(f"{target.name}.part")
        self._note = target.with_name(f"{target.name}.part.json")
        self._progress = progress
        self._pause = pause

    def run(self) -> None:
        """Bring the whole file to `target`, in as many attempts as bring it further.

        Raises:
            DownloadError: no answer, or another one than the file.
            OSError: the disk does not take it.
        """
        failures = pages = 0
        while True:
            before = self._size()
            try:
                if self._attempt():
                    break
                pages += 1
                if pages > _PAGES:
                    raise DownloadError(f"{self._shown} leads from page to page, not to a file")
            except httpx.InvalidURL as error:
                raise DownloadError(f"{self._shown} is no URL: {error}") from error
            except (httpx.HTTPError, _TryAgain) as error:
                failures = 0 if self._size() > before else failures + 1
                if failures == _ATTEMPTS or isinstance(error, httpx.UnsupportedProtocol):
                    reason = str(error) or type(error).__name__
                    raise DownloadError(f"{self._shown} cannot be fetched: {reason}") from error
                self._pause(2.0 ** max(0, failures - 1))
        self._part.replace(self._target)
        self._note.unlink(missing_ok=True)

    @property
    def _shown(self) -> str:
        return without_secrets(self._source)

    def _size(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def _attempt(self) -> bool:
        """Return whether the file is complete; False after a page that led on."""
        have, headers = self._size(), {"accept-encoding": "identity"}
        validator = self._validator()
        if have and validator:
            headers |= {"range": f"bytes={have}-", "if-range": validator}
        with self._client.stream("GET", self._url, headers=headers) as response:
            self._check_status(response)
            if response.headers.get("content-type", "").startswith("text/html"):
                self._follow(response)
                return False
            self._write(response, have)
        return True

    def _check_status(self, response: httpx.Response) -> None:
        status = response.status_code
        if status == _BAD_RANGE:
            self._part.unlink()
            raise _TryAgain("the part that is here is not of this file")
        if status in _LATER:
            raise _TryAgain(f"it answers {status}")
        if status not in (_OK, _PARTIAL):
            raise DownloadError(f"{self._shown} answers {status} {response.reason_phrase}")

    def _follow(self, response: httpx.Response) -> None:
        text = ""
        for piece in response.iter_text():
            text += piece
            if len(text) > _MAX_PAGE:
                break
        page = Page(text)
        url = page.next_url(str(response.url))
        if url is None:
            raise DownloadError(f"{self._shown} gives a page, not a file: {page.title!r}")
        _check_secure(response.url, httpx.URL(url))
        self._url = url

    def _write(self, response: httpx.Response, have: int) -> None:
        """Write what comes, behind what is here if the server goes on there."""
        offset = have if response.status_code == _PARTIAL else 0
        total = _total(response, offset)
        self._note.write_text(json.dumps({"validator": _validator(response)}))
        with self._part.open("ab" if offset else "wb") as file:
            done = offset
            self._progress(done, total)
            for chunk in response.iter_bytes():
                file.write(chunk)
                done += len(chunk)
                self._progress(done, total)
        if total is not None and done != total:
            raise _TryAgain(f"{done} bytes of {total} came")

    def _validator(self) -> str:
        """What tells the version of which a part is here; "": unknown, the part is of no use."""
        try:
            return str(json.loads(self._note.read_text())["validator"])
        except (OSError, ValueError, LookupError, TypeError):
            return ""


def without_secrets(url: str) -> str:
    """Return a URL without user, password and query, any of which may be secret."""
    try:
        return str(httpx.URL(url).copy_with(userinfo=b"", query=None, fragment=None))
    except (httpx.InvalidURL, TypeError):
        return "the given location"


def _check_redirect(response: httpx.Response) -> None:
    if response.has_redirect_location:
        _check_secure(response.url, response.url.join(response.headers["location"]))


def _check_secure(source: httpx.URL, target: httpx.URL) -> None:
    """Refuse a way on which others could change the file, where its publisher asked for none."""
    if source.scheme == "https" and target.scheme == "http":
        raise DownloadError(
            f"{without_secrets(str(source))} leads from https to plain http, to "
            f"{without_secrets(str(target))}: refused, since anybody on the way could change the "
            "file"
        )


def _validator(response: httpx.Response) -> str:
    """A strong entity tag, else a date; weak tags do not tell whether bytes are the same."""
    tag = str(response.headers.get("etag", ""))
    return tag if tag.startswith('"') else str(response.headers.get("last-modified", ""))


def _total(response: httpx.Response, offset: int) -> int | None:
    """Bytes of the whole file."""
    if response.status_code == _PARTIAL:
        told = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("content-range", ""))
        if told is None or int(told[1]) != offset:
            raise DownloadError("the server answers with another range than was asked for")
        return int(told[2])
    length = response.headers.get("content-length", "")
    return int(length) if length.isdigit() else None
