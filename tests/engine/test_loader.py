from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from models import zoo
from models.checkpoint import CheckpointError
from models.predictor import ImagePredictor, VideoPredictor
from service.engine.loader import MissingWeights, UnknownModel, ZooLoader
from service.settings import Settings


def loader_of(folder: Path) -> ZooLoader:
    return ZooLoader(Settings(weights_dir=str(folder)))


def test_tasks_are_the_zoo_s(tmp_path: Path) -> None:
    assert loader_of(tmp_path).task("mask_rcnn_r50_fpn") == "segment"


def test_an_unknown_model_is_named_with_where_its_weights_would_be(tmp_path: Path) -> None:
    with pytest.raises(UnknownModel) as raised:
        loader_of(tmp_path).task("nope")
    place = tmp_path / "nope.safetensors"
    said = str(raised.value)
    assert said.startswith(f"nope is no variant, and there are no weights of that name at {place};")
    assert "mask_rcnn_r50_fpn, " in said


def test_without_a_file_the_included_weights_are_loaded_in_the_settings_dtype(
    tmp_path: Path,
) -> None:
    loader = ZooLoader(Settings(weights_dir=str(tmp_path), dtype="bfloat16"))
    predictor = loader.load("mask_rcnn_demo", "cpu")
    assert isinstance(predictor, ImagePredictor)
    assert predictor._dtype is torch.bfloat16


def test_published_weights_that_were_not_fetched_come_with_the_command_that_does(
    tmp_path: Path,
) -> None:
    with pytest.raises(MissingWeights) as raised:
        loader_of(tmp_path).load("aot_t", "cpu")
    assert str(raised.value) == (
        f"its weights are not in {tmp_path}: `maskd weights fetch aot_t` gets them"
    )
    with pytest.raises(CheckpointError, match="nobody has published any"):
        loader_of(tmp_path).load("siammask_base", "cpu")


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_file_of_the_weights_folder_goes_before_the_included(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"mask_rcnn_demo{suffix}").write_bytes(b"not a checkpoint")
    with pytest.raises(CheckpointError):
        loader_of(tmp_path).load("mask_rcnn_demo", "cpu")


def test_networks_that_follow_objects_through_videos_are_loaded_too(tmp_path: Path) -> None:
    save_file(dict(zoo.build("aot_demo").state_dict()), tmp_path / "aot_demo.safetensors")
    loader = loader_of(tmp_path)
    assert loader.task("aot_demo") == "track"
    assert isinstance(loader.load("aot_demo", "cpu"), VideoPredictor)
