"""The command line: from nothing to a weights file and a card, and on a folder of pictures."""

import re
from pathlib import Path

import pytest
import torch

from models import checkpoint, zoo
from models.training.__main__ import _parser, main
from models.training.export import half_weights
from models.training.plans import demo_variants
from tests.training.test_coco_folder import note, write_folder

ROOT = Path(__file__).resolve().parents[2]


def train(tmp_path, *options):
    return main(
        [
            "mask_rcnn_demo",
            *("--batch-size", "1", "--unseen", "1", "--loaders", "0"),
            *("--run", str(tmp_path / "run"), "--out", str(tmp_path / "out")),
            *options,
        ]
    )


def test_training_writes_weights_that_load_and_a_card(tmp_path):
    assert train(tmp_path, "--steps", "2") == 0
    weights = checkpoint.read(tmp_path / "out" / "mask_rcnn_demo.safetensors")
    assert weights["backbone.body.conv1.weight"].dtype == torch.float16
    assert weights["backbone.body.bn1.running_var"].dtype == torch.float32
    zoo.load("mask_rcnn_demo", weights)
    card = (tmp_path / "out" / "mask_rcnn_demo.md").read_text()
    assert re.search(r"^steps: 2$", card, re.MULTILINE)
    assert "| mask AP75 |" in card


def test_a_finished_run_is_not_trained_again(tmp_path):
    weights_file = tmp_path / "out" / "mask_rcnn_demo.safetensors"
    assert train(tmp_path, "--steps", "1") == 0
    weights = weights_file.read_bytes()
    weights_file.unlink()
    assert train(tmp_path, "--steps", "1", "--resume", "--learning-rate", "0.5") == 0
    assert weights_file.read_bytes() == weights


def test_a_new_run_does_not_overwrite_another(tmp_path, capsys):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "snapshot.safetensors").write_bytes(b"hours of work")
    assert train(tmp_path, "--steps", "1") == 2
    assert "--resume" in capsys.readouterr().err
    assert (tmp_path / "run" / "snapshot.safetensors").read_bytes() == b"hours of work"


def test_fine_tuning_learns_the_categories_of_a_folder(tmp_path):
    notes = [note(number, category_id=9) for number in range(12)]
    folder = write_folder(tmp_path, notes, category=9)
    assert train(tmp_path, "--coco", str(folder), "--steps", "1") == 0
    weights = checkpoint.read(tmp_path / "out" / "mask_rcnn_demo.safetensors")
    assert weights["roi_heads.box_predictor.cls_score.weight"].shape[0] == 10


def test_the_pages_example_runs(tmp_path, monkeypatch):
    page = (ROOT / "docs" / "training.md").read_text()
    (example,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    exec(example, {"__name__": "example"})  # noqa: S102 (the page's own code)
    assert "steps: 2" in (tmp_path / "run" / "mask_rcnn_demo.md").read_text()


def test_the_page_names_every_option_and_plan():
    page = (ROOT / "docs" / "training.md").read_text()
    options = {word for action in _parser()._actions for word in action.option_strings}
    assert [word for word in options - {"-h", "--help"} if f"{word}" not in page] == []
    assert [variant for variant in demo_variants() if variant not in page] == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["nothing_demo"], "unknown variant 'nothing_demo'; there are"),
        (["nothing_demo", "--coco", "/nowhere"], "unknown variant 'nothing_demo'"),
        (["mask_rcnn_demo", "--coco", "/nowhere"], "/nowhere is no COCO folder"),
        (["mask_rcnn_r50_fpn"], "is not made from nothing: name a folder with --coco"),
        (["mask_rcnn_r50_fpn", "--coco", "/nowhere"], "name a file with --checkpoint"),
        (["aot_demo", "--coco", "/nowhere"], "aot_demo is no Mask R-CNN"),
    ],
)
def test_what_cannot_be_trained_is_said_in_one_line(options, said, capsys):
    assert main(options) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert said in error


def test_stored_weights_keep_small_variances():
    stored = half_weights(
        {
            "bn.running_var": torch.tensor([1e-9]),
            "bn.weight": torch.tensor([0.5]),
            "bn.num_batches_tracked": torch.tensor(3),
        }
    )
    assert stored["bn.running_var"].item() == pytest.approx(1e-9)
    assert set(stored) == {"bn.running_var", "bn.weight"}
