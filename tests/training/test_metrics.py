"""Average precision against pycocotools on crowded, tied and empty pictures."""

import contextlib
import io

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from models.training.metrics import Findings, average_precision, box_ious, mask_ious

SIZE = 48


def boxes_and_masks(rng: np.random.Generator, near: np.ndarray | None, count: int):
    """Rectangles with a corner cut off, some of them near given ones."""
    start = rng.integers(0, 28, (count, 2))
    boxes = np.concatenate((start, start + rng.integers(6, 20, (count, 2))), axis=1)
    if near is not None and len(near):
        chosen = near[rng.integers(len(near), size=count)].astype(int)
        moved = np.clip(chosen + rng.integers(-2, 3, (count, 4)), 0, SIZE)
        boxes = np.where(rng.random((count, 1)) < 0.8, moved, boxes)
    masks = np.zeros((count, SIZE, SIZE), dtype=bool)
    for mask, (left, top, right, bottom) in zip(masks, boxes, strict=True):
        mask[top:bottom, left:right] = True
        mask[top : top + 3, left : left + 3] = False
    return boxes.astype(float), masks


def pictures(seed: int, count: int = 12):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        true_boxes, true_masks = boxes_and_masks(rng, None, int(rng.integers(0, 6)))
        boxes, masks = boxes_and_masks(rng, true_boxes, int(rng.integers(0, 12)))
        yield {
            "true": (true_boxes, true_masks, rng.integers(1, 4, len(true_boxes))),
            "found": (boxes, masks, rng.integers(1, 4, len(boxes))),
            "scores": rng.integers(1, 10, len(boxes)) / 10,  # few values: many ties
        }


def encoded(mask: np.ndarray) -> dict:
    return coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))


def official(cases: list[dict], kind: str) -> np.ndarray:
    truth, found = [], []
    for image_id, case in enumerate(cases, start=1):
        for boxes, masks, labels, records in ((*case["true"], truth), (*case["found"], found)):
            for box, mask, label in zip(boxes, masks, labels, strict=True):
                size = [box[2] - box[0], box[3] - box[1]]
                records.append(
                    {
                        "image_id": image_id,
                        "category_id": int(label),
                        "bbox": [*box[:2].tolist(), *size],
                        "area": float(size[0] * size[1]),
                        "segmentation": encoded(mask),
                        "iscrowd": 0,
                    }
                )
    scores = np.concatenate([case["scores"] for case in cases])
    for number, record in enumerate(truth, start=1):
        record["id"] = number
    for record, score in zip(found, scores, strict=True):
        record["score"] = float(score)
    with contextlib.redirect_stdout(io.StringIO()):
        dataset = COCO()
        dataset.dataset = {
            "info": {},
            "images": [{"id": i + 1, "height": SIZE, "width": SIZE} for i in range(len(cases))],
            "categories": [{"id": i} for i in (1, 2, 3, 4)],
            "annotations": truth,
        }
        dataset.createIndex()
        evaluation = COCOeval(dataset, dataset.loadRes(found), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats[:3]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("kind", "part"), [("bbox", 0), ("segm", 1)])
def test_average_precision_is_the_official_one(seed, kind, part):
    cases = list(pictures(seed))
    overlap = box_ious if kind == "bbox" else mask_ious
    findings = [
        Findings(
            overlap(case["found"][part], case["true"][part]),
            case["scores"],
            case["found"][2],
            case["true"][2],
        )
        for case in cases
    ]
    ours = average_precision(findings)
    np.testing.assert_allclose([ours.ap, ours.ap50, ours.ap75], official(cases, kind), atol=1e-6)


def test_no_objects_give_no_precision():
    nothing = Findings(np.zeros((2, 0)), np.ones(2), np.ones(2, np.int64), np.zeros(0, np.int64))
    assert average_precision([nothing]).ap == -1


def test_overlap_of_empty_masks_is_zero():
    empty = np.zeros((1, 4, 4), dtype=bool)
    assert mask_ious(empty, empty) == 0


def test_of_equal_objects_the_last_is_taken():
    ious = np.array([[0.6, 0.6], [0.7, 0.0]])
    both = Findings(ious, np.array([0.9, 0.8]), np.ones(2, np.int64), np.ones(2, np.int64))
    assert average_precision([both]).ap50 == 1
