"""Behaviour that needs no official number: small networks with drawn weights."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from models.labels import FIGURES
from models.layers.inference import prepare
from models.mask_rcnn import DEMO, MaskRcnn, MaskRcnnConfig, MaskRcnnPredictor, load_network
from models.outputs import InstanceMasks
from models.predictor import ImagePredictor

SMALL = replace(DEMO, min_size=96, max_size=160, rpn_post_nms_top_n_test=40)


def drawn_weights(config: MaskRcnnConfig) -> dict[str, torch.Tensor]:
    """Initial weights, the classes spread out so that scores differ."""
    torch.manual_seed(3)
    model = MaskRcnn(config)
    for layer in (model.roi_heads.box_predictor.cls_score, model.rpn.head.cls_logits):
        nn.init.normal_(layer.weight, std=0.3)
    return model.state_dict()


def build(dtype: torch.dtype = torch.float32, **overrides: Any) -> MaskRcnnPredictor:
    config = replace(SMALL, **overrides)
    return MaskRcnnPredictor(prepare(load_network(config, drawn_weights(config)), "cpu", dtype))


@pytest.fixture(scope="module")
def predictor() -> MaskRcnnPredictor:
    return build()


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def assert_equal(found: InstanceMasks, expected: InstanceMasks) -> None:
    assert torch.equal(found.labels, expected.labels)
    torch.testing.assert_close(found.boxes_xyxy, expected.boxes_xyxy, rtol=0, atol=1e-3)
    torch.testing.assert_close(found.scores, expected.scores, rtol=0, atol=1e-5)
    assert (found.masks() != expected.masks()).mean() < 1e-4


def test_it_is_an_image_predictor(predictor: MaskRcnnPredictor) -> None:
    assert isinstance(predictor, ImagePredictor)


def test_answers_do_not_depend_on_companions_or_order(predictor: MaskRcnnPredictor) -> None:
    pictures = [picture(120, 90, 1), picture(60, 200, 2), picture(121, 91, 3), picture(30, 100, 4)]
    assert len({predictor.input_shape(image.shape[:2]) for image in pictures}) == 2
    together = predictor.predict(pictures)
    backwards = predictor.predict(pictures[::-1])[::-1]
    for image, found, again in zip(pictures, together, backwards, strict=True):
        (alone,) = predictor.predict([image])
        assert len(alone.scores) > 3
        assert_equal(found, alone)
        assert_equal(again, alone)


def test_the_same_call_gives_the_same_bits(predictor: MaskRcnnPredictor) -> None:
    first, second = (predictor.predict([picture(90, 120)])[0] for _ in range(2))
    assert torch.equal(first.boxes_xyxy, second.boxes_xyxy)
    assert torch.equal(first.scores, second.scores)
    assert list(first.masks) == list(second.masks)


def test_instances_are_inside_the_picture_best_first(predictor: MaskRcnnPredictor) -> None:
    (found,) = predictor.predict([picture(77, 133)])
    assert found.labels.dtype == torch.int64
    assert set(found.labels.tolist()) <= set(predictor.categories)
    assert (found.scores.diff() <= 0).all()
    assert (found.boxes_xyxy >= 0).all()
    assert (found.boxes_xyxy <= torch.tensor([133.0, 77.0, 133.0, 77.0])).all()
    assert found.masks().shape == (len(found.scores), 77, 133)


def test_the_threshold_is_strict_and_drops_the_tail(predictor: MaskRcnnPredictor) -> None:
    (everything,) = predictor.predict([picture(90, 120)], score_threshold=0.0)
    middle = everything.scores[len(everything.scores) // 2].item()
    (above,) = predictor.predict([picture(90, 120)], score_threshold=middle)
    is_above = everything.scores > middle
    assert torch.equal(above.scores, everything.scores[is_above])
    assert torch.equal(above.boxes_xyxy, everything.boxes_xyxy[is_above])


def test_the_best_detections_stay_when_fewer_are_asked_for(predictor: MaskRcnnPredictor) -> None:
    (many,) = predictor.predict([picture(90, 120)])
    (few,) = predictor.predict([picture(90, 120)], max_detections=3)
    assert torch.equal(few.scores, many.scores[:3])
    assert few.masks().shape[0] == 3


def test_other_labels_do_not_use_up_the_places(predictor: MaskRcnnPredictor) -> None:
    (everything,) = predictor.predict([picture(90, 120)], max_detections=1000)
    wanted = {everything.labels[-1].item(), 99}
    (some,) = predictor.predict([picture(90, 120)], labels=wanted, max_detections=2)
    is_wanted = torch.isin(everything.labels, torch.tensor(sorted(wanted)))
    assert torch.equal(some.scores, everything.scores[is_wanted][:2])
    assert not len(predictor.predict([picture(90, 120)], labels=[])[0].scores)


def test_only_labels_with_a_category_are_found_unless_others_are_asked_for() -> None:
    predictor = build(categories={label: FIGURES[label] for label in (1, 6)})
    (found,) = predictor.predict([picture(90, 120)], score_threshold=0.0)
    assert set(found.labels.tolist()) == {1, 6}
    (others,) = predictor.predict([picture(90, 120)], score_threshold=0.0, labels=range(7))
    assert len(set(others.labels.tolist())) > 2


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (7, 640), (33, 32)])
def test_pictures_of_any_size_get_an_answer(
    predictor: MaskRcnnPredictor, size: tuple[int, int]
) -> None:
    (found,) = predictor.predict([picture(*size)])
    assert found.masks().shape == (len(found.scores), *size)
    assert found.boxes_xyxy.isfinite().all()


def test_no_pictures_give_no_answers(predictor: MaskRcnnPredictor) -> None:
    assert predictor.predict([]) == []


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((5, 5, 3)),
        np.zeros((5, 5), np.uint8),
        np.zeros((5, 5, 4), np.uint8),
        np.zeros((0, 5, 3), np.uint8),
    ],
)
def test_what_is_no_picture_is_refused(predictor: MaskRcnnPredictor, image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="uint8 expected"):
        predictor.predict([image])


def test_read_only_and_strided_pictures_are_read_as_they_are(predictor: MaskRcnnPredictor) -> None:
    plain = picture(90, 120)
    mirrored = np.ascontiguousarray(plain[:, ::-1])
    mirrored.setflags(write=False)
    views = predictor.predict([plain[:, ::-1], mirrored])
    assert_equal(views[0], views[1])
    assert (plain == picture(90, 120)).all()


def test_outputs_may_be_changed_by_who_gets_them(predictor: MaskRcnnPredictor) -> None:
    (found,) = predictor.predict([picture(90, 120)])
    found.scores.mul_(2)
    found.boxes_xyxy.add_(1)
    assert not found.scores.is_inference()


def test_training_proposes_by_its_own_numbers() -> None:
    config = replace(SMALL, rpn_post_nms_top_n_train=7, rpn_post_nms_top_n_test=5)
    model = MaskRcnn(config)
    images, sizes = torch.rand(2, 3, 96, 96), torch.full((2, 2), 96.0)
    assert [len(p.scores) for p in model.train()(images, sizes).proposals] == [7, 7]
    assert [len(p.scores) for p in model.eval()(images, sizes).proposals] == [5, 5]


def test_gradients_reach_every_weight() -> None:
    model = MaskRcnn(SMALL).train()
    images, sizes = torch.rand(2, 3, 96, 96), torch.full((2, 2), 96.0)
    features = model.backbone(images)
    rpn = model.rpn(features, (96, 96))
    boxes_xyxy = [p.boxes_xyxy[:4] for p in model.rpn.propose(rpn, sizes)]
    class_logits, box_deltas = model.roi_heads.box_branch(features, boxes_xyxy)
    masks = model.roi_heads.mask_branch(features, boxes_xyxy, torch.arange(8) % 7)
    parts = [class_logits, box_deltas, masks, *rpn.objectness_logits, *rpn.box_deltas]
    sum(part.square().sum() for part in parts).backward()
    dead = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert dead == []
