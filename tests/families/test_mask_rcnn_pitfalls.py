"""Choices that other implementations get wrong: each, made wrongly here, is seen by the goldens."""

from typing import Any

import numpy as np
import pytest
import torch

from tests.families import mask_rcnn_stages as network
from tests.goldens import golden, needs_goldens

pytestmark = needs_goldens

TOLERANCE = 2e-4


def off(stage: str, full: np.ndarray) -> float:
    return network.difference(golden("mask_rcnn", "v1-small"), stage, full)


@pytest.mark.parametrize(
    ("stage", "wrong"),
    [
        ("input", {"image_mean": (0.406, 0.456, 0.485)}),
        ("c2", {"norm_eps": 1e-5}),
        ("c5", {"norm_eps": 1e-5}),
        ("box_features", {"roi_sampling_ratio": 1}),
        ("box_features", {"roi_canonical_size": 112}),
        ("anchors", {"anchor_ratios": (2.0, 1.0, 0.5)}),
    ],
)
def test_a_wrong_number_shows_at_its_stage(stage: str, wrong: dict[str, Any]) -> None:
    predictor = network.load("v1-small", **wrong)
    for name, full in network.run(predictor, golden("mask_rcnn", "v1-small")):
        if name == stage:
            assert off(stage, full) > 5 * TOLERANCE
            return
    pytest.fail(f"no stage {stage}")


@pytest.mark.parametrize(
    "wrong",
    [
        {"box_weights": (1.0, 1.0, 1.0, 1.0)},
        {"rpn_nms_thresh": 0.5},
        {"rpn_pre_nms_top_n_test": 500},
    ],
)
def test_a_wrong_number_shows_in_the_instances(wrong: dict[str, Any]) -> None:
    official = golden("mask_rcnn", "v1-small")
    predictor = network.load("v1-small", **wrong)
    (found,) = predictor.predict(network.images(official), labels=range(1, 91))
    distances = np.abs(found.boxes_xyxy.numpy()[:, None] - official["boxes"]).max(axis=2)
    assert (distances.min(axis=0) > 0.02).any()


@pytest.fixture(scope="module")
def mask_inputs() -> tuple[network.MaskRcnn, dict[str, torch.Tensor]]:
    model = network.load("v1-small")._model
    official = golden("mask_rcnn", "v1-small")
    tensors = [torch.from_numpy(image) for image in network.images(official)]
    with torch.inference_mode():
        batch = network.preprocess(tensors, model.config)
        return model, model.backbone(batch.images)


def mask_scores(
    mask_inputs: tuple[network.MaskRcnn, dict[str, torch.Tensor]], name: str, label_shift: int
) -> np.ndarray:
    model, features = mask_inputs
    official = golden("mask_rcnn", "v1-small")
    labels = torch.from_numpy(official["labels"]) + label_shift
    with torch.inference_mode():
        scores = model.mask_scores(features, [torch.from_numpy(official[name])], labels)
    return scores.numpy()


@pytest.mark.parametrize(("boxes_name", "label_shift"), [("net_boxes", -1), ("boxes", 0)])
def test_another_channel_or_boxes_already_scaled_back_show_in_the_masks(
    mask_inputs: tuple[network.MaskRcnn, dict[str, torch.Tensor]], boxes_name: str, label_shift: int
) -> None:
    wrong = mask_scores(mask_inputs, boxes_name, label_shift)
    assert off("net_mask_prob", wrong) > 0.1
    assert off("net_mask_prob", mask_scores(mask_inputs, "net_boxes", 0)) <= TOLERANCE


def test_clipping_to_the_padded_size_shows_in_the_proposals(
    mask_inputs: tuple[network.MaskRcnn, dict[str, torch.Tensor]],
) -> None:
    model, features = mask_inputs
    official = golden("mask_rcnn", "v1-small")
    height, width = official["input_shape"][2:].tolist()
    with torch.inference_mode():
        outputs = model.rpn(features, (height, width))
        (wrong,) = model.rpn.propose(outputs, torch.tensor([[height + 32.0, width + 32.0]]))
    assert network.farthest(wrong.boxes_xyxy.numpy(), official["proposals"]) > 0.02
