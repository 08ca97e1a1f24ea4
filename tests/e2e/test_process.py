"""The command line: what it prints, how it ends, and one real process from start to stop."""

import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from service.__main__ import COMMANDS, main
from service.child import running
from tests.api.serving import png


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in os.environ if name.startswith("MASKD_")]:
        monkeypatch.delenv(name)
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before, level


def test_a_wrong_setting_stops_the_start_with_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MASKD_DEADLINE_S", "soon")
    assert main(["serve"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("maskd: MASKD_DEADLINE_S: input should be a valid number")
    assert said.count("\n") == 1


def test_an_argument_goes_before_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MASKD_PORT", "8000")
    assert main(["serve", "--port", "high"]) == 2
    assert "MASKD_PORT" in capsys.readouterr().err


def test_a_taken_port_stops_the_start_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 2
    assert capsys.readouterr().err == (
        f"maskd: cannot listen on 127.0.0.1:{port}: Address already in use\n"
    )


def test_an_address_that_does_not_exist_stops_the_start(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["serve", "--host", "256.0.0.1", "--port", "0"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_an_unknown_model_stops_the_start_with_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MASKD_MODELS", "mask_cnn")
    assert main(["serve", "--port", "0"]) == 1
    (said,) = [line for line in capsys.readouterr().err.splitlines() if " INFO " not in line]
    assert "cannot start" in said
    assert "mask_cnn" in said
    assert "mask_rcnn_demo" in said


def test_a_process_serves_and_ends_on_a_signal() -> None:
    with running(os.environ) as child:
        assert httpx.get(f"{child.url}/readyz").status_code == 200
        reply = httpx.post(f"{child.url}/segment", content=png(), timeout=60)
        assert reply.json()["model"] == "mask_rcnn_demo"
        assert child.stop() == 0
        with pytest.raises(ProcessLookupError):
            os.kill(child.process.pid, 0)
    assert [line["message"] for line in child.lines if line["level"] != "info"] == []


def test_finding_the_command_takes_no_torch() -> None:
    code = "import sys, service.__main__; print('torch' in sys.modules)"
    said = subprocess.run(  # noqa: S603 (our own interpreter)
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert said.stdout == "False\n"


def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    for name, summary in COMMANDS.items():
        with pytest.raises(SystemExit, match="0"):
            main([name, "--help"])
        assert f"usage: maskd {name}" in capsys.readouterr().out
        assert summary
