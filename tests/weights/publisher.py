"""A publisher of files on a free port, with the moods that real ones have."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONFIRM = """<html><head><title>Big file</title></head><body>
<form id="download-form" action="/download" method="get">
<input type="submit" value="Download anyway"/>
<input type="hidden" name="id" value="the file"><input type="hidden" name="uuid" value="a&amp;b">
</form></body></html>"""


@dataclass
class Publisher:
    """What it serves, how, and what it was asked.

    Attributes:
        content: of `/file`.
        etag: of `/file`; "": none.
        has_ranges: answers ranges.
        cuts: after so many bytes it hangs up, one entry a request; then it goes on to the end.
        statuses: one a request, answered instead of the file.
        asked: (path, range) of each request.
        url: of the file.
    """

    content: bytes = bytes(range(256)) * 4000
    etag: str = '"one"'
    has_ranges: bool = True
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""


_FILE = ("/file", "/file?key=secret", "/download?id=the+file&uuid=a%26b")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        publisher = self.server.publisher
        publisher.asked.append((self.path, self.headers.get("range")))
        pages = {"/confirm": CONFIRM, "/quota": "<title>Quota\n exceeded</title>"}
        if self.path == "/moved":
            self._say(302, location="/file")
        elif self.path in pages:
            page = pages[self.path].encode()
            self._say(200, page, **{"content-type": "text/html; charset=utf-8"})
        elif publisher.statuses:
            self._say(publisher.statuses.pop(0))
        elif self.path in _FILE:
            self._file(publisher)
        else:
            self._say(404)

    def _file(self, publisher: Publisher) -> None:
        size, start = len(publisher.content), self._start(publisher)
        if start >= size:
            self._say(416)
            return
        headers = {"etag": publisher.etag} if publisher.etag else {}
        if start:
            headers["content-range"] = f"bytes {start}-{size - 1}/{size}"
        self._head(206 if start else 200, size - start, headers)
        end = size
        if publisher.cuts:
            end = start + publisher.cuts.pop(0)
            self.close_connection = True
        self.wfile.write(publisher.content[start:end])

    def _start(self, publisher: Publisher) -> int:
        wanted = self.headers.get("range")
        is_same = self.headers.get("if-range") in (None, publisher.etag)
        is_answered = wanted and publisher.has_ranges and is_same
        return int(wanted.removeprefix("bytes=").removesuffix("-")) if is_answered else 0

    def _say(self, status: int, body: bytes = b"", **headers: str) -> None:
        self._head(status, len(body), headers)
        self.wfile.write(body)

    def _head(self, status: int, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "content-length": str(length)}.items():
            self.send_header(name, value)
        self.end_headers()


class _Server(ThreadingHTTPServer):
    publisher: Publisher


@contextmanager
def publishing(publisher: Publisher) -> Iterator[Publisher]:
    """Serve while the block runs; `publisher.url` says where."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.publisher = publisher
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        publisher.url = f"http://127.0.0.1:{server.server_port}/file"
        try:
            yield publisher
        finally:
            server.shutdown()
            thread.join()
