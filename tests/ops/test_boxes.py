import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.ops import boxes
from tests.goldens import golden, needs_goldens

ONES = (1.0, 1.0, 1.0, 1.0)
ROI = (10.0, 10.0, 5.0, 5.0)


def tensors(name: str) -> torch.Tensor:
    return torch.from_numpy(golden("mask_rcnn", "ops-boxes")[name])


def close(ours: torch.Tensor, name: str) -> None:
    np.testing.assert_allclose(ours.numpy(), tensors(name).numpy(), rtol=1e-5, atol=1e-5)


@needs_goldens
def test_decoding_agrees_with_the_official_coder() -> None:
    close(boxes.decode(tensors("deltas_rpn"), tensors("boxes"), ONES), "decoded_rpn")
    deltas = tensors("deltas_roi").view(60, 3, 4)
    close(boxes.decode(deltas, tensors("boxes")[:, None], ROI), "decoded_roi")


@needs_goldens
def test_encoding_agrees_with_the_official_coder() -> None:
    reference, anchors = tensors("encode_reference"), tensors("boxes")
    close(boxes.encode(reference, anchors, ONES), "encoded_rpn")
    close(boxes.encode(reference, anchors, ROI), "encoded_roi")


@needs_goldens
def test_clipping_small_sides_and_iou_agree_with_the_official_ones() -> None:
    close(boxes.clip(tensors("decoded_rpn"), torch.tensor([120.0, 160.0])), "clipped_rpn_120x160")
    close(boxes.iou_matrix(tensors("boxes")[:25], tensors("encode_reference")[:25]), "iou")
    for side, name in ((1e-3, "small_keep_1e3"), (1e-2, "small_keep_1e2")):
        kept = boxes.has_sides(tensors("small_boxes"), side).nonzero()[:, 0]
        assert kept.tolist() == tensors(name).tolist()


def boxes_strategy(count: int) -> st.SearchStrategy[torch.Tensor]:
    corner = st.floats(-100, 900, width=32)
    side = st.floats(1, 500, width=32)
    box = st.tuples(corner, corner, side, side)
    return st.lists(box, min_size=count, max_size=count).map(
        lambda rows: torch.tensor([(x, y, x + w, y + h) for x, y, w, h in rows])
    )


@given(boxes_strategy(4), boxes_strategy(4))
def test_decoding_undoes_encoding(wanted: torch.Tensor, anchors: torch.Tensor) -> None:
    sides = wanted[:, 2:] - wanted[:, :2]
    anchor_sides = anchors[:, 2:] - anchors[:, :2]
    is_codable = (sides / anchor_sides < 62).all(1)
    decoded = boxes.decode(boxes.encode(wanted, anchors, ROI), anchors, ROI)
    torch.testing.assert_close(decoded[is_codable], wanted[is_codable], rtol=1e-4, atol=1e-2)


def test_a_decoded_side_grows_at_most_a_thousand_sixteenths() -> None:
    anchor = torch.tensor([[0.0, 0.0, 16.0, 16.0]])
    decoded = boxes.decode(torch.tensor([[0.0, 0.0, 9.0, 9.0]]), anchor, ONES)
    torch.testing.assert_close(decoded, torch.tensor([[-492.0, -492.0, 508.0, 508.0]]))


@given(boxes_strategy(5), boxes_strategy(3))
def test_iou_is_symmetric_in_zero_to_one_and_one_with_itself(
    some: torch.Tensor, others: torch.Tensor
) -> None:
    iou = boxes.iou_matrix(some, others)
    assert iou.shape == (5, 3)
    assert torch.equal(iou, boxes.iou_matrix(others, some).T)
    assert ((iou >= 0) & (iou <= 1 + 1e-6)).all()
    torch.testing.assert_close(boxes.iou_matrix(some, some).diagonal(), torch.ones(5))


def test_boxes_without_area_have_no_iou() -> None:
    point = torch.tensor([[5.0, 5.0, 5.0, 5.0]])
    assert boxes.iou_matrix(point, point).isnan().all()


def test_boxes_of_every_picture_are_clipped_to_their_own_size() -> None:
    pair = torch.tensor([[[-5.0, -5.0, 99.0, 99.0]], [[-5.0, -5.0, 99.0, 99.0]]])
    clipped = boxes.clip(pair, torch.tensor([[[10.0, 20.0]], [[30.0, 40.0]]]))
    assert clipped.tolist() == [[[0.0, 0.0, 20.0, 10.0]], [[0.0, 0.0, 40.0, 30.0]]]


def test_giou_falls_below_zero_by_the_part_of_the_hull_that_is_empty() -> None:
    box = torch.tensor([0.0, 0.0, 2.0, 2.0])
    others = torch.tensor([[1.0, 1.0, 3.0, 3.0], [4.0, 0.0, 6.0, 2.0], [0.0, 0.0, 2.0, 2.0]])
    expected = torch.tensor([1 / 7 - 2 / 9, -1 / 3, 1.0])
    torch.testing.assert_close(boxes.giou(box, others), expected)


@given(boxes_strategy(5), boxes_strategy(3))
def test_giou_is_at_most_the_iou(some: torch.Tensor, others: torch.Tensor) -> None:
    giou = boxes.giou(some[:, None], others)
    assert ((giou > -1) & (giou <= boxes.iou_matrix(some, others) + 1e-6)).all()


def test_corners_lie_half_a_side_from_the_centre() -> None:
    corners = boxes.cxcywh_to_xyxy(torch.tensor([[5.0, 6.0, 2.0, 8.0]]))
    assert corners.tolist() == [[4.0, 2.0, 6.0, 10.0]]
