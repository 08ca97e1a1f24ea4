"""Objects in the terms of a tracker: what it does not take as told, other models turn into masks.

A box becomes the mask that a network sees in it, a point the smallest of the instances that a
network sees over it, and where nothing is told, what a network finds is followed.
"""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from models import rle
from models.outputs import Detections, InstanceMasks
from models.predictor import BoxPrompts, BoxSegmenter
from service.engine.pool import LoadedModel, Pool
from service.engine.query import Query
from service.engine.sessions import objects
from service.engine.sessions.objects import Told
from service.engine.sessions.records import BoxPrompt, Detect, MaskPrompt, NewObject, PointPrompt
from service.engine.tracker import Frame, LoadedTracker
from service.errors import InvalidOptions, NotFound, TooManyObjects

Mask = npt.NDArray[np.bool_]

_POINT_SCORE = 0.3  # least score of an instance that a point can mean


class Prompting:
    """Turns callers' objects into what a tracker takes.

    Args:
        pool: the loaded models.
        limit: objects of one session.
    """

    def __init__(self, pool: Pool, limit: int) -> None:
        self._pool = pool
        self._limit = limit

    def choose(self, new_objects: Sequence[NewObject] | Detect) -> LoadedTracker:
        """Return the first tracker that can be told all the objects, else the first.

        Of those that can be told masks, one that goes by masks alone comes before one that makes
        a box of each.

        Raises:
            NotFound: there is no tracker, or no model that `Detect` names.
            InvalidOptions: the model that `Detect` names does something else.
        """
        trackers = self._pool.of_kind(LoadedTracker)
        if not trackers:
            raise NotFound("No model that can track is loaded.")
        if isinstance(new_objects, Detect):
            kinds = {"mask" if self._finder(new_objects).task == "segment" else "box"}
        else:
            kinds = objects.kinds(new_objects)

        def unfitness(tracker: LoadedTracker) -> tuple[bool, bool]:
            makes_boxes = "mask" in kinds and "box" in tracker.prompts
            return not kinds <= self._told_by(tracker), makes_boxes

        return min(trackers, key=unfitness)

    async def tell(
        self,
        new_objects: Sequence[NewObject] | Detect,
        frame: Frame,
        tracker: LoadedTracker,
        known: Mapping[int, str | None],
        deadline: float,
    ) -> Told:
        """Return objects as the tracker takes them.

        Args:
            new_objects: that callers gave.
            frame: [h, w, 3] uint8, RGB, on which they are.
            tracker: that shall follow them.
            known: id -> label of the objects that the session follows already.
            deadline: by the engine's clock.

        Raises:
            InvalidOptions: one cannot be followed, or what turns it into a mask is not loaded.
            TooManyObjects: they are more than the limit, with the known ones.
            ServiceError: of the models that are asked; see `Batcher.run`.
        """
        if isinstance(new_objects, Detect):
            new_objects = await self._find(new_objects, frame, deadline)
        numbered = objects.number(new_objects, known)
        labels = {**known, **{one: new.label or known.get(one) for one, new in numbered.items()}}
        if len(labels) > self._limit:
            raise TooManyObjects(
                f"A session follows {self._limit} objects at most.",
                limit=self._limit,
                actual=len(labels),
            )
        given = {one: objects.to_array(new.prompt, frame) for one, new in numbered.items()}
        missing = objects.kinds(new_objects) - tracker.prompts
        segmenters, box_segmenters = self._models("segment"), self._box_segmenters()
        if not missing <= self._told_by(tracker):
            raise InvalidOptions(_lacking(tracker, missing))
        boxes = [one for one in numbered if isinstance(numbered[one].prompt, BoxPrompt)]
        if "box" in missing:
            wanted = {one: given[one] for one in boxes}
            given |= await _from_boxes(box_segmenters[0], wanted, frame, deadline)
        points = [one for one in numbered if isinstance(numbered[one].prompt, PointPrompt)]
        if points:
            wanted = {one: given[one] for one in points}
            given |= await _from_points(segmenters[0], wanted, frame, deadline)
        return Told(given, labels)

    def _told_by(self, tracker: LoadedTracker) -> set[str]:
        """What can tell the tracker an object, with the help of the models that are loaded."""
        kinds: set[str] = {*tracker.prompts}
        if "mask" in kinds and self._models("segment"):
            kinds.add("point")
        if "mask" in kinds and self._box_segmenters():
            kinds.add("box")
        return kinds

    def _models(self, task: str) -> list[LoadedModel]:
        return [model for model in self._pool.of_kind(LoadedModel) if model.task == task]

    def _box_segmenters(self) -> list[LoadedModel]:
        segmenters = self._models("segment")
        return [model for model in segmenters if isinstance(model.predictor, BoxSegmenter)]

    def _finder(self, detect: Detect) -> LoadedModel:
        """The model that finds objects."""
        if detect.model is None:
            finders = (*self._models("segment"), *self._models("detect"))
            if not finders:
                raise InvalidOptions("detect: no model that finds objects is loaded.")
            return finders[0]
        finder = self._pool.get_as(LoadedModel, detect.model)
        if finder.task not in ("segment", "detect"):
            raise InvalidOptions(f"detect: {finder.name} finds no objects.")
        return finder

    async def _find(self, detect: Detect, frame: Frame, deadline: float) -> list[NewObject]:
        """What a network finds, with the names that it knows."""
        finder = self._finder(detect)
        labels = detect.labels and finder.status.find_labels("detect.labels", detect.labels)
        options = {
            "score_threshold": detect.score_threshold,
            "max_detections": self._limit,
            "labels": labels and tuple(sorted({*labels})),
        }
        output = (await finder.predict(Query(frame), options, deadline)).output
        prompts = await asyncio.to_thread(_prompts_of, output)
        names = [finder.predictor.categories[label].name for label in output.labels.tolist()]
        found = [
            NewObject(prompt, label=name)
            for prompt, name in zip(prompts, names, strict=True)
            if prompt is not None
        ]
        if not found:
            raise InvalidOptions("detect: nothing is found on the frame.")
        return found


async def _from_boxes(
    segmenter: LoadedModel, boxes: Mapping[int, npt.NDArray[Any]], frame: Frame, deadline: float
) -> dict[int, Mask]:
    """What a network sees in each box."""
    prompts = BoxPrompts(np.stack([*boxes.values()]))
    answer = await segmenter.predict(Query(frame, prompts), {}, deadline)
    masks = await asyncio.to_thread(answer.output.masks)
    return {one: _something(mask, "box") for one, mask in zip(boxes, masks, strict=True)}


async def _from_points(
    segmenter: LoadedModel, points: Mapping[int, npt.NDArray[Any]], frame: Frame, deadline: float
) -> dict[int, Mask]:
    """The smallest instance over each point."""
    answer = await segmenter.predict(Query(frame), {"score_threshold": _POINT_SCORE}, deadline)
    smallest = partial(_smallest_over, instances=answer.output)
    return {one: await asyncio.to_thread(smallest, point) for one, point in points.items()}


def _prompts_of(found: InstanceMasks | Detections) -> list[MaskPrompt | BoxPrompt | None]:
    """A prompt for each object that was found; None where the mask is empty."""
    if isinstance(found, Detections):
        return [BoxPrompt(tuple(box)) for box in found.boxes_xyxy.tolist()]
    return [MaskPrompt(mask) if mask.any() else None for mask in found.masks()]


def _smallest_over(point: npt.NDArray[Any], instances: InstanceMasks) -> Mask:
    x, y = (int(number) for number in point)
    for encoded in sorted(instances.masks, key=rle.area):
        mask = rle.decode(encoded)
        if mask[y, x]:
            return mask
    raise InvalidOptions("objects: nothing is found at the point.")


def _something(mask: Mask, kind: str) -> Mask:
    if not mask.any():
        raise InvalidOptions(f"objects: nothing is found in the {kind}.")
    return mask


def _lacking(tracker: LoadedTracker, missing: set[str]) -> str:
    """Say what would have to be loaded."""
    kind = min(missing)
    helper = "a model that makes instances of boxes" if kind == "box" else "a model that segments"
    return (
        f"objects: {tracker.name} takes a {' or '.join(sorted(tracker.prompts))} of an object; "
        f"a {kind} needs {helper}, and none is loaded."
    )
