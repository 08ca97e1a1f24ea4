import numpy as np
import pytest
import torch

from models.ops.local_attention import RelativeEmbedding, local_attention
from tests.goldens import golden, needs_goldens


def brute_force(queries, keys, values, relative):
    """One cell after the other, one offset after the other."""
    _, h, w, _, d = queries.shape
    window = round(relative.key_weights.shape[1] ** 0.5)
    radius = window // 2
    output = torch.zeros_like(queries)
    for y in range(h):
        for x in range(w):
            query = queries[:, y, x]
            scores, read = [], []
            for offset in range(window**2):
                row, column = y + offset // window - radius, x + offset % window - radius
                if not (0 <= row < h and 0 <= column < w):
                    continue
                score = (query * keys[:, row, column]).sum(-1) * d**-0.5
                score += (query * relative.key_weights[:, offset]).sum(-1)
                scores.append(score + relative.key_biases[:, offset])
                read.append(values[:, row, column] + relative.values[:, offset])
            weights = torch.stack(scores).softmax(0)
            output[:, y, x] = (weights[..., None] * torch.stack(read)).sum(0)
    return output


def random_case(size, window=5, b=2, m=3, d=4, dtype=torch.float64):
    cells = [torch.randn(b, *size, m, d, dtype=dtype) for _ in range(3)]
    relative = RelativeEmbedding(
        torch.randn(m, window**2, d, dtype=dtype),
        torch.randn(m, window**2, dtype=dtype),
        torch.randn(m, window**2, d, dtype=dtype),
    )
    return cells, relative


@pytest.mark.parametrize("size", [(1, 1), (3, 9), (8, 8), (9, 17)])
def test_attention_equals_a_loop_over_cells_and_offsets(size):
    (queries, keys, values), relative = random_case(size)
    attended = local_attention(queries, keys, values, relative)
    expected = brute_force(queries, keys, values, relative)
    torch.testing.assert_close(attended, expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_as_good_as_its_digits(dtype):
    (queries, keys, values), relative = random_case((9, 17), dtype=dtype)
    attended = local_attention(queries, keys, values, relative)
    assert attended.dtype == dtype
    expected = brute_force(
        *(tensor.float() for tensor in (queries, keys, values)),
        RelativeEmbedding(*(tensor.float() for tensor in relative)),
    )
    step = torch.finfo(dtype).eps
    torch.testing.assert_close(attended.float(), expected, atol=8 * step, rtol=8 * step)


def test_gradients_equal_those_of_the_loop():
    (queries, keys, values), relative = random_case((3, 9), b=1, m=1, d=2)
    inputs = [tensor.requires_grad_() for tensor in (queries, keys, values, *relative)]
    cotangent = torch.randn_like(queries)
    # The softmax is float32 inside: differences would not do, the loop's own gradients do.
    ours, expected = (
        torch.autograd.grad((attend(queries, keys, values, relative) * cotangent).sum(), inputs)
        for attend in (local_attention, brute_force)
    )
    for gradient, wanted in zip(ours, expected, strict=True):
        torch.testing.assert_close(gradient, wanted, atol=1e-6, rtol=1e-5)


@needs_goldens
@pytest.mark.parametrize("case", ["st0", "st1"])
def test_attention_agrees_with_the_official_numbers(case):
    official = golden("aot", "ops")

    def cells(name):
        b, c, h, w = official[name].shape
        tensor = torch.from_numpy(official[name]).permute(0, 2, 3, 1)
        return tensor.reshape(b, h, w, 2, c // 2)

    def weight(name):
        return torch.from_numpy(official[f"w/st.{name}"])

    relative = RelativeEmbedding(
        weight("relative_emb_k.weight").view(2, 225, 16),
        weight("relative_emb_k.bias").view(2, 225),
        weight("relative_emb_v").transpose(1, 2),
    )
    attended = local_attention(*(cells(f"{case}_{name}") for name in "qkv"), relative)
    tokens = attended.flatten(3).flatten(1, 2)
    projected = tokens @ weight("projection.weight").T + weight("projection.bias")
    expected = official[f"{case}_out"].transpose(1, 0, 2)
    np.testing.assert_allclose(projected.numpy(), expected, atol=1e-5 * expected.std())


def test_memory_stays_below_a_score_for_every_pair_of_cells():
    size = (40, 72)
    (queries, keys, values), relative = random_case(
        size, window=15, b=1, m=2, d=8, dtype=torch.float32
    )
    with torch.profiler.profile(profile_memory=True) as profile:
        local_attention(queries, keys, values, relative)
    largest = max(event.cpu_memory_usage for event in profile.events())
    pairs = 2 * (size[0] * size[1]) ** 2
    assert largest < pairs * 4 / 3
