import numpy as np
import pytest
import torch

from models.layers.inference import nbytes, run_in_buckets


def picture(height: int, width: int) -> np.ndarray:
    return np.zeros((height, width, 3), dtype=np.uint8)


def rounded(size: tuple[int, int]) -> tuple[int, int]:
    return -(-size[0] // 10), -(-size[1] // 10)


def test_pictures_of_one_input_shape_run_together_and_answers_keep_their_order() -> None:
    calls = []

    def run(bucket: list[torch.Tensor]) -> list[list[int]]:
        calls.append(len(bucket))
        return [list(tensor.shape[:2]) for tensor in bucket]

    sizes = [(11, 5), (35, 5), (19, 9), (12, 10), (31, 1)]
    answers = run_in_buckets([picture(*size) for size in sizes], rounded, run)
    assert answers == [list(size) for size in sizes]
    assert calls == [3, 2]


def test_a_lost_answer_is_noticed() -> None:
    with pytest.raises(ValueError, match="zip"):
        run_in_buckets([picture(1, 1), picture(2, 2)], rounded, lambda bucket: bucket[:1])


def test_what_is_no_picture_is_refused_before_anything_runs() -> None:
    with pytest.raises(ValueError, match=r"\[h, w, 3\] uint8 expected"):
        run_in_buckets([picture(1, 1), np.zeros((4, 4))], rounded, lambda bucket: bucket)


def test_what_a_network_holds_is_counted_once_and_in_its_own_precision() -> None:
    shared = torch.nn.Linear(4, 3)
    network = torch.nn.Sequential(shared, torch.nn.BatchNorm1d(3), shared)
    counter = 8  # of the norm, an integer
    assert nbytes(network) == 4 * (4 * 3 + 3 + 4 * 3) + counter
    assert nbytes(network.half()) == 2 * (4 * 3 + 3 + 4 * 3) + counter
