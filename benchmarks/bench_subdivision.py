"""What refining costs: every part of the subdivision against the network and plain enlargement.

python -m benchmarks.bench_subdivision [--threads N] [--rounds N] [--only CASE]

The network has fresh weights, which changes no time. Times are of the processor, best of all
rounds. `points` is what depends on the number of points and steps alone (sampling, point head,
writing back); `dense` touches every pixel once a step (enlarging by two, two best classes,
threshold). `plain_ms` enlarges the same coarse map to the same size in one go.
"""

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.provenance import RESULTS, commit, machine
from models import zoo
from models.layers import inference
from models.ops.point_sample import select_uncertain, uncertainty
from models.pointrend import PointRend
from models.pointrend.model import CoarseOutputs
from models.pointrend.postprocess import Stage, label_map
from models.pointrend.subdivision import Subdivision, write_back

_DENSE = ("enlarge", "uncertainty", "choose")
_POINTS = ("classify", "write_back")

Result = TypeVar("Result")


@dataclass(frozen=True)
class Case:
    """A variant at a size.

    Attributes:
        variant: the zoo's name.
        size: (height, width) of the network's input.
    """

    variant: str
    size: tuple[int, int]


CASES = {
    "ade20k_512x512": Case("pointrend_fpn_r50_ade20k", (512, 512)),
    "voc_512x512": Case("pointrend_deeplabv3_r50", (512, 512)),
    "cityscapes_512x512": Case("pointrend_fpn_r101_cityscapes", (512, 512)),
    "cityscapes_1024x2048": Case("pointrend_fpn_r101_cityscapes", (1024, 2048)),
}


class Clock:
    """Processor time by name: the sum of a round, the least of all rounds."""

    def __init__(self) -> None:
        self.best_ms: dict[str, float] = {}
        self._round: dict[str, float] = defaultdict(float)

    def time(self, name: str, function: Callable[..., Result], *arguments: Any) -> Result:
        """Call a function and add its time under a name."""
        begun = time.process_time()
        result = function(*arguments)
        self._round[name] += (time.process_time() - begun) * 1000
        return result

    def end_round(self) -> None:
        """Keep what was faster than before."""
        for name, spent in self._round.items():
            self.best_ms[name] = min(spent, self.best_ms.get(name, spent))
        self._round.clear()


def main() -> None:
    """Run the benchmark, print its figures and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=CASES)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    names = [given.only] if given.only else list(CASES)
    result: dict[str, Any] = {
        "machine": machine(),
        "commit": commit(),
        "threads": given.threads,
        "cases": {name: _measure(CASES[name], given.rounds) for name in names},
    }
    text = json.dumps(result, indent=2)
    sys.stdout.write(f"{text}\n")
    if not given.only:
        (RESULTS / "subdivision.json").write_text(f"{text}\n")


@torch.inference_mode()
def _measure(case: Case, rounds: int) -> dict[str, Any]:
    model = zoo.build(case.variant)
    if not isinstance(model, PointRend):
        raise TypeError(f"{case.variant} is no PointRend")
    inference.prepare(model, "cpu", torch.float32)
    images = torch.randn(1, 3, *case.size).contiguous(memory_format=torch.channels_last)
    clock = Clock()
    outputs = clock.time("network", model, images)
    for _ in range(rounds):
        _run(model, outputs, case, clock)
        clock.end_round()
    spent = clock.best_ms
    subdivision = sum(spent[name] for name in (*_DENSE, *_POINTS))
    whole = spent["network"] + subdivision + spent["labels"]
    return {
        **{f"{name}_ms": round(milliseconds, 1) for name, milliseconds in spent.items()},
        "dense_ms": round(sum(spent[name] for name in _DENSE), 1),
        "points_ms": round(sum(spent[name] for name in _POINTS), 1),
        "subdivision_ms": round(subdivision, 1),
        "subdivision_share_of_whole": round(subdivision / whole, 3),
        "subdivision_over_plain": round(subdivision / spent["plain"], 2),
        "classes": model.config.class_count,
        "points_in_all_steps": _points_asked(model, outputs, case.size[1]),
    }


def _run(model: PointRend, outputs: CoarseOutputs, case: Case, clock: Clock) -> None:
    """One round: refine and take labels, and enlarge plainly."""
    logits = _refine(model, outputs, case.size[1], clock)
    clock.time("labels", label_map, logits[0], (Stage(case.size, case.size),))
    clock.time("plain", _enlarge, outputs.coarse_logits, logits.shape[2:])


def _refine(model: PointRend, outputs: CoarseOutputs, width: int, clock: Clock) -> Tensor:
    """The subdivision loop with a clock between its parts."""
    subdivision = Subdivision(_point_head(model), model.config)
    coarse, fine = outputs.coarse_logits, outputs.fine_features
    logits = coarse
    for _ in range(subdivision.count_steps(coarse.shape[3], width)):
        logits = clock.time("enlarge", subdivision.enlarge, logits)
        doubts = clock.time("uncertainty", uncertainty, logits)
        number = model.config.subdivision_num_points
        cells = clock.time("choose", select_uncertain, doubts, number)
        answers = clock.time("classify", subdivision.classify, cells, logits, coarse, fine)
        clock.time("write_back", write_back, logits, cells, answers)
    return logits


def _point_head(model: PointRend) -> Any:
    if model.point_head is None:
        raise TypeError("no point head, no subdivision")
    return model.point_head


def _enlarge(coarse_logits: Tensor, size: torch.Size) -> Tensor:
    return F.interpolate(coarse_logits.contiguous(), size, mode="bilinear", align_corners=False)


def _points_asked(model: PointRend, outputs: CoarseOutputs, width: int) -> int:
    height, coarse_width = outputs.coarse_logits.shape[2:]
    steps = Subdivision(_point_head(model), model.config).count_steps(coarse_width, width)
    cells = [height * coarse_width * 4 ** (step + 1) for step in range(steps)]
    return sum(min(count, model.config.subdivision_num_points) for count in cells)


if __name__ == "__main__":
    main()
