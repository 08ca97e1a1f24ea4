"""`make` says what it is about to do where that takes long."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def planned(target: str, tmp_path: Path, **variables: str) -> list[str]:
    """What `make` would say and do in a fresh clone."""
    make = shutil.which("make")
    if make is None:
        pytest.skip("make is not installed")
    given = [f"{name}={value}" for name, value in variables.items()]
    plan = subprocess.run(  # noqa: S603 (our own Makefile)
        [make, "--dry-run", target, f"VENV={tmp_path / 'venv'}", *given],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    return plan.stdout.splitlines()


@pytest.mark.parametrize(
    ("target", "variables", "said"),
    [
        ("serve", {}, "a minute or two; then maskd listens on http://127.0.0.1:8000"),
        ("serve", {"MASKD_HOST": "0.0.0.0", "MASKD_PORT": "9"}, "listens on http://0.0.0.0:9"),  # noqa: S104
        ("test", {}, "a minute or two; then the tests run"),
        ("demo", {}, "a minute or two; once"),
    ],
)
def test_the_first_installation_is_told_before_it_begins(
    target: str, variables: dict[str, str], said: str, tmp_path: Path
) -> None:
    lines = planned(target, tmp_path, **variables)
    (told,) = (number for number, line in enumerate(lines) if said in line)
    installs = [number for number, line in enumerate(lines) if "pip install" in line]
    assert told < installs[0]
