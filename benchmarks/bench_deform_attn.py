"""Deformable attention: our one gather against grid_sample level by level, in one run.

python -m benchmarks.bench_deform_attn [--threads N] [--rounds N]

Both get the same inputs and take turns, so that whatever else the machine does slows both. Times
are of the processor, best of all rounds. Sizes: the encoder and the decoder on a picture of
800x1066, forwards, and one encoder layer of a training batch of the demo variant, both ways.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.provenance import RESULTS, commit, machine
from models.ops.deform_attn import deform_attn

_SPREAD = 3.0  # of the sampling offsets, cells
Attention = Callable[[Tensor, Sequence[tuple[int, int]], Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Case:
    """One size: a picture's (height, width), and how it is attended to.

    Attributes:
        image_size: pixels.
        queries: number of queries, None for one a token.
        batch, heads, head_channels, levels: of the values.
        is_training: backwards as well.
    """

    image_size: tuple[int, int]
    queries: int | None = None
    batch: int = 1
    heads: int = 8
    head_channels: int = 32
    levels: int = 4
    is_training: bool = False


CASES = {
    "encoder_800x1066": Case((800, 1066)),
    "decoder_800x1066": Case((800, 1066), queries=300),
    "demo_training": Case((256, 256), batch=8, heads=4, levels=3, is_training=True),
}


def by_grid_sample(
    values: Tensor,
    shapes: Sequence[tuple[int, int]],
    locations: Tensor,
    weights: Tensor,
) -> Tensor:
    """Sample every level with grid_sample, then weigh the stack of all samples."""
    batch, _, heads, channels = values.shape
    levels = torch.split(values, [height * width for height, width in shapes], dim=1)
    sampled = []
    for index, (height, width) in enumerate(shapes):
        maps = levels[index].permute(0, 2, 3, 1).reshape(batch * heads, channels, height, width)
        grid = locations[:, :, :, index].transpose(1, 2).flatten(0, 1) * 2 - 1
        sampled.append(F.grid_sample(maps, grid, align_corners=False))
    shares = weights.transpose(1, 2).flatten(0, 1).flatten(2)[:, None]
    sums = (torch.stack(sampled, dim=-2).flatten(-2) * shares).sum(-1)
    return sums.view(batch, heads * channels, -1).transpose(1, 2)


def main() -> None:
    """Run the benchmark, print its figures and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    result: dict[str, Any] = {
        "machine": machine(),
        "commit": commit(),
        "threads": given.threads,
        "cases": {name: _compare(case, given.rounds) for name, case in CASES.items()},
    }
    text = json.dumps(result, indent=2)
    sys.stdout.write(f"{text}\n")
    (RESULTS / "deform_attn.json").write_text(f"{text}\n")


def _compare(case: Case, rounds: int) -> dict[str, float]:
    inputs = _inputs(case)
    contestants = {"gather_ms": deform_attn, "grid_sample_ms": by_grid_sample}
    answers = [attention(*inputs) for attention in contestants.values()]
    best = dict.fromkeys(contestants, float("inf"))
    for _ in range(rounds):
        for name, attention in contestants.items():
            begun = time.process_time()
            _run(attention, inputs, is_training=case.is_training)
            best[name] = min(best[name], (time.process_time() - begun) * 1000)
    return {
        **{name: round(milliseconds, 1) for name, milliseconds in best.items()},
        "times_as_fast": round(best["grid_sample_ms"] / best["gather_ms"], 2),
        "largest_difference": float((answers[0] - answers[1]).abs().max()),
    }


def _run(attention: Attention, inputs: tuple[Any, ...], *, is_training: bool) -> None:
    if not is_training:
        with torch.inference_mode():
            attention(*inputs)
        return
    values, shapes, locations, weights = inputs
    leaves = [tensor.detach().requires_grad_() for tensor in (values, locations, weights)]
    attention(leaves[0], shapes, leaves[1], leaves[2]).sum().backward()


def _inputs(case: Case) -> tuple[Tensor, list[tuple[int, int]], Tensor, Tensor]:
    """Values, shapes, locations near the queries' own places, weights."""
    torch.manual_seed(0)
    shapes = [
        (-(-case.image_size[0] // stride), -(-case.image_size[1] // stride))
        for stride in (8 * 2**level for level in range(case.levels))
    ]
    centres = torch.cat([_centres(shape) for shape in shapes])
    cells = len(centres)
    if case.queries is not None:
        centres = torch.rand(case.queries, 2)
    points = (case.batch, len(centres), case.heads, case.levels, 4)
    sizes = torch.tensor([(width, height) for height, width in shapes])[:, None]
    locations = centres[:, None, None, None] + torch.randn(*points, 2) * _SPREAD / sizes
    weights = torch.randn(points).flatten(3).softmax(-1).view(points)
    values = torch.randn(case.batch, cells, case.heads, case.head_channels)
    return values, shapes, locations, weights


def _centres(shape: tuple[int, int]) -> Tensor:
    height, width = shape
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([(x + 0.5) / width, (y + 0.5) / height], dim=-1).flatten(0, 1)


if __name__ == "__main__":
    main()
