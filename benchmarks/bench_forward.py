"""The time of each stage of a network, and how near the whole comes to the machine's best.

python -m benchmarks.bench_forward [--variant NAME] [--size HxW] [--threads N] [--rounds N]

Efficiency is the network's arithmetic (products and sums of its convolutions and linear layers,
as the direct sums have them), over the time from uint8 picture to RLE masks, over the machine's
rate in products of large matrices. That rate is measured before and after every picture, so that
whatever else the machine does slows both. Figures are medians over the rounds. Weights are drawn:
proposals and detections reach the numbers that the variant allows, as in busy pictures.

For v1 the publisher gives a smaller count of the arithmetic than there is at this size; the
efficiency by the published count is printed too, since other reports use it.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.provenance import RESULTS, commit, machine
from models import zoo
from models.layers import inference
from models.mask_rcnn import MaskRcnn
from models.mask_rcnn.model import RawOutputs
from models.mask_rcnn.postprocess import Selection, detect, to_instances
from models.mask_rcnn.preprocess import preprocess

Result = TypeVar("Result")
Clock = Callable[[str, Callable[[], Result]], Result]

# Of the published model cards, multiplications with their additions counted as one.
_PUBLISHED_GMAC = {"mask_rcnn_r50_fpn": 134.38, "mask_rcnn_r50_fpn_v2": 333.577}
_MATRIX_SIDE = 2048
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def main() -> None:
    """Run the benchmark, print its figures and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variant", default="mask_rcnn_r50_fpn")
    parser.add_argument("--size", default="480x640", help="of the picture, before resizing")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dtypes", nargs="+", choices=_DTYPES, default=list(_DTYPES))
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    height, width = (int(side) for side in given.size.split("x"))
    image = torch.randint(0, 256, (height, width, 3), dtype=torch.uint8)
    modes = {
        dtype: _measure(given.variant, _DTYPES[dtype], image, given.rounds)
        for dtype in given.dtypes
    }
    result = {
        "machine": machine(),
        "commit": commit(),
        "variant": given.variant,
        "picture": [height, width],
        "threads": given.threads,
        **modes,
    }
    if len(modes) == len(_DTYPES):
        exact, half = modes["float32"], modes["bfloat16"]
        result["bfloat16_times_as_fast"] = round(exact["total_ms"] / half["total_ms"], 2)
        result["bfloat16_matrix_products_times_as_fast"] = round(
            half["matrix_gflops"] / exact["matrix_gflops"], 2
        )
    text = json.dumps(result, indent=2)
    sys.stdout.write(f"{text}\n")
    (RESULTS / f"forward_{given.variant}.json").write_text(f"{text}\n")


def _measure(variant: str, dtype: torch.dtype, image: Tensor, rounds: int) -> dict[str, Any]:
    """All figures of one dtype."""
    torch.manual_seed(0)
    model = inference.prepare(_built(variant), "cpu", dtype)
    arithmetic = _count_arithmetic(model, image, dtype)
    matrix = torch.randn(_MATRIX_SIDE, _MATRIX_SIDE).to(dtype)
    stages: dict[str, list[float]] = {}

    def clock(name: str, run: Callable[[], Result]) -> Result:
        begun = time.perf_counter()
        result = run()
        stages.setdefault(name, []).append(time.perf_counter() - begun)
        return result

    rates = []
    for _ in range(rounds + 1):
        before = _matrix_rate(matrix)
        _picture_to_masks(model, image, dtype, clock)
        rates.append((before + _matrix_rate(matrix)) / 2)
    # The first round warms up.
    totals = [sum(times) for times in zip(*stages.values(), strict=True)][1:]
    rated = [total * rate for total, rate in zip(totals, rates[1:], strict=True)]
    figures = {
        "stages_ms": {name: _median_ms(times[1:]) for name, times in stages.items()},
        "total_ms": _median_ms(totals),
        "arithmetic_gflop": round(arithmetic / 1e9, 1),
        "matrix_gflops": round(statistics.median(rates) / 1e9, 1),
        "efficiency": round(arithmetic / statistics.median(rated), 3),
    }
    if variant in _PUBLISHED_GMAC:
        published = 2e9 * _PUBLISHED_GMAC[variant]
        figures["efficiency_by_published_count"] = round(published / statistics.median(rated), 3)
    return figures


def _built(variant: str) -> MaskRcnn:
    model = zoo.build(variant)
    if not isinstance(model, MaskRcnn):
        raise SystemExit(f"{variant} is not a Mask R-CNN")
    return model


@torch.inference_mode()
def _picture_to_masks(
    model: MaskRcnn, image: Tensor, dtype: torch.dtype, clock: Clock[Any]
) -> None:
    """Do what the predictor does, stage by stage."""
    batch = clock("preprocess", lambda: preprocess([image], model.config))
    images, sizes = batch.images.to(dtype), batch.image_sizes
    trunk = clock("trunk", lambda: model.backbone.body(images))
    features = clock("pyramid", lambda: model.backbone.fpn(trunk))
    outputs = clock("rpn", lambda: model.rpn(features, images.shape[2:]))
    proposals = clock("proposals", lambda: model.rpn.propose(outputs, sizes))
    boxes = [found.boxes_xyxy for found in proposals]
    logits, deltas = clock("box branch", lambda: model.roi_heads.box_branch(features, boxes))
    raw = RawOutputs(features, proposals, logits, deltas)
    config = model.config
    selection = Selection(config.box_score_thresh, config.box_detections_per_img, config.categories)
    found = clock("detections", lambda: detect(raw, sizes, selection, model.config))
    boxes, labels = [found[0].boxes_xyxy], found[0].labels
    scores = clock("mask branch", lambda: model.mask_scores(features, boxes, labels))
    clock("rle", lambda: list(to_instances(found, scores, sizes, batch.original_sizes)[0].masks))


def _count_arithmetic(model: MaskRcnn, image: Tensor, dtype: torch.dtype) -> int:
    """Count by running with gradients allowed: then nothing is fused or transformed."""
    with torch.inference_mode():
        batch = preprocess([image], model.config)
    images, sizes = batch.images.clone().to(dtype), batch.image_sizes.clone()
    with FlopCounterMode(display=False) as counter:
        raw = model(images, sizes)
        boxes = [raw.proposals[0].boxes_xyxy[: model.config.box_detections_per_img]]
        model.mask_scores(raw.features, boxes, torch.ones(len(boxes[0]), dtype=torch.int64))
    return int(counter.get_total_flops())


def _matrix_rate(matrix: Tensor) -> float:
    """Products and sums a second."""
    begun = time.perf_counter()
    for _ in range(2):
        matrix @ matrix
    seconds = time.perf_counter() - begun
    return 4.0 * float(_MATRIX_SIDE) ** 3 / seconds


def _median_ms(seconds: list[float]) -> float:
    return round(statistics.median(seconds) * 1000, 1)


if __name__ == "__main__":
    main()
