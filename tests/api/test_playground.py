"""The playground's files: who gets them, with which headers, and what else nobody gets."""

import re
from pathlib import Path

import httpx
import pytest

from tests.api.serving import serving

STATIC = Path(__file__).resolve().parents[2] / "service" / "static"
BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
KINDS = {
    ".css": "text/css",
    ".html": "text/html",
    ".jpg": "image/jpeg",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".webm": "video/webm",
}


async def get(path: str, **headers: str) -> httpx.Response:
    async with serving() as client:
        return await client.get(path, headers=headers)


async def test_a_browser_gets_the_page_and_others_get_pointers() -> None:
    page = await get("/", **BROWSER)
    assert page.headers["content-type"].startswith("text/html")
    assert page.text == (STATIC / "index.html").read_text()
    for accept in ("*/*", "application/json", ""):
        pointers = await get("/", accept=accept)
        assert pointers.json()["docs"] == "/docs"
        assert pointers.headers["vary"] == "accept"


async def test_nothing_of_elsewhere_can_be_loaded_and_no_script_of_the_page_itself() -> None:
    for path in ("/", "/static/js/main.js"):
        headers = (await get(path, **BROWSER)).headers
        policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
        assert policy["default-src"] == "'none'"
        assert policy["frame-ancestors"] == "'none'"
        sources = {source for value in policy.values() for source in value.split()}
        assert sources == {"'none'", "'self'", "blob:"}
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


async def test_every_file_is_sent_as_what_it_is() -> None:
    files = [path for path in STATIC.rglob("*") if path.is_file()]
    async with serving() as client:
        for path in files:
            reply = await client.get(f"/static/{path.relative_to(STATIC).as_posix()}")
            assert reply.content == path.read_bytes()
            assert reply.headers["content-type"].partition(";")[0] == KINDS[path.suffix]


async def test_a_file_is_sent_again_only_if_it_changed() -> None:
    for path in ("/", "/static/js/main.js"):
        first = await get(path, **BROWSER)
        assert first.headers["cache-control"] == "no-cache"
        again = await get(path, **BROWSER, **{"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "../app.py",
        "..%2fapp.py",
        "%2e%2e/app.py",
        "js/..%2f..%2fapp.py",
        "..%5capp.py",
        "%2fetc%2fpasswd",
        "js",
        "",
        "%00",
        "index.html%00.js",
        "x" * 5000,
        "nothing.js",
    ],
)
async def test_there_is_nothing_beside_the_files(path: str) -> None:
    reply = await get(f"/static/{path}")
    assert (reply.status_code, reply.json()["code"]) == (404, "not-found")


async def test_the_files_cannot_be_written() -> None:
    async with serving() as client:
        reply = await client.post("/static/js/main.js", content=b"x")
    assert (reply.status_code, reply.json()["code"]) == (405, "method-not-allowed")


def test_the_page_and_its_scripts_name_only_what_is_there() -> None:
    page = (STATIC / "index.html").read_text()
    for target in re.findall(r'(?:href|src)="static/([^"]+)"', page):
        assert (STATIC / target).is_file()
    scripts = list(STATIC.rglob("*.js"))
    assert scripts
    for path in scripts:
        for target in re.findall(r'^(?:import|\} from) .*?"(\..*?)";$', path.read_text(), re.M):
            assert (path.parent / target).is_file()
    assert not re.findall(r"https?://(?!www\.w3\.org)", page)
