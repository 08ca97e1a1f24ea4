"""The compressed string of a COCO run-length mask: numbers to characters and back, all at once.

Each number stands in groups of five bits, lowest first, its sign extended from the last group's top
bit. A group is one character: its bits, plus 32 if another follows, plus 48. From the fourth run
on, not the run is written but its difference to the run two before.

Source: cocodataset/cocoapi: common/maskApi.c, rleToString, rleFrString.
"""

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

MAX_CHARACTERS = 7  # of one number: 35 bits, more than any difference of two runs needs

_BITS = 5
_MORE = 1 << _BITS
_SIGN = _MORE >> 1
_FIRST = 48
_LIMITS = 1 << (_BITS * np.arange(1, MAX_CHARACTERS) - 1)  # magnitudes that need one group more


def pack(counts: Ints) -> str:
    """Write lengths of runs as a compressed string.

    Args:
        counts: [n] int64, each in [0, 2**34), background first; at least one.
    """
    numbers = counts.copy()
    numbers[3:] -= counts[1:-2]
    magnitudes = numbers ^ (numbers >> 63)
    lengths = np.searchsorted(_LIMITS, magnitudes, side="right") + 1
    place = np.arange(lengths.max())
    groups = (numbers[:, None] >> (_BITS * place)) & (_MORE - 1)
    groups[place < lengths[:, None] - 1] |= _MORE
    text = groups[place < lengths[:, None]] + _FIRST
    return text.astype(np.uint8).tobytes().decode("ascii")


def unpack(text: str) -> Ints:
    """Read the lengths of runs from a compressed string.

    Returns:
        [n] int64, as written: what runs there may be is for the caller to check.

    Raises:
        ValueError: the text is no compressed string.
    """
    if not text.isascii():
        raise ValueError("the counts hold characters that are no part of a compressed RLE")
    groups = np.frombuffer(text.encode("ascii"), dtype=np.uint8) - np.uint8(_FIRST)
    if groups.size and groups.max() >= 2 * _MORE:  # what lies below the first has wrapped around
        raise ValueError("the counts hold characters that are no part of a compressed RLE")
    if not groups.size or groups[-1] & _MORE:
        raise ValueError("the counts end in the middle of a number")
    ends = np.flatnonzero(groups < _MORE) + 1
    lengths = np.diff(ends, prepend=0)
    if lengths.max() > MAX_CHARACTERS:
        raise ValueError("the counts hold a number that is too long")
    counts = _join(groups, ends - lengths, lengths)
    counts[1::2] = np.cumsum(counts[1::2])
    counts[2::2] = np.cumsum(counts[2::2])
    return counts


def _join(groups: npt.NDArray[np.uint8], firsts: Ints, lengths: Ints) -> Ints:
    """Put the groups of each number together: [n] int64."""
    is_negative = (groups[firsts + lengths - 1] & _SIGN) != 0
    numbers = np.where(is_negative, np.int64(-1) << (_BITS * lengths), np.int64(0))
    for group in range(int(lengths.max())):
        here = lengths > group
        bits = groups[firsts[here] + group].astype(np.int64) & (_MORE - 1)
        numbers[here] |= bits << (_BITS * group)
    return numbers
