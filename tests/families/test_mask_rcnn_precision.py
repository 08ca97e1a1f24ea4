"""What half precision does to the demo network's answers, measured on scenes of its world."""

from functools import cache

import numpy as np
import pytest

from models import zoo
from models.ops.boxes import iou_matrix
from models.outputs import InstanceMasks
from models.training.scenes import render, scene_at

# Pixels, score, mask IoU; and how many of all instances may be another proposal of the same object:
# where two of them score alike in half precision, suppression keeps the one or the other.
LIMITS = {"bfloat16": (0.5, 0.02, 0.94, 1), "float16": (0.1, 0.005, 0.94, 0)}
TWIN_IOU = 0.9  # of their boxes


@cache
def scenes() -> list[np.ndarray]:
    return [render(scene_at(77, index)).image for index in range(6)]


@cache
def answers(dtype: str) -> list[InstanceMasks]:
    return zoo.load("mask_rcnn_demo", dtype=dtype).predict(scenes(), score_threshold=0.3)


def overlap(mask: np.ndarray, others: np.ndarray) -> np.ndarray:
    return (mask & others).sum(axis=(1, 2)) / (mask | others).sum(axis=(1, 2))


@pytest.mark.parametrize("dtype", LIMITS)
def test_sure_instances_are_found_again_in_half_precision(dtype: str) -> None:
    pixels, score, mask_iou, twins = LIMITS[dtype]
    shifts = []
    for exact, half in zip(answers("float32"), answers(dtype), strict=True):
        half_masks = half.masks()
        for row in (exact.scores > 0.5).nonzero()[:, 0]:
            overlaps = overlap(exact.masks()[row], half_masks)
            overlaps[(half.labels != exact.labels[row]).numpy()] = 0
            twin = int(overlaps.argmax())
            assert overlaps[twin] > mask_iou
            box, exact_box = half.boxes_xyxy[twin], exact.boxes_xyxy[row]
            assert iou_matrix(box[None], exact_box[None]) > TWIN_IOU
            assert abs(half.scores[twin] - exact.scores[row]) < score
            shifts.append(float((box - exact_box).abs().max()))
    assert len(shifts) > 12
    assert sum(shift >= pixels for shift in shifts) <= twins


@pytest.mark.parametrize("dtype", LIMITS)
def test_half_precision_is_really_used(dtype: str) -> None:
    exact, half = answers("float32")[0], answers(dtype)[0]
    assert not np.array_equal(exact.scores[:1], half.scores[:1])
    assert half.scores.dtype == exact.scores.dtype
