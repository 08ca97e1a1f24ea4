"""The generated pages say what the code says."""

import re
from pathlib import Path

import pytest

from docs.generate import PAGES
from service.app import create_app
from service.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
INDICES = (ROOT / "README.md", DOCS / "README.md")
PAGES_BY_HAND = sorted({*DOCS.rglob("*.md"), *ROOT.glob("*.md"), *(ROOT / "models").rglob("*.md")})
FIGURE = r"\]\((?:\.\./)?(models/demo/\w+\.md)\)[^\[\]\n]*?\b(mask AP|box AP|mIoU|J&F)\s+(\d\.\d+)"


def links(page: Path) -> list[tuple[Path, str]]:
    """The relative links of a page: each its file, and the heading in it or nothing."""
    targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    parts = [target.partition("#") for target in targets if "://" not in target]
    return [(page.parent / name if name else page, heading) for name, _, heading in parts]


def headings(page: Path) -> set[str]:
    """What links call the headings of a page."""
    lines = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_current(name: str) -> None:
    assert (DOCS / name).read_text() == PAGES[name](), "run make docs"


def test_the_guide_names_every_option() -> None:
    guide = (DOCS / "api.md").read_text() + (DOCS / "sessions.md").read_text()
    paths = create_app(Settings()).openapi()["paths"]
    operations = [operation for methods in paths.values() for operation in methods.values()]
    parameters = [item for operation in operations for item in operation.get("parameters", ())]
    options = {item["name"] for item in parameters if item["in"] == "query"}
    assert [name for name in options if f"`{name}`" not in guide] == []


@pytest.mark.parametrize("page", PAGES_BY_HAND, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_link_leads_somewhere(page: Path) -> None:
    assert [file for file, _ in links(page) if not file.exists()] == []
    inside = [(file, heading) for file, heading in links(page) if heading]
    assert [heading for file, heading in inside if heading not in headings(file)] == []


def test_every_page_is_linked_from_an_index() -> None:
    linked = {file.resolve() for index in INDICES for file, _ in links(index)}
    assert [page.name for page in DOCS.rglob("*.md") if page not in {*linked, *INDICES}] == []


def test_every_card_is_linked_from_the_index_of_documents() -> None:
    linked = {file.resolve() for file, _ in links(DOCS / "README.md")}
    assert [card.name for card in (ROOT / "models").rglob("*.md") if card not in linked] == []


@pytest.mark.parametrize("page", [*INDICES, DOCS / "training.md"])
def test_a_figure_beside_a_card_is_the_cards(page: Path) -> None:
    text = page.read_text().replace("\n", " ")
    for card, measure, figure in re.findall(FIGURE, text):
        assert f"| {measure} | {figure} |" in (ROOT / card).read_text(), (card, measure, figure)


def test_the_readme_and_the_training_page_show_figures_of_cards() -> None:
    for page, least in ((ROOT / "README.md", 2), (DOCS / "training.md", 3)):
        assert len(re.findall(FIGURE, page.read_text().replace("\n", " "))) >= least


def test_the_notice_names_what_every_family_follows() -> None:
    notice = (ROOT / "NOTICE").read_text()
    for source in ("torchvision", "detectron2", "mmsegmentation", "Deformable-DETR"):
        assert source in notice
    for source in ("aot-benchmark", "foolwood/SiamMask", "CC BY-SA 3.0"):
        assert source in notice
