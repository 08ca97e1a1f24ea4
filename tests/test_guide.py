"""The examples of the API guide run as they stand, and say what the guide shows."""

import os
import pkgutil
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module

import pytest
from fastapi.routing import APIWebSocketRoute

from service.api import routes
from service.app import create_app
from service.child import Child, running
from service.settings import Settings
from tests import guide
from tests.shown import unlike_json, unlike_text

TOKEN = "secret"  # noqa: S105 (of a service that lives as long as this module)
PAGES = {name: (guide.ROOT / "docs" / name).read_text() for name in ("api.md", "sessions.md")}
EXAMPLES = {name: guide.examples(text) for name, text in PAGES.items()}
NUMBERED = [(name, number) for name, found in EXAMPLES.items() for number in range(len(found))]

Said = Callable[[str], list[str | None]]


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    settings = {"MASKD_ADMIN_TOKEN": TOKEN, "MASKD_DEVICES": "cpu"}
    with running({**os.environ, **settings}) as service:
        yield service


@pytest.fixture(scope="module")
def said(child: Child, tmp_path_factory: pytest.TempPathFactory) -> Said:
    @cache
    def run(name: str) -> list[str | None]:
        folder = tmp_path_factory.mktemp("reader")
        return guide.run(EXAMPLES[name], child.url, folder, MASKD_ADMIN_TOKEN=TOKEN)

    return run


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize(("page", "number"), NUMBERED)
def test_an_example_says_what_the_guide_shows(page: str, number: int, said: Said) -> None:
    example, answer = EXAMPLES[page][number], said(page)[number]
    assert answer is not None, f"{example.code} failed, or what stands before it"
    if example.reply is not None:
        unlike = unlike_json if example.reply_kind == "json" else unlike_text
        assert unlike(example.reply, answer) == ""


def sections() -> dict[str, list[guide.Example]]:
    """The examples below each heading that names routes, by each of them."""
    found = {}
    for text in PAGES.values():
        for part in re.split(r"^## ", text, flags=re.MULTILINE):
            heading = part.partition("\n")[0]
            for route in re.findall(r"`([A-Z]+ /[^`]*)`", heading):
                found[route] = guide.examples(part)
    return found


def http_routes() -> list[str]:
    paths = create_app(Settings(admin_token=TOKEN)).openapi()["paths"]
    return [f"{method.upper()} {path}" for path, methods in paths.items() for method in methods]


def stream_routes() -> list[str]:
    modules = [
        import_module(f"{routes.__name__}.{one.name}")
        for one in pkgutil.iter_modules(routes.__path__)
    ]
    everywhere = [route for module in modules for route in module.router.routes]
    return [f"WS {route.path}" for route in everywhere if isinstance(route, APIWebSocketRoute)]


def asked(command: str) -> str:
    """What curl asks: the method and the path."""
    words = shlex.split(command)
    sends = {"-F", "--form-string", "--data-binary", "--json"} & {*words}
    method = words[words.index("-X") + 1] if "-X" in words else "POST" if sends else "GET"
    (address,) = (word for word in words if guide.HOST in word)
    path = address.partition(guide.HOST)[2].partition("?")[0]
    return f"{method} {path.replace('$session', '/sessions/0')}"


@pytest.mark.parametrize("route", http_routes())
def test_every_route_has_examples(route: str) -> None:
    examples = sections().get(route, [])
    code = "".join(one.code for one in examples if one.kind == "sh").replace("\\\n", " ")
    commands = [
        line[line.index("curl ") :].rstrip(")") for line in code.splitlines() if "curl " in line
    ]
    pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(route))
    assert any(re.fullmatch(pattern, asked(command)) for command in commands), commands
    assert any(one.kind == "python" for one in examples)


@pytest.mark.parametrize("route", stream_routes())
def test_every_stream_has_an_example(route: str) -> None:
    assert any("stream(" in one.code for one in sections().get(route, []))


def test_the_guide_begins_with_every_route() -> None:
    start = PAGES["api.md"].partition("\n## ")[0]
    assert [
        route for route in (*http_routes(), *stream_routes()) if f"`{route}`" not in start
    ] == []
