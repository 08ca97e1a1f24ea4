"""The command line from end to end, with small weights and a publisher on this machine."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from models import zoo
from models.predictor import Category, ImagePredictor
from service.__main__ import main
from service.engine.loader import ZooLoader
from service.settings import Settings
from service.weights import acquire
from service.weights.folder import Folder
from tests.harmful import Calls
from tests.test_converted import three_classes
from tests.weights.publisher import Publisher, publishing

DEMO = "mask_rcnn_demo"
WEIGHTS = load_file(Path(zoo.__file__).parent / "demo" / f"{DEMO}.safetensors")
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "weights"


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    for name in [name for name in os.environ if name.startswith("MASKD_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MASKD_WEIGHTS_DIR", str(folder))

    def run(*words: str | Path) -> tuple[int, str]:
        status = main(["weights", *map(str, words)])
        said = capsys.readouterr()
        return status, said.out + said.err

    return run


@pytest.fixture
def publisher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> Iterator[Publisher]:
    """A mirror of `aot_t`, the smallest of the published."""
    del run  # the environment is set already
    with publishing(Publisher(published(tmp_path))) as running:
        monkeypatch.setenv("MASKD_WEIGHTS_URLS", f"aot_t={running.url}?key=secret")
        yield running


def published(tmp_path: Path, **beside: int) -> bytes:
    with torch.device("meta"):
        names = zoo.build("aot_t").state_dict()
    weights = {name: torch.zeros(tensor.shape) for name, tensor in names.items()}
    torch.save({"state_dict": weights, **beside}, tmp_path / "published.pth")
    return (tmp_path / "published.pth").read_bytes()


def mine(tmp_path: Path) -> Path:
    torch.save({"model": WEIGHTS}, tmp_path / "mine.pth")
    return tmp_path / "mine.pth"


def test_weights_are_fetched_verified_converted_and_kept(
    run: Run, publisher: Publisher, folder: Path
) -> None:
    assert run("fetch", "aot_t") == (0, f"aot_t is here, from {publisher.url}\n")
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == [
        *("aot_t.safetensors", "digests.json"),
    ]
    origin = zoo.read_origin(folder / "aot_t.safetensors")
    assert origin is not None
    assert origin.sha256 == hashlib.sha256(publisher.content).hexdigest()
    assert "secret" not in (folder / "digests.json").read_text() + str(origin)
    zoo.load("aot_t", folder / "aot_t.safetensors")
    asked = len(publisher.asked)
    assert run("fetch", "aot_t") == (0, "aot_t is here already\n")
    assert run("verify")[0] == 0
    assert len(publisher.asked) == asked


def test_a_file_that_changed_after_it_was_first_fetched_is_refused(
    run: Run, publisher: Publisher, folder: Path, tmp_path: Path
) -> None:
    run("fetch", "aot_t")
    (folder / "aot_t.safetensors").unlink()
    publisher.content = published(tmp_path, epoch=7)
    status, said = run("fetch", "aot_t")
    assert status == 1
    assert "is not what it was: its SHA-256 was" in said
    assert not (folder / "aot_t.safetensors").exists()


def test_a_file_with_another_digest_than_published_is_refused(
    run: Run, publisher: Publisher, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MASKD_WEIGHTS_URLS", f"mask_rcnn_r50_fpn={publisher.url}")
    status, said = run("fetch", "mask_rcnn_r50_fpn")
    assert status == 1
    assert "is not the published file: its SHA-256 is" in said
    assert "not bf2d0c1e" in said
    assert not any(path.is_file() for path in folder.rglob("*"))


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["mask_rcnn_demo"], "mask_rcnn_demo is included: nothing to fetch"),
        (["siammask_base"], "siammask_base is never published: nothing to fetch"),
        (["mask_rcnn"], "unknown variant 'mask_rcnn'; there are"),
    ],
)
def test_what_nobody_published_is_said(run: Run, names: list[str], said: str) -> None:
    status, text = run("fetch", *names)
    assert status == 1
    assert said in text
    assert text.count("\n") == 1


def test_the_next_location_is_tried_where_one_does_not_answer(
    run: Run, publisher: Publisher, folder: Path
) -> None:
    gone = zoo.PublishedFile(publisher.url.replace("/file", "/gone"), "gone.pth", "the authors")
    here = zoo.PublishedFile(publisher.url, "here.pth", "the authors")
    lines: list[str] = []
    acquire.fetch("aot_t", (gone, here), Folder(folder), say=lines.append)
    assert lines == [f"{gone.url} answers 404 Not Found; trying the next location"]
    assert run("verify", "aot_t") == (0, f"aot_t is as recorded, from {here.url}\n")


def test_own_weights_are_served_under_a_name_of_their_own(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    assert run("import", DEMO, mine(tmp_path), "--name", "street-1") == (
        *(0, f"{DEMO} is here: serve it with MASKD_MODELS=street-1\n"),
    )
    loader = ZooLoader(Settings(weights_dir=str(folder)))
    assert loader.variant("street-1") == DEMO
    assert loader.task("street-1") == "segment"
    assert isinstance(loader.load("street-1", "cpu"), ImagePredictor)
    status, said = run("list")
    assert status == 0
    assert f"your own, for the network of {DEMO}" in said


def test_own_labels_come_with_the_weights(run: Run, folder: Path, tmp_path: Path) -> None:
    save_file(three_classes(), tmp_path / "mine.safetensors")
    (tmp_path / "labels.json").write_text('{"1": "cat", "2": "dog"}')
    words = ("import", DEMO, tmp_path / "mine.safetensors", "--labels", tmp_path / "labels.json")
    assert run(*words, "--name", "pets")[0] == 0
    predictor = ZooLoader(Settings(weights_dir=str(folder))).load("pets", "cpu")
    assert dict(predictor.categories) == {1: Category(1, "cat"), 2: Category(2, "dog")}
    assert "need a name of their own: --name" in run(*words)[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("mask_rcnn_r50_fpn",), "is not the published file: its SHA-256 is"),
        (("mask_rcnn_r50_fpn",), "if it is your own, give it a name: --name"),
        (("mask_rcnn_r50_fpn", "--name", "mine"), "the weights do not fit the network"),
        ((DEMO, "--name", "aot_t"), "aot_t is a variant's name"),
        ((DEMO, "--name", "../up"), "'../up' is no name"),
        (
            (DEMO, "--name", "mine", "--labels", "absent.json"),
            "cannot read labels from absent.json",
        ),
        (("nothing",), "unknown variant 'nothing'"),
    ],
)
def test_an_import_that_cannot_be_says_why_in_one_line(
    run: Run, folder: Path, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    variant, *options = words
    status, text = run("import", variant, mine(tmp_path), *options)
    assert status == 1
    assert said in text
    assert text.count("\n") == 1
    assert not list(folder.glob("*.safetensors"))


def test_a_harmful_file_is_refused_and_an_absent_one_named(run: Run, tmp_path: Path) -> None:
    torch.save({**WEIGHTS, "harm": Calls(os.system, "touch made")}, tmp_path / "mine.pth")
    status, said = run("import", DEMO, tmp_path / "mine.pth", "--name", "mine")
    assert (status, "it asks for posix.system; only tensors are read" in said) == (1, True)
    status, said = run("import", DEMO, tmp_path / "absent.pth", "--name", "mine")
    assert (status, "No such file" in said) == (1, True)


def test_a_change_in_the_folder_is_found(run: Run, folder: Path, tmp_path: Path) -> None:
    run("import", DEMO, mine(tmp_path), "--name", "one")
    run("import", DEMO, mine(tmp_path), "--name", "two")
    with (folder / "one.safetensors").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\xff")
    (folder / "two.safetensors").unlink()
    save_file(WEIGHTS, folder / "three.safetensors")
    status, said = run("verify")
    assert status == 1
    assert "one: changed: not the bytes that were put here" in said
    assert "two: missing" in said
    assert "three: unknown: not put here by `maskd weights`" in said
    assert "one is changed" in run("export", tmp_path / "stick", "one")[1]


def test_what_is_exported_is_a_weights_folder_elsewhere(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("import", DEMO, mine(tmp_path), "--name", "one")
    run("import", DEMO, mine(tmp_path), "--name", "two")
    stick = tmp_path / "stick"
    assert run("export", stick, "one") == (0, f"one is in {stick}\n")
    assert run("export", stick)[0] == 0
    monkeypatch.setenv("MASKD_WEIGHTS_DIR", str(stick))
    assert run("verify")[0] == 0
    records = json.loads((stick / "digests.json").read_text())
    assert records == json.loads((folder / "digests.json").read_text())
    monkeypatch.setenv("MASKD_WEIGHTS_DIR", str(tmp_path / "third"))
    assert run("import", DEMO, stick / "one.safetensors")[0] == 0
    assert zoo.read_origin(tmp_path / "third" / f"{DEMO}.safetensors") == zoo.read_origin(
        stick / "one.safetensors"
    )


def test_a_spoilt_record_is_named(run: Run, folder: Path) -> None:
    folder.mkdir()
    (folder / "digests.json").write_text("[")
    assert "cannot read" in run("import", DEMO, Path(__file__), "--name", "x")[1]
    (folder / "digests.json").write_text('{"a": {"b": 1}}')
    status, said = run("verify")
    assert (status, said.count("\n")) == (1, 1)
    assert "cannot read" in said


def test_what_cannot_be_written_whole_leaves_what_was_there(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    run("import", DEMO, mine(tmp_path), "--name", "one")
    records = (folder / "digests.json").read_text()
    (folder / "digests.json.part").mkdir()  # in the way of what is written first
    assert run("import", DEMO, mine(tmp_path), "--name", "two")[0] == 1
    assert (folder / "digests.json").read_text() == records
    (tmp_path / "stick" / "one.part").mkdir(parents=True)
    assert run("export", tmp_path / "stick", "one")[0] == 1
    assert not (tmp_path / "stick" / "one.safetensors").exists()
