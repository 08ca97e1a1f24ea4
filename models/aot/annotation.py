"""What callers draw, checked and turned into slots, label maps and labels of groups."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.layers.sessions import check_ids

MAX_SLOTS = 255  # what a label map of bytes can tell apart


def check(objects: Mapping[int, npt.NDArray[np.bool_]], frame_size: tuple[int, int]) -> None:
    """Refuse what cannot be followed.

    Args:
        objects: id -> [h, w] bool.
        frame_size: (height, width), pixels.

    Raises:
        ValueError: there is none, an id is not above 0, or something else than a mask of the
            frame's size with at least one pixel was given.
    """
    check_ids(objects)
    for object_id, mask in objects.items():
        shape, dtype = np.shape(mask), np.asarray(mask).dtype
        if shape == (4,):
            raise ValueError(
                f"object {object_id} needs a mask; a box alone does not tell its shape"
            )
        if shape != frame_size or dtype != np.bool_:
            raise ValueError(
                f"the mask of object {object_id} is {list(shape)} {dtype}, "
                f"not {list(frame_size)} bool"
            )
        if not np.any(mask):
            raise ValueError(f"the mask of object {object_id} has no pixel")


def assign_slots(
    slot_ids: Sequence[int], object_ids: Iterable[int], group_objects: int
) -> list[tuple[int, ...]]:
    """Return the ids of every group's slots, new objects after the known ones in rising order.

    Args:
        slot_ids: of the slots there are.
        object_ids: that shall have slots; the known ones keep theirs.
        group_objects: slots a group.

    Raises:
        ValueError: a label map cannot tell so many apart.
    """
    ids = [*slot_ids, *sorted(set(object_ids) - set(slot_ids))]
    if len(ids) > MAX_SLOTS:
        raise ValueError(f"a session follows {MAX_SLOTS} objects at most, not {len(ids)}")
    return [
        tuple(ids[start : start + group_objects]) for start in range(0, len(ids), group_objects)
    ]


def paint(
    label_map: npt.NDArray[np.uint8],
    slot_ids: Sequence[int],
    objects: Mapping[int, npt.NDArray[np.bool_]],
) -> npt.NDArray[np.uint8]:
    """Return the label map with some objects drawn anew; where masks overlap, the later one wins.

    Args:
        label_map: [h, w] uint8, slots, 0 = background.
        slot_ids: the object id of every slot.
        objects: id -> [h, w] bool.

    Returns:
        [h, w] uint8. Nothing is left of where a drawn object was before.
    """
    slots = {object_id: slot for slot, object_id in enumerate(slot_ids, start=1)}
    drawn = [slots[object_id] for object_id in objects]
    painted = np.where(np.isin(label_map, drawn), 0, label_map).astype(np.uint8)
    for object_id, mask in objects.items():
        painted[mask] = slots[object_id]
    return painted


def local_labels(label_map: Tensor, offset: int, count: int) -> Tensor:
    """Return a group's own labels, 1 to its count; what is not its own is background.

    Args:
        label_map: [b, h, w] uint8, slots.
        offset: slots of the groups before it.
        count: slots of the group.

    Returns:
        [b, h, w] uint8.

    Source: aot-benchmark: networks/engines/aot_engine.py, AOTInferEngine.separate_mask; differs:
        none.
    """
    is_own = (label_map > offset) & (label_map <= offset + count)
    return torch.where(is_own, label_map - offset, 0)
