"""From what callers tell of objects to what a tracker takes: ids, labels, prompts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.predictor import Prompt
from service.engine.sessions.records import (
    BoxPrompt,
    Detect,
    MaskPrompt,
    NewObject,
    PointPrompt,
)
from service.engine.tracker import Frame, LoadedTracker
from service.errors import InvalidOptions, NotFound, TooManyObjects


@dataclass(frozen=True)
class Told:
    """Objects in a tracker's own terms.

    Attributes:
        prompts: id -> [h, w] bool mask or [4] float box_xyxy.
        labels: id -> what its caller calls it, of these and those known before.
    """

    prompts: Mapping[int, npt.NDArray[Any]]
    labels: Mapping[int, str | None]


def choose(
    trackers: Sequence[LoadedTracker], new_objects: Sequence[NewObject] | Detect
) -> LoadedTracker:
    """Return the first tracker that takes all the prompts as they are, else the first.

    Raises:
        NotFound: there is no tracker.
    """
    if not trackers:
        raise NotFound("No model that can track is loaded.")
    kinds = _kinds(new_objects)
    return next((one for one in trackers if kinds <= one.prompts), trackers[0])


def tell(
    new_objects: Sequence[NewObject] | Detect,
    frame: Frame,
    tracker: LoadedTracker,
    *,
    known: Mapping[int, str | None],
    limit: int,
) -> Told:
    """Return objects as the tracker takes them.

    Args:
        new_objects: that callers gave.
        frame: [h, w, 3] uint8, RGB, on which they are.
        tracker: that shall follow them.
        known: id -> label of the objects that the session follows already.
        limit: objects of one session.

    Raises:
        InvalidOptions: one cannot be followed.
        TooManyObjects: they are more than the limit, with the known ones.
    """
    if isinstance(new_objects, Detect):
        raise InvalidOptions("detect: nothing here finds objects yet.")
    numbered = _number(new_objects, known)
    labels = {**known, **{one: new.label or known.get(one) for one, new in numbered.items()}}
    if len(labels) > limit:
        raise TooManyObjects(
            f"A session follows {limit} objects at most.", limit=limit, actual=len(labels)
        )
    height, width = frame.shape[:2]
    prompts = {one: _prompt(new, (height, width)) for one, new in numbered.items()}
    missing = _kinds(new_objects) - tracker.prompts
    if missing:
        raise InvalidOptions(
            f"objects: {tracker.name} takes a {' or '.join(sorted(tracker.prompts))} of an object, "
            f"not a {min(missing)}."
        )
    return Told(prompts, labels)


def _number(
    new_objects: Sequence[NewObject], known: Mapping[int, str | None]
) -> dict[int, NewObject]:
    """Objects by id; those that came without one get the next free ones."""
    taken = [one.id for one in new_objects if one.id is not None]
    if len(set(taken)) < len(taken):
        raise InvalidOptions("objects: an id is given twice.")
    if any(not 0 < one < 2**31 for one in taken):
        raise InvalidOptions("objects: an id is a whole number from 1 to 2147483647.")
    free = max((*taken, *known, 0))
    numbered = {}
    for new in new_objects:
        if new.id is None:
            free += 1
        numbered[new.id or free] = new
    if not numbered:
        raise InvalidOptions("objects: there is none.")
    return numbered


def _kinds(new_objects: Sequence[NewObject] | Detect) -> set[Prompt | str]:
    if isinstance(new_objects, Detect):
        return {"mask"}
    names = {MaskPrompt: "mask", BoxPrompt: "box", PointPrompt: "point"}
    return {names[type(one.prompt)] for one in new_objects}


def _prompt(new: NewObject, frame_size: tuple[int, int]) -> npt.NDArray[Any]:
    """The object in arrays, checked against the frame."""
    height, width = frame_size
    match new.prompt:
        case MaskPrompt(mask):
            if mask.shape != frame_size:
                raise InvalidOptions(
                    f"objects: a mask is {mask.shape[1]} x {mask.shape[0]} pixels, "
                    f"the frame {width} x {height}."
                )
            if not mask.any():
                raise InvalidOptions("objects: a mask has no pixel.")
            return mask
        case BoxPrompt(box):
            left, top, right, bottom = box
            if not (left < right and top < bottom):
                raise InvalidOptions("objects: a box has no area.")
            return np.array(box)
        case PointPrompt(point):
            return np.array(point)
