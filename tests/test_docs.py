"""The generated pages say what the code says."""

from pathlib import Path

import pytest

from docs.generate import PAGES
from service.app import create_app
from service.settings import Settings

DOCS = Path(__file__).resolve().parents[1] / "docs"


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_current(name: str) -> None:
    assert (DOCS / name).read_text() == PAGES[name](), "run make docs"


def test_the_api_page_names_every_route_and_option() -> None:
    page = (DOCS / "api.md").read_text()
    paths = create_app(Settings()).openapi()["paths"]
    operations = [operation for methods in paths.values() for operation in methods.values()]
    parameters = [item for operation in operations for item in operation.get("parameters", ())]
    options = {item["name"] for item in parameters if item["in"] == "query"}
    assert [name for name in (*paths, *options) if f"{name}`" not in page] == []
