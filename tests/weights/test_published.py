"""Every published file in full size, from its publisher to an answer.

The files are made from the manifests: names, shapes and wrapping are the published ones, the values
are not.
"""

import argparse
import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from models import rle, zoo
from service.app import create_app
from service.settings import Settings
from service.weights import acquire
from service.weights.folder import Folder, digest
from tests.api.serving import png, running
from tests.goldens import ROOT, needs_goldens
from tests.weights.publisher import Publisher, publishing

Tensors = dict[str, torch.Tensor]

PROMPTS = {"box": [10, 10, 20, 20], "mask": rle.encode(np.eye(48, 64, dtype=bool))}


def bare(tensors: Tensors, path: Path) -> None:
    torch.save(tensors, path)


def legacy(tensors: Tensors, path: Path) -> None:
    torch.save(tensors, path, _use_new_zipfile_serialization=False)


def of_detectron2(tensors: Tensors, path: Path) -> None:
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    path.write_bytes(pickle.dumps({"model": arrays, "__author__": "Detectron2"}, 2))


def of_mmsegmentation(tensors: Tensors, path: Path) -> None:
    torch.save({"meta": {"iter": 160000}, "state_dict": tensors}, path)


def of_deformable_detr(tensors: Tensors, path: Path) -> None:
    beside = {"optimizer": {"state": {}}, "epoch": 49, "args": argparse.Namespace(lr=2e-4)}
    torch.save({"model": tensors, **beside}, path)


def of_aot(tensors: Tensors, path: Path) -> None:
    torch.save({"state_dict": tensors, "optimizer": {"state": {}}}, path)


def of_siammask(tensors: Tensors, path: Path) -> None:
    prefixed = {f"module.{name}": tensor for name, tensor in tensors.items()}
    legacy({"state_dict": prefixed, "epoch": 20}, path)  # type: ignore[dict-item]


Save = Callable[[Tensors, Path], None]
DETR = {
    f"deformable_detr_{name}": name.replace("r50_two", "r50_refine_two")
    for name in ("r50", "r50_refine", "r50_two_stage", "r50_single_scale", "r50_single_scale_dc5")
}
# (variant, which of its files): manifest, how it is saved.
FILES: dict[tuple[str, int], tuple[str, Save]] = {
    ("mask_rcnn_r50_fpn", 0): ("mask_rcnn/manifest-maskrcnn_resnet50_fpn", legacy),
    ("mask_rcnn_r50_fpn_v2", 0): ("mask_rcnn/manifest-maskrcnn_resnet50_fpn_v2", bare),
    ("pointrend_deeplabv3_r50", 0): ("pointrend/manifest-deeplabv3_resnet50_coco", bare),
    ("pointrend_deeplabv3_r101", 0): ("pointrend/manifest-deeplabv3_resnet101_coco", bare),
    ("pointrend_fpn_r101_cityscapes", 0): (
        "pointrend/manifest-pointrend_semantic_R_101_FPN_1x_cityscapes",
        of_detectron2,
    ),
    ("pointrend_fpn_r50_ade20k", 0): (
        "pointrend/manifest-pointrend_r50_512x512_160k_ade20k",
        of_mmsegmentation,
    ),
    ("pointrend_fpn_r101_ade20k", 0): (
        "pointrend/manifest-pointrend_r101_512x512_160k_ade20k",
        of_mmsegmentation,
    ),
    **{
        (name, 0): (f"deformable_detr/manifest-hf-{file}", save_file) for name, file in DETR.items()
    },
    **{
        (name, 1): (f"deformable_detr/manifest-{file}", of_deformable_detr)
        for name, file in DETR.items()
    },
    ("aot_t", 0): ("aot/manifest-aott", of_aot),
    ("aot_s", 0): ("aot/manifest-aots", of_aot),
    ("aot_b", 0): ("aot/manifest-aotb", of_aot),
    ("aot_l", 0): ("aot/manifest-aotl", of_aot),
    ("aot_r50_l", 0): ("aot/manifest-r50_aotl", of_aot),
    ("siammask_davis", 0): ("siammask/manifest-sharp", of_siammask),
    ("siammask_vot", 0): ("siammask/manifest-sharp", of_siammask),
    ("siammask_vot_ld", 0): ("siammask/manifest-sharp", of_siammask),
}


def make(manifest: str, save: Save, path: Path) -> None:
    """Write a published file; safetensors hold each shared tensor under one name only."""
    content: dict[str, Any] = json.loads((ROOT / f"{manifest}.json").read_text())
    aliases = content.get("aliases", {}) if save is save_file else {}
    save(
        {
            name: torch.full(
                spec["shape"],
                1 if name.endswith("running_var") else 0,
                dtype=getattr(torch, spec.get("dtype", "float32")),
            )
            for name, spec in content["tensors"].items()
            if name not in aliases
        },
        path,
    )


async def ask(variant: str, folder: Path) -> None:
    """Serve the variant, and answer one picture, or one frame of a session, over HTTP."""
    settings = Settings(
        models=(variant,),
        devices=("cpu",),
        weights_dir=str(folder),
        warm_up_sizes=("640x16",),  # stays small where networks want a certain shorter side
        deadline_s=120,
    )
    picture = {"content-type": "image/png"}
    task = zoo.available()[variant].task
    async with running(create_app(settings)) as client:
        if task != "track":
            reply = await client.post(f"/{task}", content=png(640, 16), headers=picture)
            assert (reply.status_code, reply.json()["model"]) == (200, variant)
            return
        (card,) = (await client.get("/models")).json()["models"]
        kind = "box" if "box" in card["prompts"] else "mask"
        objects = {"objects": json.dumps([{"id": 1, kind: PROMPTS[kind]}])}
        opened = await client.post("/sessions", files={"image": png(64, 48)}, data=objects)
        assert opened.status_code == 201
        frames = f"{opened.headers['location']}/frames"
        reply = await client.post(frames, content=png(64, 48), headers=picture)
        assert (reply.status_code, reply.json()["model"]) == (200, variant)
        assert [followed["id"] for followed in reply.json()["objects"]] == [1]


def test_no_published_file_is_left_out() -> None:
    assert set(FILES) == {
        (name, index)
        for name, variant in zoo.available().items()
        for index in range(len(variant.files))
    }


@needs_goldens
@pytest.mark.slow
@pytest.mark.parametrize(("variant", "index"), FILES)
async def test_a_published_file_is_fetched_verified_converted_and_answers(
    tmp_path: Path, variant: str, index: int
) -> None:
    known = zoo.available()[variant].files[index]
    path = tmp_path / known.file
    make(*FILES[variant, index], path)
    folder = Folder(tmp_path / "weights")
    with publishing(Publisher(path.read_bytes())) as publisher:
        publisher.cuts = [len(publisher.content) // 2]
        file = replace(known, url=publisher.url, sha256=digest(path)[:8])
        acquire.fetch(variant, (file,), folder)
    assert folder.verify(variant) is None
    assert [one.name for one in folder.downloads().iterdir()] == []
    await ask(variant, tmp_path / "weights")
    for made in (path, folder.path(variant)):
        made.unlink()
