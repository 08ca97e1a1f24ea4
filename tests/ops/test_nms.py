import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.ops import boxes
from models.ops.nms import nms
from tests.goldens import golden, needs_goldens

CASES = [
    ("a", 30), ("a", 50), ("a", 70), ("tie", 50), ("tie", 70), ("edge", 50), ("edge", 70),
    ("batched_small", 50), ("batched_small", 70), ("batched_large", 50), ("batched_large", 70),
]  # fmt: skip


@needs_goldens
@pytest.mark.parametrize(("case", "percent"), CASES)
def test_exactly_the_official_boxes_are_kept(case: str, percent: int) -> None:
    official = golden("mask_rcnn", "ops-nms").arrays
    scores = torch.from_numpy(official[f"{case}_scores"])
    classes = official.get(f"{case}_classes")
    ids = torch.zeros(len(scores)).long() if classes is None else torch.from_numpy(classes)
    kept = nms(torch.from_numpy(official[f"{case}_boxes"]), scores, ids, percent / 100)
    assert kept.tolist() == official[f"{case}_keep_{percent}"].tolist()


def greedy(
    boxes_xyxy: torch.Tensor, scores: torch.Tensor, ids: torch.Tensor, threshold: float
) -> list[int]:
    """The definition, box by box."""
    iou = boxes.iou_matrix(boxes_xyxy, boxes_xyxy)
    kept: list[int] = []
    for index in sorted(range(len(scores)), key=lambda i: (-scores[i].item(), i)):
        rivals = [other for other in kept if ids[other] == ids[index]]
        if not any(iou[index, other] > threshold for other in rivals):
            kept.append(index)
    return kept


# Whole numbers and few values: overlaps, ties and empty boxes come up often.
_coordinate = st.integers(0, 12)
_box = st.tuples(_coordinate, _coordinate, st.integers(0, 8), st.integers(0, 8))
_candidate = st.tuples(_box, st.integers(0, 5), st.integers(0, 2))
_threshold = st.sampled_from([0.0, 0.25, 0.5, 0.7, 1.0])


def unpack(candidates: list) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rows = [(x, y, x + w, y + h) for (x, y, w, h), _, _ in candidates]
    boxes_xyxy = torch.tensor(rows, dtype=torch.float32).view(-1, 4)
    scores = torch.tensor([score / 5 for _, score, _ in candidates])
    ids = torch.tensor([group for _, _, group in candidates], dtype=torch.int64)
    return boxes_xyxy, scores, ids


@given(st.lists(_candidate, max_size=40), _threshold)
def test_it_keeps_what_the_greedy_loop_keeps(candidates: list, threshold: float) -> None:
    boxes_xyxy, scores, ids = unpack(candidates)
    kept = nms(boxes_xyxy, scores, ids, threshold)
    assert kept.tolist() == greedy(boxes_xyxy, scores, ids, threshold)


@given(st.lists(_candidate, max_size=40), _threshold)
def test_once_more_it_keeps_everything(candidates: list, threshold: float) -> None:
    boxes_xyxy, scores, ids = unpack(candidates)
    kept = nms(boxes_xyxy, scores, ids, threshold)
    again = nms(boxes_xyxy[kept], scores[kept], ids[kept], threshold)
    assert again.tolist() == list(range(len(kept)))


@given(st.lists(_candidate, max_size=40), _threshold)
def test_groups_together_keep_what_each_keeps_alone(candidates: list, threshold: float) -> None:
    boxes_xyxy, scores, ids = unpack(candidates)
    together = set(nms(boxes_xyxy, scores, ids, threshold).tolist())
    alone = set()
    for group in ids.unique():
        members = (ids == group).nonzero()[:, 0]
        zeros = torch.zeros_like(members)
        alone |= set(members[nms(boxes_xyxy[members], scores[members], zeros, threshold)].tolist())
    assert together == alone


def test_a_long_chain_of_overlaps_is_settled_to_its_end() -> None:
    x = torch.arange(300.0)
    chain = torch.stack([x, torch.zeros(300), x + 3, torch.ones(300)], dim=1)
    kept = nms(chain, -x, torch.zeros(300).long(), 0.4)
    assert kept.tolist() == list(range(0, 300, 2))


def test_groups_too_large_for_one_block_are_settled_block_by_block() -> None:
    generator = torch.Generator().manual_seed(0)
    lengths = torch.tensor([1700, 900, 1500, 30, 1600, 1])
    ids = torch.arange(6).repeat_interleave(lengths)[torch.randperm(5731, generator=generator)]
    corners = torch.rand(5731, 2, generator=generator) * 120
    boxes_xyxy = torch.cat([corners, corners + 20], dim=1)
    scores = torch.rand(5731, generator=generator)
    together = nms(boxes_xyxy, scores, ids, 0.5)
    for group in range(6):
        members = (ids == group).nonzero()[:, 0]
        zeros = torch.zeros_like(members)
        alone = members[nms(boxes_xyxy[members], scores[members], zeros, 0.5)]
        assert together[ids[together] == group].tolist() == alone.tolist()
