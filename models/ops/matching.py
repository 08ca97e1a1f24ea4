"""Which candidate box answers for which object, and which candidates a loss looks at."""

import torch

BACKGROUND = -1
IGNORED = -2


def match(ious: torch.Tensor, high: float, low: float, *, keep_best: bool = False) -> torch.Tensor:
    """Give every candidate its object.

    Args:
        ious: [n, m] float32, in [0, 1]. Overlap of n objects with m candidates.
        high: least overlap of a matched candidate.
        low: overlap below which a candidate is background; between the two it is ignored.
        keep_best: also match the candidates that no other candidate surpasses for some object,
            ties included; each still gets the object that itself overlaps best.

    Returns:
        [m] int64: object index (the first of equals), `BACKGROUND` or `IGNORED`.
    Source: Ren et al. 2015, section 3.1.2; torchvision `models/detection/_utils.py`: Matcher;
        differs: none.
    """
    objects, candidates = ious.shape
    if objects == 0:
        return torch.full((candidates,), BACKGROUND, dtype=torch.int64, device=ious.device)
    owners = ious.argmax(dim=0)
    overlap = ious.gather(0, owners[None])[0]
    matches = torch.where(overlap >= high, owners, IGNORED)
    matches[overlap < low] = BACKGROUND
    if keep_best:
        is_best = (ious == ious.amax(dim=1, keepdim=True)).any(dim=0)
        matches = torch.where(is_best, owners, matches)
    return matches


def sample(matches: torch.Tensor, count: int, positive_share: float) -> torch.Tensor:
    """Choose candidates evenly at random, without repeats; ignored ones are never chosen.

    Args:
        matches: [m] int64, from `match`.
        count: how many to choose, if there are so many.
        positive_share: at most this share of `count` is matched; background fills the rest.

    Returns:
        [s] int64: indices of candidates, the matched ones first.
    Source: torchvision `models/detection/_utils.py`: BalancedPositiveNegativeSampler;
        differs: none.
    """
    positives = _draw(torch.nonzero(matches >= 0)[:, 0], int(count * positive_share))
    negatives = torch.nonzero(matches == BACKGROUND)[:, 0]
    return torch.cat((positives, _draw(negatives, count - len(positives))))


def _draw(indices: torch.Tensor, count: int) -> torch.Tensor:
    order = torch.randperm(len(indices), device=indices.device)
    return indices[order[:count]]
