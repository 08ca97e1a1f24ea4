"""The network run stage by stage for comparison with the goldens; as a script, the table of it."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
import torch

from models import checkpoint, zoo
from models.mask_rcnn import MaskRcnn, MaskRcnnPredictor
from models.mask_rcnn.preprocess import preprocess
from models.mask_rcnn.published_names import to_new_name
from tests.goldens import Golden, golden, weights

FAMILY = "mask_rcnn"
VARIANTS = {"v1": "mask_rcnn_r50_fpn", "v2": "mask_rcnn_r50_fpn_v2"}
SINGLE = ("v1-small", "v2-small", "v1-default")
STAGES = (
    "input", "stem", "c2", "c3", "c4", "c5", "p2", "p3", "p4", "p5", "p6",
    *(f"rpn_logits_{level}" for level in range(5)), *(f"rpn_deltas_{level}" for level in range(5)),
    "anchors", "box_features", "box_head", "class_logits", "box_regression",
    "mask_features", "mask_head", "net_mask_prob",
)  # fmt: skip


@cache
def _weights(version: str) -> Mapping[str, np.ndarray]:
    """The weights of all goldens of "v1" or "v2": they share salt and gains."""
    return weights(FAMILY, golden(FAMILY, f"{version}-small").meta)


@cache
def build(version: str) -> MaskRcnn:
    """The network as trained, norms and all, with the golden's weights."""
    model = zoo.build(VARIANTS[version])
    checkpoint.load_strict(model, checkpoint.read(_weights(version)), to_new_name)
    return model.eval()


def load(name: str, **overrides: Any) -> MaskRcnnPredictor:
    """The predictor with a golden's weights and parameters, some of them replaced."""
    version = name[:2]
    given = golden(FAMILY, name)
    assert given.meta["gains"] == golden(FAMILY, f"{version}-small").meta["gains"]
    predictor = zoo.load(
        VARIANTS[version], _weights(version), overrides={**given.meta["params"], **overrides}
    )
    assert isinstance(predictor, MaskRcnnPredictor)
    return predictor


def images(given: Golden) -> list[np.ndarray]:
    return [given[f"image_{i}"] for i in range(3) if f"image_{i}" in given.arrays]


@cache
def stages(name: str) -> dict[str, np.ndarray]:
    """Every stage of the folded network; the heads are fed the golden's own boxes."""
    return dict(run(load(name), golden(FAMILY, name)))


@torch.inference_mode()
def run(predictor: MaskRcnnPredictor, given: Golden) -> Iterator[tuple[str, np.ndarray]]:
    model = predictor._model
    batch = preprocess([torch.from_numpy(image) for image in images(given)], model.config)
    yield "input", batch.images.numpy()
    yield "stem", model.backbone.body.stem(batch.images).numpy()
    trunk = model.backbone.body(batch.images)
    features = model.backbone.fpn(trunk)
    for level, tensor in {**trunk, **features}.items():
        yield level, tensor.numpy()
    for level in range(5):
        logits, deltas = model.rpn.head(features[f"p{level + 2}"])
        yield f"rpn_logits_{level}", logits.numpy()
        yield f"rpn_deltas_{level}", deltas.numpy()
    outputs = model.rpn(features, tuple(batch.images.shape[2:]))
    yield "anchors", torch.cat(outputs.anchors_xyxy).numpy()
    proposals = model.rpn.propose(outputs, batch.image_sizes)[0]
    yield "proposals", proposals.boxes_xyxy.numpy()
    yield "proposal_scores", proposals.scores.numpy()
    yield from _heads(model, features, given)


def _heads(
    model: MaskRcnn, features: dict[str, torch.Tensor], given: Golden
) -> Iterator[tuple[str, np.ndarray]]:
    heads = model.roi_heads
    boxes_xyxy = [torch.from_numpy(given["proposals"])]
    pooled = heads.pool(features, boxes_xyxy, 7)
    yield "box_features", pooled.numpy()
    yield "box_head", heads.box_head(pooled).numpy()
    class_logits, box_deltas = heads.box_branch(features, boxes_xyxy)
    yield "class_logits", class_logits.numpy()
    yield "box_regression", box_deltas.flatten(1).numpy()
    boxes_xyxy = [torch.from_numpy(given["net_boxes"])]
    pooled = heads.pool(features, boxes_xyxy, 14)
    yield "mask_features", pooled.numpy()
    yield "mask_head", heads.mask_head(pooled).numpy()
    labels = torch.from_numpy(given["labels"])
    yield "net_mask_prob", model.mask_scores(features, boxes_xyxy, labels).numpy()


def difference(given: Golden, stage: str, full: np.ndarray) -> float:
    """Largest absolute difference, in units of the stage's spread where that exceeds 1."""
    stored = given[stage]
    ours = given.sliced(stage, full)
    assert ours.shape == stored.shape
    return float(np.abs(ours - stored).max() / max(1.0, stored.std()))


def farthest(some: np.ndarray, others: np.ndarray) -> float:
    """Largest distance of a box of either set to the nearest of the other, in its worst number."""
    assert some.shape == others.shape
    distances = np.abs(some[:, None] - others[None]).max(axis=2)
    return float(max(distances.min(axis=0).max(), distances.min(axis=1).max()))


if __name__ == "__main__":
    for golden_name in SINGLE:
        ours = stages(golden_name)
        recorded = golden(FAMILY, golden_name)
        for stage_name in STAGES:
            worst = difference(recorded, stage_name, ours[stage_name])
            print(f"{golden_name:12} {stage_name:16} {worst:.1e}")  # noqa: T201
        distance = farthest(ours["proposals"], recorded["proposals"])
        print(f"{golden_name:12} proposals (px)   {distance:.1e}")  # noqa: T201
