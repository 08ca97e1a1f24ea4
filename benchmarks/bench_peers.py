"""The same networks with the same pictures in the libraries that people would otherwise use.

python -m benchmarks.bench_peers [--threads N] [--rounds N]

Needs torchvision, transformers and pycocotools beside maskd, in a virtual environment of its own:

    pip install torch torchvision transformers pycocotools --editable .

Mask R-CNN against torchvision's with the same drawn weights, from uint8 picture to COCO RLE, which
torchvision leaves to pasted masks and pycocotools; a hundred objects, as in busy pictures. How far
both agree is the IoU of each mask of torchvision's with ours that is nearest, at the median.
Deformable DETR against transformers', from uint8 picture to boxes, each with drawn weights of its
own. Both sides take turns, so that whatever else the machine does slows both; figures are medians.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torchvision
import transformers
from pycocotools import mask as coco
from torchvision.models.detection import maskrcnn_resnet50_fpn

from benchmarks.provenance import RESULTS, commit, machine
from models import zoo
from models.training.scenes import World, render, scene_at

_SIZES = {"vga": (480, 640), "twelve_megapixels": (3000, 4000)}
_OBJECTS = 100
_LABELS = range(1, 91)  # also those that COCO never used, since torchvision finds them, too

Picture = np.ndarray
Run = Callable[[Picture], Any]
Agreement = Callable[[Sequence[Any], Sequence[Any]], dict[str, float]]


def main() -> None:
    """Run the benchmark, print its figures and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    pictures = {name: _picture(size) for name, size in _SIZES.items()}
    result = {
        "machine": machine(),
        "peers": {
            "torchvision": torchvision.__version__,
            "transformers": transformers.__version__,
        },
        "commit": commit(),
        "threads": given.threads,
        "mask_rcnn_r50_fpn": _compare(*_mask_rcnns(), pictures, given.rounds, _agreement_of_masks),
        "deformable_detr_r50": _compare(
            *_deformable_detrs(), {"vga": pictures["vga"]}, given.rounds
        ),
    }
    text = json.dumps(result, indent=2)
    sys.stdout.write(f"{text}\n")
    (RESULTS / "peers.json").write_text(f"{text}\n")


def _compare(
    ours: Run,
    theirs: Run,
    pictures: dict[str, Picture],
    rounds: int,
    agreement: Agreement | None = None,
) -> dict[str, Any]:
    """Milliseconds of both, and what they found, for every size of picture."""
    figures = {}
    for name, picture in pictures.items():
        spent: dict[str, list[float]] = {"ours": [], "theirs": []}
        found = {}
        for _ in range(rounds + 1):
            for side, run in (("ours", ours), ("theirs", theirs)):
                begun = time.perf_counter()
                found[side] = run(picture)
                spent[side].append(time.perf_counter() - begun)
        ratios = [their / our for our, their in zip(spent["ours"], spent["theirs"], strict=True)]
        figures[name] = {
            "picture": list(picture.shape[:2]),
            **{f"{side}_ms": _median_ms(times[1:]) for side, times in spent.items()},
            "times_as_fast": round(statistics.median(ratios[1:]), 2),
            "found": {side: len(objects) for side, objects in found.items()},
            **(agreement(**found) if agreement else {}),
        }
    return figures


@torch.inference_mode()
def _mask_rcnns() -> tuple[Run, Run]:
    """Ours and torchvision's, each from picture to RLE."""
    network = maskrcnn_resnet50_fpn(weights=None, weights_backbone=None).eval()
    # Drawn weights are sure of nothing and stretch every box; these find anchors of all sizes.
    network.roi_heads.box_predictor.cls_score.weight.mul_(3)
    for deltas in (network.rpn.head.bbox_pred, network.roi_heads.box_predictor.bbox_pred):
        deltas.weight.zero_()
        deltas.bias.zero_()
    predictor = zoo.load("mask_rcnn_r50_fpn", network.state_dict())

    def ours(picture: Picture) -> Sequence[Any]:
        (found,) = predictor.predict([picture], labels=_LABELS)
        return list(found.masks)

    @torch.inference_mode()
    def theirs(picture: Picture) -> Sequence[Any]:
        (found,) = network([torch.from_numpy(picture).permute(2, 0, 1).float() / 255])
        masks = (found["masks"][:, 0] >= 0.5).numpy().astype(np.uint8)
        return [coco.encode(np.asfortranarray(mask)) for mask in masks]

    return ours, theirs


def _agreement_of_masks(ours: Sequence[Any], theirs: Sequence[Any]) -> dict[str, float]:
    ious = coco.iou(ours, theirs, [False] * len(theirs))
    return {"iou": round(float(np.median(ious.max(axis=0))), 4)}


def _deformable_detrs() -> tuple[Run, Run]:
    """Ours and transformers', each from picture to boxes."""
    predictor = zoo.load("deformable_detr_r50", zoo.build("deformable_detr_r50").state_dict())
    config = transformers.DeformableDetrConfig(
        use_timm_backbone=False,
        use_pretrained_backbone=False,
        backbone=None,
        backbone_config=transformers.ResNetConfig(
            out_features=["stage2", "stage3", "stage4"], downsample_in_bottleneck=False
        ),
        num_labels=91,
    )
    network = transformers.DeformableDetrForObjectDetection(config).eval()
    processor = transformers.DeformableDetrImageProcessor()

    def ours(picture: Picture) -> Sequence[Any]:
        (found,) = predictor.predict([picture], max_detections=_OBJECTS)
        return found.boxes_xyxy.tolist()

    @torch.inference_mode()
    def theirs(picture: Picture) -> Sequence[Any]:
        inputs = processor(images=picture, return_tensors="pt")
        (found,) = processor.post_process_object_detection(
            network(**inputs), threshold=0.0, target_sizes=[picture.shape[:2]], top_k=_OBJECTS
        )
        return found["boxes"].tolist()

    return ours, theirs


def _picture(size: tuple[int, int]) -> Picture:
    """A busy scene of the demo world."""
    scene = scene_at(7, 0, World((min(size), min(size)), size[1] / size[0], max(size), (8, 8)))
    image = render(scene).image
    return np.ascontiguousarray(np.resize(image, (*size, 3)))


def _median_ms(seconds: Sequence[float]) -> float:
    return round(statistics.median(seconds) * 1000, 1)


if __name__ == "__main__":
    main()
