"""Instances of boxes that are pointed out: small networks with drawn weights, and the demo's."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models import zoo
from models.labels import FIGURES
from models.mask_rcnn import MaskRcnnPredictor
from models.outputs import InstanceMasks
from models.predictor import BoxPrompts, BoxSegmenter
from tests.families import mask_rcnn_recorded as recorded
from tests.families.test_mask_rcnn_predictor import assert_equal, build, picture

IMAGE = picture(90, 120)
BOX = (10.0, 20.0, 60.5, 70.0)


@pytest.fixture(scope="module")
def predictor() -> MaskRcnnPredictor:
    return build()


def of(*boxes: tuple[float, ...], labels: tuple[int | None, ...] = ()) -> BoxPrompts:
    return BoxPrompts(np.array(boxes, dtype=np.float64).reshape(-1, 4), labels)


def ask(predictor: Any, prompts: BoxPrompts, image: np.ndarray = IMAGE) -> InstanceMasks:
    (answer,) = predictor.segment_boxes([image], [prompts])
    assert isinstance(answer, InstanceMasks)
    return answer


def test_it_is_a_box_segmenter(predictor: MaskRcnnPredictor) -> None:
    assert isinstance(predictor, BoxSegmenter)


def test_the_box_of_a_detection_has_the_mask_of_the_detection(predictor: MaskRcnnPredictor) -> None:
    (found,) = predictor.predict([IMAGE], max_detections=20)
    labels = tuple(found.labels.tolist())
    again = ask(predictor, BoxPrompts(found.boxes_xyxy.numpy(), labels))
    assert torch.equal(again.labels, found.labels)
    torch.testing.assert_close(again.boxes_xyxy, found.boxes_xyxy, rtol=0, atol=1e-3)
    soft, soft_again = (one.masks._encode.args[0] for one in (found, again))
    torch.testing.assert_close(soft_again, soft, rtol=0, atol=1e-4)
    assert found.masks().any()
    assert (again.masks() != found.masks()).mean() < 1e-4


def test_boxes_keep_their_order_and_their_labels(predictor: MaskRcnnPredictor) -> None:
    boxes = [BOX, (70.0, 5.0, 110.0, 80.0), (0.0, 0.0, 120.0, 90.0)]
    forth = ask(predictor, of(*boxes, labels=(2, None, 5)))
    back = ask(predictor, of(*boxes[::-1], labels=(5, None, 2)))
    assert (forth.labels[0], forth.labels[2]) == (2, 5)
    torch.testing.assert_close(forth.boxes_xyxy, torch.tensor(boxes), rtol=0, atol=1e-3)
    assert torch.equal(back.labels.flip(0), forth.labels)
    torch.testing.assert_close(back.boxes_xyxy.flip(0), forth.boxes_xyxy)
    torch.testing.assert_close(back.scores.flip(0), forth.scores, rtol=0, atol=1e-5)
    assert forth.masks().any(axis=(1, 2)).all()
    assert (back.masks()[::-1] != forth.masks()).mean() < 1e-4


def test_the_score_is_the_probability_of_the_label(predictor: MaskRcnnPredictor) -> None:
    every = ask(predictor, of(*[BOX] * 6, labels=(1, 2, 3, 4, 5, 6)))
    best = ask(predictor, of(BOX))
    assert 0.01 < every.scores.sum() < 1
    assert best.labels[0] == every.labels[every.scores.argmax()]
    torch.testing.assert_close(best.scores[0], every.scores.max())


def test_a_label_is_chosen_among_the_wanted(predictor: MaskRcnnPredictor) -> None:
    every = ask(predictor, of(*[BOX] * 6, labels=(1, 2, 3, 4, 5, 6)))
    worst = every.labels[every.scores.argsort()[:2]].tolist()
    (some,) = predictor.segment_boxes([IMAGE], [of(BOX)], labels=[*worst, 99])
    assert some.labels[0] == worst[1]


def test_only_labels_with_a_category_are_chosen() -> None:
    narrow = build(categories={label: FIGURES[label] for label in (1, 6)})
    boxes = [(x, 0.0, x + 30.0, 40.0) for x in range(0, 90, 3)]
    assert set(ask(narrow, of(*boxes)).labels.tolist()) <= {1, 6}


def test_answers_do_not_depend_on_companions_or_order(predictor: MaskRcnnPredictor) -> None:
    pictures = [picture(120, 90, 1), picture(60, 200, 2), picture(121, 91, 3)]
    prompts = [of(BOX, (0, 0, 90, 120)), of((100, 5, 180, 50), labels=(3,)), of(BOX, labels=(1,))]
    together = predictor.segment_boxes(pictures, prompts)
    backwards = predictor.segment_boxes(pictures[::-1], prompts[::-1])[::-1]
    for image, asked, found, again in zip(pictures, prompts, together, backwards, strict=True):
        alone = ask(predictor, asked, image)
        assert_equal(found, alone)
        assert_equal(again, alone)


def test_pictures_of_one_input_shape_share_a_pass(predictor: MaskRcnnPredictor) -> None:
    sizes = []
    hook = predictor._model.backbone.register_forward_pre_hook(
        lambda _, inputs: sizes.append(len(inputs[0]))
    )
    predictor.segment_boxes([picture(120, 90, 1), IMAGE, picture(121, 91)], [of(BOX)] * 3)
    hook.remove()
    assert sizes == [2, 1]


def test_a_box_is_cut_to_the_picture(predictor: MaskRcnnPredictor) -> None:
    beyond = ask(predictor, of((-30.0, 40.0, 50.0, 1e30)))
    assert_equal(beyond, ask(predictor, of((0.0, 40.0, 50.0, 90.0))))
    inside = torch.tensor([[0.0, 40.0, 50.0, 90.0]])
    torch.testing.assert_close(beyond.boxes_xyxy, inside, rtol=0, atol=1e-3)


def test_a_box_outside_the_picture_has_no_mask(predictor: MaskRcnnPredictor) -> None:
    assert not ask(predictor, of((500.0, 500.0, 600.0, 600.0))).masks()[:, :-1, :-1].any()


def test_no_boxes_give_no_instances(predictor: MaskRcnnPredictor) -> None:
    nothing, something = predictor.segment_boxes([IMAGE, IMAGE], [of(), of(BOX)])
    assert nothing.masks().shape == (0, 90, 120)
    assert len(something.scores) == 1
    assert predictor.segment_boxes([], []) == []


SIDES = st.floats(-1e9, 1e9, width=32)


@settings(max_examples=25)
@given(st.lists(st.tuples(SIDES, SIDES, SIDES, SIDES), max_size=4))
def test_any_boxes_get_finite_answers(
    predictor: MaskRcnnPredictor, corners: list[tuple[float, ...]]
) -> None:
    boxes = [box for box in corners if box[0] < box[2] and box[1] < box[3]]
    found = ask(predictor, of(*boxes))
    assert len(found.scores) == len(found.masks) == len(boxes)
    assert found.scores.isfinite().all()
    assert found.masks().shape == (len(boxes), 90, 120)


@pytest.mark.parametrize(
    ("prompts", "said"),
    [
        (BoxPrompts(np.zeros(4)), "finite numbers"),
        (BoxPrompts(np.zeros((1, 5))), "finite numbers"),
        (of((0, 0, np.inf, 5)), "finite numbers"),
        (of((0, 0, np.nan, 5)), "finite numbers"),
        (of((0, 0, 5, 5), (5, 0, 5, 9)), "no area"),
        (of((0, 9, 5, 5)), "no area"),
        (of(BOX, labels=(1, 2)), "2 labels for 1 boxes"),
        (of(BOX, labels=(7,)), "unknown label 7"),
        (of(BOX, labels=(0,)), "unknown label 0"),
    ],
)
def test_what_makes_no_sense_is_refused(
    predictor: MaskRcnnPredictor, prompts: BoxPrompts, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        ask(predictor, prompts)


def test_prompts_belong_to_pictures_and_labels_to_categories(predictor: MaskRcnnPredictor) -> None:
    with pytest.raises(ValueError, match="zip"):
        predictor.segment_boxes([IMAGE], [])
    with pytest.raises(ValueError, match="none of them has a category"):
        predictor.segment_boxes([IMAGE], [of(BOX)], labels=[0, 99])


def test_the_demo_network_masks_the_figures_of_the_drawn_picture() -> None:
    boxes = [(20, 30, 80, 90), (110, 80, 160, 130), (110, 10, 170, 70)]
    found = ask(zoo.load("mask_rcnn_demo"), of(*boxes), recorded.picture())
    assert [FIGURES[label].name for label in found.labels.tolist()] == ["circle", "square", "ring"]
    y, x = np.mgrid[:150, :200]
    radius = np.hypot(x - 140, y - 40)
    truths = [
        np.hypot(x - 50, y - 60) < 30,
        (abs(x - 134.5) < 25) & (abs(y - 104.5) < 25),
        (radius < 30) & (radius > 16),
    ]
    for mask, truth in zip(found.masks(), truths, strict=True):
        assert (mask & truth).sum() / (mask | truth).sum() > 0.85
