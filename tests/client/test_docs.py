"""The examples of `docs/client.md` run as they stand."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.outputs import SemanticMap
from service.__main__ import main
from tests.e2e.listening import Listening, listening
from tests.fake_tracker import FakeVideoPredictor
from tests.fakes import FakeBoxSegmenter, FakeModel

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "client.md").read_text()
COMMANDS = re.findall(r"^maskd (.*--url.*)$", PAGE, re.MULTILINE)
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def label_map(image: np.ndarray, **_: Any) -> SemanticMap:
    return SemanticMap(torch.ones(image.shape[:2], dtype=torch.uint8), is_refined=False)


@pytest.fixture(scope="module")
def service() -> Iterator[Listening]:
    others: dict[str, Any] = {"detect": FakeModel(), "semantic": FakeModel(label_map)}
    others["track"] = FakeVideoPredictor(prompts=("box",))
    with listening(FakeBoxSegmenter(), others=others) as running:
        yield running


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_runs(number: int, service: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    code = EXAMPLES[number].replace("http://127.0.0.1:8000", service.url)
    assert service.url in code
    exec(code, {"__name__": "example"})  # noqa: S102 (the page's own code)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_runs(
    command: str, service: Listening, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("docs", "service"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(command.replace("http://127.0.0.1:8000", service.url))) == 0
    assert list((tmp_path / "out").iterdir())


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 5
    assert len(COMMANDS) >= 3
