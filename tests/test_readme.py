"""The README keeps its promises: commands run, links lead somewhere, tables are true."""

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from models import zoo
from service.api.pictures.options import SegmentOptions
from service.child import Child, running

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
COMMANDS = [line for line in README.splitlines() if line.startswith("curl ")]
FOUND = {"segment": "instances", "semantic": "segments", "detect": "detections"}
ADDRESS = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    with running(os.environ) as service:
        yield service


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_gets_an_answer(command: str, child: Child) -> None:
    words = shlex.split(
        command.replace(ADDRESS, child.url).replace("out/overlay.png", "/dev/stdout")
    )
    said = subprocess.run(  # noqa: S603 (the README's own command)
        [*words, "--silent", "--fail"], cwd=ROOT, capture_output=True, check=True
    )
    if "image/png" in command:
        assert said.stdout.startswith(b"\x89PNG")
    else:
        route = command.partition(f"{ADDRESS}/")[2].split()[0]
        assert json.loads(said.stdout)[FOUND[route]]


def test_there_are_commands_to_try() -> None:
    assert len(COMMANDS) >= 3


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_a_link_leads_to_a_file(target: str) -> None:
    assert (ROOT / target).exists()


@pytest.mark.parametrize(
    "target", sorted(set(re.findall(r"(?:^|`)make ([a-z]+)", README, re.MULTILINE)))
)
def test_a_make_target_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_the_table_of_options_is_complete() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| (.+) \|$", README, re.MULTILINE))
    fields = SegmentOptions.model_fields
    assert set(rows) == set(fields)
    shown = {name: field.default for name, field in fields.items() if field.default is not None}
    assert {name: rows[name].strip("`") for name in shown} == {
        name: str(default) for name, default in shown.items()
    }


def test_every_named_variant_exists() -> None:
    named = set(re.findall(r"`((?:mask_rcnn|pointrend|deformable_detr|aot|siammask)_\w+)`", README))
    assert named
    assert named <= set(zoo.available())


def test_it_is_short_enough_to_be_read() -> None:
    assert len(README.splitlines()) <= 200
