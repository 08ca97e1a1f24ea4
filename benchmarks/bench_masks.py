"""Masks to RLE inside their boxes, against pasting them whole and pycocotools, in one run.

python -m benchmarks.bench_masks [--threads N] [--rounds N]

Both get the same masks and take turns, so that whatever else the machine does slows both. Times
are of the processor, best of all rounds, a hundred masks each. Boxes are spread as objects are:
most of them small, a few over most of the picture. The peak is what this process's memory grew by
while all masks of a case were encoded for the first time. Then each other form of a mask.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from pycocotools import mask as coco
from torch import Tensor
from torch.nn import functional as F

from benchmarks.provenance import RESULTS, commit, machine
from models.ops.masks import encode_crops, paste
from models.rle import Rle
from service.api.mask_formats import MaskFormat, segmentation

Encoder = Callable[[Tensor, Tensor, tuple[int, int]], list[Rle]]

_COUNT = 100
_PICTURES = {"vga": (480, 640), "one_megapixel": (800, 1333), "twelve_megapixels": (3000, 4000)}
_TYPICAL_SHARE = 0.09  # of a box in the picture's side; log-normal around it
_SHARE_SPREAD = 1.0
_LARGEST_SHARE = 0.95
_FORMS: tuple[MaskFormat, ...] = ("rle_counts", "polygon", "png")


def main() -> None:
    """Run the benchmark, print its figures and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    result: dict[str, Any] = {
        "machine": machine(),
        "commit": commit(),
        "threads": given.threads,
        "masks": _COUNT,
        "cases": {name: _compare(size, given.rounds) for name, size in _PICTURES.items()},
    }
    text = json.dumps(result, indent=2)
    sys.stdout.write(f"{text}\n")
    (RESULTS / "masks.json").write_text(f"{text}\n")


def _compare(image_size: tuple[int, int], rounds: int) -> dict[str, float]:
    probs, boxes_xyxy = _instances(image_size)
    encode_crops(probs[:1], boxes_xyxy[:1], image_size)
    held = _peak_mb()
    masks = encode_crops(probs, boxes_xyxy, image_size)
    peak = _peak_mb() - held
    if masks != _paste_and_encode(probs, boxes_xyxy, image_size):
        raise RuntimeError("the two ways disagree")
    ways: dict[str, Encoder] = {
        "paste_and_pycocotools_ms": _paste_and_encode,
        "encode_crops_ms": encode_crops,
    }
    runs = {name: partial(way, probs, boxes_xyxy, image_size) for name, way in ways.items()}
    best = _race(runs, rounds)
    forms = {f"to_{form}_ms": partial(_convert, masks, form) for form in _FORMS}
    return {
        **best,
        "times_as_fast": round(best["paste_and_pycocotools_ms"] / best["encode_crops_ms"], 1),
        "peak_mb": round(peak, 1),
        **_race(forms, rounds),
    }


def _convert(masks: list[Rle], form: MaskFormat) -> None:
    for mask in masks:
        segmentation(mask, form)


def _race(contestants: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    best = dict.fromkeys(contestants, float("inf"))
    for _ in range(rounds):
        for name, run in contestants.items():
            begun = time.process_time()
            run()
            best[name] = min(best[name], (time.process_time() - begun) * 1000)
    return {name: round(milliseconds, 1) for name, milliseconds in best.items()}


def _paste_and_encode(probs: Tensor, boxes_xyxy: Tensor, image_size: tuple[int, int]) -> list[Rle]:
    """Encode one whole bitmap after the other: all at once would need gigabytes."""
    masks = []
    for index in range(len(probs)):
        soft = paste(probs[index : index + 1], boxes_xyxy[index : index + 1], image_size)[0]
        bitmap = np.asfortranarray((soft > 0.5).numpy().view(np.uint8))
        found = coco.encode(bitmap)
        masks.append(Rle(size=found["size"], counts=found["counts"].decode()))
    return masks


def _instances(image_size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Blobs with soft borders, as mask heads answer, in boxes of every size."""
    torch.manual_seed(0)
    sides = torch.tensor([image_size[1], image_size[0]])
    shares = _TYPICAL_SHARE * torch.exp(_SHARE_SPREAD * torch.randn(_COUNT, 1))
    shares = shares * torch.exp(0.3 * torch.randn(_COUNT, 1) * torch.tensor([1.0, -1.0]))
    extents = shares.clamp(max=_LARGEST_SHARE) * sides
    corners = torch.rand(_COUNT, 2) * (sides - extents)
    ramp = torch.linspace(-1, 1, 28)
    bumps = F.interpolate(1.5 * torch.randn(_COUNT, 1, 6, 6), size=(28, 28), mode="bicubic")[:, 0]
    probs = torch.sigmoid(4 - 5 * (ramp**2 + ramp[:, None] ** 2) + bumps)
    return probs, torch.cat((corners, corners + extents), dim=1)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
