"""PointRend against the official numbers of three publications, stage by stage and end to end.

Tolerances are those of the reference: values within 1e-4 of their spread and size; after points
have been chosen, for all but one value in a thousand; chosen sets of equal number, all but one in a
thousand the same; labels 99.95 % equal and different only where the two best classes are close.
"""

import numpy as np
import pytest

from models import zoo
from models.pointrend import PointRendPredictor
from tests.families import pointrend_stages as network
from tests.families.pointrend_stages import CASES, excess, given, stages
from tests.goldens import needs_goldens

pytestmark = needs_goldens

_AFTER_CHOICE = ("step", "logits")


@pytest.mark.parametrize("name", CASES)
def test_every_stage_before_the_choice_of_points_has_the_official_numbers(name: str) -> None:
    before = [
        stage
        for stage, array in given(name).arrays.items()
        if array.dtype == np.float32
        and stage in stages(name)
        and (not stage.startswith(_AFTER_CHOICE) or stage.startswith("step0_up"))
    ]
    assert {"input", "coarse"} <= set(before)
    assert {
        stage: excess(name, stage).max() for stage in before if excess(name, stage).max() > 1e-4
    } == {}


@pytest.mark.parametrize("name", CASES)
def test_every_step_has_the_official_numbers(name: str) -> None:
    after = [
        stage
        for stage, array in given(name).arrays.items()
        if array.dtype == np.float32 and stage in stages(name) and stage.startswith(_AFTER_CHOICE)
    ]
    assert len(after) >= 1
    shares = {stage: (excess(name, stage) <= 1e-4).mean() for stage in after}
    assert {stage: share for stage, share in shares.items() if share < 0.999} == {}


@pytest.mark.parametrize("name", CASES)
def test_the_chosen_points_are_the_official_ones(name: str) -> None:
    steps = [stage for stage in given(name).arrays if stage.endswith("indices_sorted")]
    assert len(steps) == len([stage for stage in stages(name) if stage.startswith("chosen")])
    for step in range(len(steps)):
        official = given(name)[f"step{step}_indices_sorted"]
        ours = stages(name)[f"chosen{step}"]
        assert ours.shape == official.shape
        for mine, theirs in zip(ours, official, strict=True):
            assert len(np.setdiff1d(mine, theirs)) <= len(theirs) / 1000


@pytest.mark.parametrize("name", CASES)
def test_label_maps_differ_only_where_two_classes_are_close(name: str) -> None:
    maps = [
        stage
        for stage in given(name).arrays
        if stage.startswith("labels") and stage in stages(name)
    ]
    assert maps
    for stage in maps:
        is_off = stages(name)[stage] != given(name)[stage]
        assert is_off.mean() <= 0.0005
        margin = stages(name)[stage.replace("labels", "margin")]
        assert margin[is_off].max(initial=0) <= 1e-3


@pytest.mark.parametrize("name", ["voc_r101_resize_batch", "ade_r50_main"])
def test_the_predictor_gives_the_official_labels_from_the_picture(name: str) -> None:
    found = network.load(name).predict(network.images(name))
    for index, answer in enumerate(found):
        assert (answer.label_map.numpy() == given(name)[f"labels{index}"]).mean() >= 0.9995
        assert answer.is_refined


def test_pictures_of_unequal_size_get_the_answers_that_they_get_alone() -> None:
    pictures = network.images("city_d2_batch_padded")
    for index, picture in enumerate(pictures):
        predictor = network.load("city_d2_batch_padded", min_size=min(picture.shape[:2]))
        official = given("city_d2_batch_padded")[f"labels_alone{index}"]
        (alone,) = predictor.predict([picture])
        assert (alone.label_map.numpy() == official).mean() >= 0.9995


@pytest.fixture(scope="module")
def plain() -> PointRendPredictor:
    """What torchvision published: DeepLabV3 without a point head."""
    weights = network.weights("tv_r50_mapping", has_point_head=False)
    found = zoo.load("pointrend_deeplabv3_r50", weights, overrides={"min_size": 136})
    assert isinstance(found, PointRendPredictor)
    return found


def test_weights_without_a_point_head_give_torchvisions_answer_and_say_so(
    plain: PointRendPredictor,
) -> None:
    (answer,) = plain.predict(network.images("tv_r50_mapping"))
    assert not answer.is_refined
    assert (answer.label_map.numpy() == given("tv_r50_mapping")["tv_labels"][0]).mean() >= 0.9995


def test_an_unrefined_answer_is_the_enlarged_coarse_one() -> None:
    (answer,) = network.load("tv_r50_mapping").predict(
        network.images("tv_r50_mapping"), refine=False
    )
    assert not answer.is_refined
    assert (answer.label_map.numpy() == given("tv_r50_mapping")["tv_labels"][0]).mean() >= 0.9995
