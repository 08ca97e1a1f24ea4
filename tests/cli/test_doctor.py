"""`maskd doctor`: it says what would not work, and is right."""

import re
import socket
from pathlib import Path

import pytest

from service.__main__ import main
from service.settings import Settings


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MASKD_PORT", "0")
    monkeypatch.setenv("MASKD_WEIGHTS_DIR", str(tmp_path))
    monkeypatch.setenv("MASKD_DEVICES", "cpu")


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


@pytest.mark.slow
def test_where_all_is_well_all_is_ok(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    said = lines(capsys)
    assert all(line.startswith("ok  ") for line in said)
    loaded = [line.split()[1] for line in said if "loads and answers" in line]
    assert loaded == list(Settings().models)
    sizes = [re.search(r"; weights take (\d+\.\d) MiB", line) for line in said[-len(loaded) :]]
    assert all(size and 1 < float(size[1]) < 50 for size in sizes)


def test_a_model_without_weights_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MASKD_MODELS", "mask_rcnn_r50_fpn,no_such_model")
    assert main(["doctor"]) == 1
    bad = [line for line in lines(capsys) if line.startswith("NO  ")]
    assert ["mask_rcnn_r50_fpn" in bad[0], "no_such_model" in bad[1]] == [True, True]
    assert len(bad) == 2


def test_a_taken_port_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MASKD_MODELS", "no_such_model")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("MASKD_PORT", str(taken.getsockname()[1]))
        assert main(["doctor"]) == 1
    assert any("Address already in use" in line and line[:2] == "NO" for line in lines(capsys))


def test_a_device_that_is_not_here_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MASKD_DEVICES", "cuda:77")
    assert main(["doctor"]) == 1
    assert lines(capsys)[-1].startswith("NO  MASKD_DEVICES")
