"""A session's state read back from tensors, which may have come from anywhere."""

from collections.abc import Mapping

import torch
from torch import Tensor

from models.layers.sessions import StateReader, check_unique
from models.siammask.anchors import kernel_size
from models.siammask.model import BRANCHES, SiamMask
from models.siammask.prompts import MAX_COORDINATE, MIN_SIDE
from models.siammask.state import FORMAT, SiamMaskState, Target


def restore(tensors: Mapping[str, Tensor], model: SiamMask) -> SiamMaskState:
    """Return the state that `SiamMaskState.dump` wrote.

    Args:
        tensors: [any] of any dtype, by name.
        model: the network that shall go on with it.

    Raises:
        ValueError: the tensors are no state, or not one of such a network.
    """
    reader = StateReader(tensors)
    reader.take_format(FORMAT)
    frame = reader.take_frame()
    object_ids = reader.take("object_ids", torch.int64, None).tolist()
    check_unique(object_ids)
    count = len(object_ids)
    positions = reader.take("positions", torch.float64, count, 2)
    sizes = reader.take("sizes", torch.float64, count, 2)
    is_possible = (positions.abs() <= MAX_COORDINATE) & (sizes >= MIN_SIDE)
    if not (is_possible & (sizes <= 2 * MAX_COORDINATE)).all():
        raise ValueError("the snapshot's targets are not where a target can be")
    borders = reader.take("borders", torch.uint8, count, 3)
    own, side = next(model.parameters()), kernel_size(model.config)
    shape = (BRANCHES, model.config.feature_channels, side, side)
    targets = tuple(
        Target(
            object_id,
            (x, y),
            (width, height),
            (red, green, blue),
            reader.take(f"kernels.{object_id}", own.dtype, *shape).to(own.device),
        )
        for object_id, (x, y), (width, height), (red, green, blue) in zip(
            object_ids, positions.tolist(), sizes.tolist(), borders.tolist(), strict=True
        )
    )
    reader.finish()
    return SiamMaskState(frame, targets)
