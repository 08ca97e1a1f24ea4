import math
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.ops.deform_attn import deform_attn, fuses_on
from tests.goldens import golden, needs_goldens

ROOT = Path(__file__).resolve().parents[2]
SHAPES = [(3, 5), (2, 1)]
Inputs = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def inputs(queries: int, *, batch: int = 2, heads: int = 2, points: int = 2) -> Inputs:
    """Values, locations and weights in doubles; locations reach well beyond the maps."""
    cells = sum(height * width for height, width in SHAPES)
    samples = (batch, queries, heads, len(SHAPES), points)
    values = torch.randn(batch, cells, heads, 3, dtype=torch.float64)
    locations = torch.rand(*samples, 2, dtype=torch.float64) * 2 - 0.5
    return values, locations, torch.rand(samples, dtype=torch.float64)


def sample_by_sample(values: torch.Tensor, locations: torch.Tensor, weights: torch.Tensor):
    """The definition, one cell at a time."""
    batch, queries, heads, levels, points = weights.shape
    sums = np.zeros((batch, queries, heads, values.shape[-1]))
    for b, q, m, level, p in np.ndindex(batch, queries, heads, levels, points):
        height, width = SHAPES[level]
        start = sum(h * w for h, w in SHAPES[:level])
        x = float(locations[b, q, m, level, p, 0]) * width - 0.5
        y = float(locations[b, q, m, level, p, 1]) * height - 0.5
        for row in (math.floor(y), math.floor(y) + 1):
            for column in (math.floor(x), math.floor(x) + 1):
                if 0 <= row < height and 0 <= column < width:
                    share = (1 - abs(y - row)) * (1 - abs(x - column))
                    value = values[b, start + row * width + column, m].numpy()
                    sums[b, q, m] += float(weights[b, q, m, level, p]) * share * value
    return sums.reshape(batch, queries, -1)


def test_the_answer_is_the_weighted_sum_of_bilinear_samples() -> None:
    values, locations, weights = inputs(7)
    ours = deform_attn(values, SHAPES, locations, weights)
    np.testing.assert_allclose(
        ours.numpy(), sample_by_sample(values, locations, weights), atol=1e-12
    )


@settings(max_examples=60, deadline=None)
@given(
    x=st.sampled_from([-9.0, -0.1, 0.0, 0.1, 0.5, 0.9, 1.0, 1.1, 1e30, -math.inf, math.inf]),
    y=st.sampled_from([-1e30, -1 / 6, 0.0, 1 / 6, 0.5, 5 / 6, 1.0, 7 / 6, 9.0]),
)
def test_cells_beyond_the_map_count_as_zeros(x: float, y: float) -> None:
    values, locations, weights = inputs(1, batch=1, heads=1, points=1)
    locations[..., 0], locations[..., 1] = x, y
    ours = deform_attn(values, SHAPES, locations, weights)
    finite = locations.clamp(-100, 100)
    expected = sample_by_sample(values, finite, weights)
    np.testing.assert_allclose(ours.numpy(), expected, atol=1e-12)


def test_many_queries_get_the_answers_they_get_alone() -> None:
    values, locations, weights = inputs(2500, heads=1, points=1)
    together = deform_attn(values, SHAPES, locations, weights)
    for query in (0, 2047, 2048, 2499):
        one = slice(query, query + 1)
        alone = deform_attn(values, SHAPES, locations[:, one], weights[:, one])
        torch.testing.assert_close(together[:, one], alone, rtol=0, atol=0)


def test_gradients_are_those_of_the_answer() -> None:
    leaves = [tensor.requires_grad_() for tensor in inputs(3)]
    assert torch.autograd.gradcheck(lambda v, x, w: deform_attn(v, SHAPES, x, w), leaves)


def test_a_location_that_is_not_a_number_spoils_its_own_query_only() -> None:
    values, locations, weights = inputs(3)
    expected = deform_attn(values, SHAPES, locations, weights)
    locations[0, 1, 0, 0, 0, 0] = math.nan
    ours = deform_attn(values, SHAPES, locations, weights)
    assert ours[0, 1, :3].isnan().all()
    ours[0, 1, :3] = expected[0, 1, :3]
    torch.testing.assert_close(ours, expected, rtol=0, atol=0)


def test_values_in_half_the_bits_give_nearly_the_same_answer() -> None:
    values, locations, weights = inputs(5)
    expected = deform_attn(values, SHAPES, locations, weights)
    ours = deform_attn(values.bfloat16(), SHAPES, locations.float(), weights.float())
    assert ours.dtype == torch.bfloat16
    torch.testing.assert_close(ours.double(), expected, rtol=0, atol=0.05)


@needs_goldens
def test_the_sums_are_the_official_ones() -> None:
    official = golden("deformable_detr", "msdeform")
    values, locations, weights = (
        torch.from_numpy(official[f"core_{name}"]) for name in ("value", "locations", "weights")
    )
    shapes = [(height, width) for height, width in official["core_spatial_shapes"].tolist()]
    ours = deform_attn(values, shapes, locations, weights)
    np.testing.assert_allclose(ours.numpy(), official["core_output"], atol=2e-6)


_FUSED = """
import torch
from models.ops.deform_attn import deform_attn
from models.ops.deform_attn_triton import fused
from tests.ops.test_deform_attn import SHAPES, inputs

torch.manual_seed(0)
values, locations, weights = (tensor.float() for tensor in inputs(7))
locations[0, 0, 0, 0, 0] = torch.tensor([1e30, -torch.inf])
expected = deform_attn(values, SHAPES, locations, weights)
torch.testing.assert_close(fused(values, SHAPES, locations, weights), expected)
half = fused(values.bfloat16(), SHAPES, locations, weights)
torch.testing.assert_close(half.float(), expected, rtol=0, atol=0.05)
locations[0, 1, 0, 0, 0, 0] = torch.nan
spoilt = fused(values, SHAPES, locations, weights)
assert spoilt[0, 1, :3].isnan().all()
assert spoilt.isnan().sum() == 3
"""


@pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed")
def test_the_fused_kernel_gives_the_same_sums_in_its_interpreter() -> None:
    environ = {**os.environ, "TRITON_INTERPRET": "1"}
    subprocess.run([sys.executable, "-c", _FUSED], env=environ, check=True)  # noqa: S603 (our own words)


_TRITON = """
class Kernel:
    def __getitem__(self, grid):
        raise RuntimeError("Failed to find C compiler.\\nSet CC.")

def jit(function):
    return Kernel()

def next_power_of_2(number):
    return number
"""
_TRY = """
import torch
from models.ops.deform_attn import fuses_on

assert [fuses_on(torch.device("cpu")) for _ in range(2)] == [False, False]
"""


def test_a_host_without_a_compiler_does_without_the_fused_kernel_and_is_told_once(
    tmp_path: Path,
) -> None:
    (tmp_path / "triton").mkdir()
    (tmp_path / "triton" / "__init__.py").write_text(_TRITON)
    (tmp_path / "triton" / "language.py").write_text("constexpr = int")
    environ = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    command = [sys.executable, "-c", _TRY]
    run = subprocess.run(command, env=environ, check=True, capture_output=True, text=True)  # noqa: S603 (our own words)
    assert run.stderr == (
        "deformable attention is slower on cpu than it could be: Failed to find C compiler.\n"
    )


@pytest.mark.gpu
def test_the_gpu_gives_the_answer_of_the_cpu() -> None:
    values, locations, weights = (tensor.float() for tensor in inputs(3000))
    expected = deform_attn(values, SHAPES, locations, weights)
    ours = deform_attn(values.cuda(), SHAPES, locations.cuda(), weights.cuda())
    torch.testing.assert_close(ours.cpu(), expected)
    assert fuses_on(torch.device("cuda", torch.cuda.current_device()))
    with torch.inference_mode():
        fused = deform_attn(values.cuda(), SHAPES, locations.cuda(), weights.cuda())
    torch.testing.assert_close(fused.cpu(), expected)
