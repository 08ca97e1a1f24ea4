"""Objects told by boxes, points or nothing become masks where the tracker takes masks alone."""

import asyncio
import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from models import rle
from models.outputs import Detections, InstanceMasks, Masks
from service.engine.engine import Engine
from service.engine.sessions.records import BoxPrompt, Detect, NewObject, PointPrompt
from service.errors import InvalidOptions, NotFound, NotReady, TooManyObjects
from tests.engine.following import SIZE, add, drawn, engine_with, mask, open_session
from tests.fake_tracker import FakeVideoPredictor
from tests.fakes import FakeBoxSegmenter, FakeModel

BOX = NewObject(BoxPrompt((3.0, 2.0, 9.0, 6.0)), 5, "dog")


def block(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    filled = np.zeros(SIZE, bool)
    filled[top:bottom, left:right] = True
    return filled


def instances(*masks: np.ndarray) -> InstanceMasks:
    return InstanceMasks(
        boxes_xyxy=torch.zeros(len(masks), 4),
        labels=torch.tensor([1 + index % 2 for index in range(len(masks))]),
        scores=torch.linspace(0.9, 0.5, len(masks)),
        masks=Masks(len(masks), SIZE, lambda: [rle.encode(one) for one in masks]),
    )


def masks_of(answer: Any) -> dict[int, np.ndarray]:
    return {one.id: rle.decode(one.mask) for one in answer.objects}


async def tracked(engine: Engine, objects: Any) -> Any:
    return (await open_session(engine, objects=objects)).answer


async def test_a_box_becomes_the_mask_of_what_is_in_it() -> None:
    segmenter = FakeBoxSegmenter()
    engine = await engine_with(others={"fake": FakeModel(), "masker": segmenter})
    answer = await tracked(engine, [drawn(1), BOX])
    masks = masks_of(answer)
    assert answer.labels == {1: None, 5: "dog"}
    assert [*masks] == [1, 5]
    assert (masks[1] == mask()).all()
    assert (masks[5] == block(2, 3, 6, 9)).all()
    ((prompts,), _) = segmenter.prompted[-1]
    assert prompts.boxes_xyxy.tolist() == [[3.0, 2.0, 9.0, 6.0]]
    await engine.aclose()


async def test_objects_added_on_the_way_are_told_in_the_same_ways() -> None:
    engine = await engine_with(others={"masker": FakeBoxSegmenter()})
    session_id = (await open_session(engine)).status.id
    status = await add(engine, session_id, [BOX, NewObject(PointPrompt((1.0, 1.0)))])
    assert [(one.id, one.label) for one in status.objects] == [(1, None), (5, "dog"), (6, None)]
    await engine.aclose()


async def test_a_tracker_that_takes_boxes_gets_them_as_they_are() -> None:
    boxer, segmenter = FakeVideoPredictor(prompts=("box",)), FakeBoxSegmenter()
    engine = await engine_with(boxer, others={"masker": segmenter})
    answer = await tracked(engine, [BOX])
    assert (masks_of(answer)[5] == block(2, 3, 6, 9)).all()
    assert segmenter.prompted == []
    await engine.aclose()


async def test_a_point_means_the_smallest_instance_over_it() -> None:
    found = instances(block(0, 0, 12, 16), block(1, 1, 5, 5), block(6, 6, 8, 8))
    model = FakeModel(lambda *_, **__: found)
    engine = await engine_with(others={"fake": model})
    points = [NewObject(PointPrompt(at)) for at in ((1.0, 4.9), (7.5, 6.0), (5.0, 4.0))]
    masks = masks_of(await tracked(engine, points))
    assert [int(one.sum()) for one in masks.values()] == [16, 4, 192]
    assert model.calls[-1][1] == {"score_threshold": 0.3}
    await engine.aclose()


async def test_a_segmenter_that_is_unloaded_between_its_passes_is_not_ready() -> None:
    is_drawing, may_draw = threading.Event(), threading.Event()

    class Slow(FakeBoxSegmenter):
        def segment_boxes(self, images: Any, prompts: Any, **options: Any) -> list[InstanceMasks]:
            (found,) = super().segment_boxes(images, prompts, **options)
            return [replace(found, masks=Masks(len(found.masks), SIZE, lambda: slowly(found)))]

    def slowly(found: InstanceMasks) -> list[Any]:
        is_drawing.set()
        assert may_draw.wait(10)
        return list(found.masks)

    engine = await engine_with(others={"masker": Slow()})
    opening = asyncio.ensure_future(tracked(engine, [BOX, NewObject(PointPrompt((1.0, 1.0)))]))
    assert await asyncio.to_thread(is_drawing.wait, 10)
    await engine.unload("masker")
    may_draw.set()
    with pytest.raises(NotReady):
        await opening
    await engine.aclose()


async def test_a_point_or_box_without_anything_is_refused() -> None:
    class Blind(FakeBoxSegmenter):
        def segment_boxes(self, *_: Any, **__: Any) -> list[InstanceMasks]:
            return [instances(block(0, 0, 0, 0))]

    engine = await engine_with(others={"masker": Blind()})
    with pytest.raises(InvalidOptions, match="nothing is found at the point"):
        await tracked(engine, [NewObject(PointPrompt((15.0, 11.0)))])
    with pytest.raises(InvalidOptions, match="nothing is found in the box"):
        await tracked(engine, [BOX])
    assert engine.sessions.list() == ()
    await engine.aclose()


@pytest.mark.parametrize(
    ("new", "others", "reason"),
    [
        (BOX, {}, "a box needs a model that makes instances of boxes, and none is loaded"),
        (BOX, {"fake": FakeModel()}, "a box needs a model that makes instances of boxes"),
        (NewObject(PointPrompt((1.0, 1.0))), {}, "a point needs a model that segments"),
    ],
)
async def test_what_is_missing_is_named(new: NewObject, others: Any, reason: str) -> None:
    engine = await engine_with(others=others)
    with pytest.raises(InvalidOptions, match=reason):
        await tracked(engine, [new])
    await engine.aclose()


async def test_what_a_segmenter_finds_is_followed_under_its_names() -> None:
    empty = block(0, 0, 0, 0)
    model = FakeModel(lambda *_, **__: instances(mask(), empty, block(6, 6, 8, 8)))
    engine = await engine_with(others={"finder": FakeModel(), "fake": model})
    answer = await tracked(engine, Detect(score_threshold=0.4, labels=("Square", "1")))
    assert answer.labels == {1: "circle", 2: "circle"}
    assert (masks_of(answer)[1] == mask()).all()
    assert model.calls[-1][1] == {
        "score_threshold": 0.4,
        "max_detections": 20,
        "labels": (1, 2),
    }
    await engine.aclose()


async def test_what_a_detector_finds_becomes_masks_or_stays_boxes() -> None:
    found = Detections(torch.tensor([[3.0, 2.0, 9.0, 6.0]]), torch.tensor([2]), torch.ones(1))
    finder = FakeModel(lambda *_, **__: found)
    detect = Detect(model="finder")
    for tracker in (FakeVideoPredictor(), FakeVideoPredictor(prompts=("box",))):
        engine = await engine_with(tracker, others={"finder": finder, "m": FakeBoxSegmenter()})
        answer = await tracked(engine, detect)
        assert answer.labels == {1: "square"}
        assert (masks_of(answer)[1] == block(2, 3, 6, 9)).all()
        await engine.aclose()


async def test_finding_can_fail_in_words() -> None:
    nothing = FakeModel(lambda *_, **__: instances())
    engine = await engine_with(others={"fake": nothing})
    with pytest.raises(InvalidOptions, match="nothing is found"):
        await tracked(engine, Detect())
    with pytest.raises(InvalidOptions, match=r"detect.labels: fake knows no category 'dog'"):
        await tracked(engine, Detect(labels=("dog",)))
    with pytest.raises(NotFound, match="No model other"):
        await tracked(engine, Detect(model="other"))
    with pytest.raises(InvalidOptions):
        await tracked(engine, Detect(model="tracker"))
    other = await engine_with(others={"painter": FakeModel()})
    with pytest.raises(InvalidOptions, match="finds no objects"):
        await tracked(other, Detect(model="painter"))
    await engine.aclose()
    await other.aclose()
    engine = await engine_with()
    with pytest.raises(InvalidOptions, match="no model that finds"):
        await tracked(engine, Detect())
    await engine.aclose()


async def test_more_than_one_session_follows_is_refused_before_any_network_is_asked() -> None:
    segmenter = FakeBoxSegmenter()
    engine = await engine_with(others={"masker": segmenter}, max_session_objects=1)
    with pytest.raises(TooManyObjects):
        await tracked(engine, [drawn(1), BOX])
    assert segmenter.prompted == []
    await engine.aclose()


async def test_the_tracker_is_chosen_by_what_can_tell_it_objects() -> None:
    both = FakeVideoPredictor(prompts=("mask", "box"))
    engine = await engine_with(both, others={"boxer": FakeVideoPredictor(), "f": FakeModel()})
    choose = engine.sessions.choose
    assert choose(None, [drawn()]).name == "boxer"  # it goes by masks alone
    assert choose(None, [BOX]).name == "tracker"
    assert choose(None, [NewObject(PointPrompt((1.0, 1.0)))]).name == "tracker"
    assert choose(None, Detect()).name == "boxer"
    await engine.aclose()


async def test_a_box_goes_to_whichever_is_configured_first_if_it_can_become_a_mask() -> None:
    others = {"boxer": FakeVideoPredictor(prompts=("mask", "box")), "masker": FakeBoxSegmenter()}
    engine = await engine_with(others=others)
    assert engine.sessions.choose(None, [BOX]).name == "tracker"
    await engine.aclose()
