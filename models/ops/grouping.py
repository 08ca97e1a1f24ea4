"""Rows that belong to groups, as boxes do to pictures: whose each is, where each group's are."""

from collections.abc import Sequence

import torch
from torch import Tensor


def owners(counts: Sequence[int], device: torch.device) -> Tensor:
    """Return the group of every row, where groups follow one another.

    Args:
        counts: rows of each group.
        device: where it is wanted.

    Returns:
        [sum of counts] int64, rising.
    """
    return torch.arange(len(counts)).repeat_interleave(torch.tensor(counts)).to(device)


def members(group_ids: Tensor, group_count: int) -> Sequence[Tensor]:
    """Return where each group's rows are; a GPU is waited for once, not once a group.

    Args:
        group_ids: [n] int64, in [0, group_count).
        group_count: how many groups there are.

    Returns:
        An [m] int64 tensor a group, rising.
    """
    groups = torch.arange(group_count, device=group_ids.device)
    counts = (group_ids[:, None] == groups).sum(0).tolist()
    return torch.split(group_ids.argsort(stable=True), counts)
