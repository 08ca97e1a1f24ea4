"""The networks run stage by stage for comparison with the goldens; as a script, the table of it."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models import zoo
from models.backbones.resnet import Layout
from models.ops.point_sample import grid_coords, point_sample, uncertainty
from models.pointrend import PointRend, PointRendConfig, PointRendPredictor, labels
from models.pointrend.config import PYRAMID_LEVELS
from models.pointrend.model import CoarseOutputs
from models.pointrend.postprocess import label_map, resized_rows, way_back
from models.pointrend.preprocess import NetworkInput, preprocess
from models.pointrend.subdivision import Subdivision, write_back
from tests import goldens
from tests.goldens import Golden

Stage = tuple[str, Tensor]

FAMILY = "pointrend"
CASES = (
    "voc_r50_main", "voc_r50_odd", "voc_r50_rows_odd", "voc_res53_stem3", "voc_r101_resize_batch",
    "tv_r50_mapping", "city_d2_main", "city_d2_batch_padded", "ade_r50_main", "ade_r101_batch",
    "city_mm_r50",
)  # fmt: skip
_VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "deeplabv3_resnet50_pointrend": ("pointrend_deeplabv3_r50", {}),
    "deeplabv3_resnet50_coco": ("pointrend_deeplabv3_r50", {}),
    "deeplabv3_resnet53_pointrend": (
        "pointrend_deeplabv3_r50",
        {"layout": Layout(stem="3x3", dilated_stages=2)},
    ),
    "deeplabv3_resnet101_pointrend": ("pointrend_deeplabv3_r101", {}),
    "pointrend_semantic_R_101_FPN_1x_cityscapes": ("pointrend_fpn_r101_cityscapes", {}),
    "pointrend_r50_512x512_160k_ade20k": ("pointrend_fpn_r50_ade20k", {}),
    "pointrend_r101_512x512_160k_ade20k": ("pointrend_fpn_r101_ade20k", {}),
    "pointrend_r50_512x1024_80k_cityscapes": (
        "pointrend_fpn_r50_ade20k",
        {"categories": labels.CITYSCAPES},
    ),
}
_TV_POINT_HEAD = {"head.mlp.weight": {"shape": [21, 533, 1]}, "head.mlp.bias": {"shape": [21]}}


def given(name: str) -> Golden:
    return goldens.golden(FAMILY, name)


def images(name: str) -> list[np.ndarray]:
    arrays = given(name).arrays
    return [arrays[key] for key in sorted(arrays) if key.startswith("image")]


def weights(name: str, *, has_point_head: bool = True) -> dict[str, np.ndarray]:
    """The golden's weights under their published names."""
    meta = given(name).meta
    state = goldens.weights(FAMILY, {**meta, "manifest": f"manifest-{meta['variant']}.json"})
    if meta["variant"] == "deeplabv3_resnet50_coco" and has_point_head:
        state |= goldens._detweights().fill(_TV_POINT_HEAD, meta["salt"], meta["gains"])
    return state


def load(name: str, **overrides: Any) -> PointRendPredictor:
    """The predictor with a golden's weights and sizes, some fields replaced."""
    variant, differing = _VARIANTS[given(name).meta["variant"]]
    fields = {**differing, **_sizes(name), **overrides}
    predictor = zoo.load(variant, weights(name), overrides=fields)
    assert isinstance(predictor, PointRendPredictor)
    return predictor


def _sizes(name: str) -> dict[str, int]:
    """What brings the golden's pictures to its input; its parameters are null for "as they are"."""
    height, width = images(name)[0].shape[:2]
    parameters = given(name).meta.get("parameters", {})
    if parameters.get("scale"):
        return {"max_size": parameters["scale"][0], "min_size": parameters["scale"][1]}
    if parameters.get("min_size"):
        return parameters
    return {"min_size": parameters.get("resize") or min(height, width)}


def network_input(name: str, config: PointRendConfig) -> NetworkInput:
    """The golden's batch; where its pictures differ in size it is padded to the largest."""
    alone = [
        preprocess([torch.from_numpy(image)], replace(config, min_size=min(image.shape[:2])))
        if name == "city_d2_batch_padded"
        else preprocess([torch.from_numpy(image)], config)
        for image in images(name)
    ]
    height, width = (max(batch.images.shape[axis] for batch in alone) for axis in (2, 3))
    padded = [
        F.pad(batch.images, (0, width - batch.images.shape[3], 0, height - batch.images.shape[2]))
        for batch in alone
    ]
    return NetworkInput(
        torch.cat(padded).contiguous(memory_format=torch.channels_last),
        [size for batch in alone for size in batch.image_sizes],
        [size for batch in alone for size in batch.original_sizes],
    )


@cache
def stages(name: str) -> dict[str, np.ndarray]:
    """Every stage of the folded network that the golden holds, cut as there, and a few more."""
    official = given(name)
    return {
        stage: official.sliced(stage, full.numpy()) if stage in official.arrays else full.numpy()
        for stage, full in run(load(name), name)
        if stage in official.arrays or stage.startswith(("chosen", "margin"))
    }


@torch.inference_mode()
def run(predictor: PointRendPredictor, name: str) -> Iterator[Stage]:
    model = predictor._model
    batch = network_input(name, model.config)
    yield "input", batch.images
    is_deep = model.config.layout.stem == "deep"
    yield "maxpool" if is_deep else "stem", model.trunk.stem(batch.images)
    features = model.trunk(batch.images)
    for level in range(2, 6):
        yield f"layer{level - 1}", features[f"c{level}"]
        yield f"res{level}", features[f"c{level}"]
    yield from _atrous(model, features) if model.neck is None else _pyramid(model, features)
    outputs = model(batch.images)
    yield "coarse", outputs.coarse_logits
    yield "coarse_labels", outputs.coarse_logits.argmax(1)
    subdivision = Subdivision(model.point_head, model.config)
    logits, width = outputs.coarse_logits, batch.images.shape[3]
    for step in range(subdivision.count_steps(logits.shape[3], width)):
        logits = subdivision.enlarge(logits)
        yield f"step{step}_upsampled", logits.clone()
        yield f"step{step}_uncertainty", uncertainty(logits)
        cells = subdivision.choose(logits)
        yield f"chosen{step}", cells
        yield from _points(name, step, subdivision, logits, outputs)
        coarse, fine = outputs.coarse_logits, outputs.fine_features
        write_back(logits, cells, subdivision.classify(cells, logits, coarse, fine))
        yield f"step{step}_out", logits.clone()
    yield from _way_back(batch, logits)


def _atrous(model: PointRend, features: Mapping[str, Tensor]) -> Iterator[Stage]:
    pyramid = model.coarse_head[0]
    branches = [conv(features["c5"]) for conv in pyramid.convs]
    for number, branch in enumerate(branches):
        yield f"aspp_branch{number}", branch.expand_as(branches[0])
    yield "aspp", pyramid(features["c5"])
    yield "head_conv", model.coarse_head[:4](features["c5"])


def _pyramid(model: PointRend, features: Mapping[str, Tensor]) -> Iterator[Stage]:
    pyramid = model.neck(features)
    for level, head in zip(PYRAMID_LEVELS, model.coarse_head.scale_heads, strict=True):
        yield level, pyramid[level]
        yield f"scale_head_{level}", head(pyramid[level])


def _way_back(batch: NetworkInput, logits: Tensor) -> Iterator[Stage]:
    shape = (batch.images.shape[2], batch.images.shape[3])
    for index, sizes in enumerate(zip(batch.image_sizes, batch.original_sizes, strict=True)):
        way = way_back(shape, *sizes)
        for key, stages_, size in (("_input", way[:1], sizes[0]), ("", way, sizes[1])):
            full = resized_rows(logits[index], stages_, slice(0, size[0]))
            best = full.topk(2, dim=0).values
            yield f"logits{key}{index}", full[None]
            yield f"labels{key}{index}", label_map(logits[index], stages_)
            yield f"margin{key}{index}", best[0] - best[1]


def _points(
    name: str, step: int, subdivision: Subdivision, logits: Tensor, outputs: CoarseOutputs
) -> Iterator[Stage]:
    """At the official points, so that one that flips does not shift all that follow."""
    cells = torch.from_numpy(given(name)[f"step{step}_indices_sorted"]).long()
    points = grid_coords(cells, tuple(logits.shape[2:]))
    yield f"step{step}_coords", points
    yield f"step{step}_point_fine", point_sample(outputs.fine_features, points).transpose(1, 2)
    answers = subdivision.classify(cells, logits, outputs.coarse_logits, outputs.fine_features)
    yield f"step{step}_point_logits", answers.transpose(1, 2)


def excess(name: str, stage: str) -> np.ndarray:
    """|difference| over spread plus size of the official value, for every value of a stage."""
    official = given(name)[stage].astype(np.float64)
    ours = stages(name)[stage].astype(np.float64)
    assert ours.shape == official.shape
    return np.abs(ours - official) / (official.std() + np.abs(official))


def main() -> None:
    """Print the worst of every stage over all goldens."""
    worst: dict[str, list[tuple[float, float, str]]] = {}
    for name in CASES:
        for stage in stages(name):
            if stage in given(name).arrays and given(name)[stage].dtype == np.float32:
                found = excess(name, stage)
                row = (float(found.max()), float((found <= 1e-4).mean()), name)
                worst.setdefault(stage.rstrip("01"), []).append(row)
        stages.cache_clear()
    for stage, rows in worst.items():
        highest = max(rows)
        least = min(share for _, share, _ in rows)
        line = f"{stage:22s} {highest[0]:.1e} {highest[2]:24s} within: {least:.5f}"
        print(line)  # noqa: T201 (a script)


if __name__ == "__main__":
    main()
