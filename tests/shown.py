"""Replies as a page shows them, shortened, beside what was said.

`…` stands for members of an object, elements of a list, lines, or the rest of a text.
"""

import json
import math
import re
from collections.abc import Iterable
from typing import Any

_GAP = "…"
_STRING_OR_GAP = re.compile(rf'"(?:[^"\\]|\\.)*"|{_GAP}')
_MEASURED = re.compile(r"\d+\.\d+")
_CHANGING = {"session_id", "request_id", "expires_at", "age_s", "idle_s", "memory_bytes"}
_ROUNDED = {"score", "bbox", "area", "segmentation"}  # not alike to the last digit everywhere


def unlike_json(shown: str, said: str) -> str:
    """Return where documents are not those shown, or nothing; the last ones may be shown alone."""
    wanted, found = _documents(_with_gaps(shown)), _documents(said)
    return _unlike(wanted, found if _GAP in wanted else found[-len(wanted) :], "reply")


def unlike_text(shown: str, said: str) -> str:
    """Return what was said unless it is what is shown; numbers with a point are so roughly."""
    shown, said = shown.strip(), said.strip()
    pattern = re.escape(_MEASURED.sub("0.0", shown))
    pattern = pattern.replace(re.escape("0.0"), f"({_MEASURED.pattern})").replace(_GAP, ".*?")
    found = re.fullmatch(pattern, said, re.DOTALL)
    numbers = zip(_MEASURED.findall(shown), found.groups() if found else (), strict=bool(found))
    is_same = found and all(_is_near(float(one), float(other)) for one, other in numbers)
    return "" if is_same else said


def _with_gaps(shown: str) -> str:
    """Shortened JSON as JSON: a gap at the end of an object is a member, any other a string."""

    def fill(found: re.Match[str]) -> str:
        is_member = re.match(r"\s*}", shown[found.end() :])
        gap = f'"{_GAP}": 0' if is_member else f'"{_GAP}"'
        return gap if found[0] == _GAP else found[0]

    return _STRING_OR_GAP.sub(fill, shown)


def _documents(text: str) -> list[Any]:
    decoder, documents, rest = json.JSONDecoder(), [], text.strip()
    while rest:
        document, end = decoder.raw_decode(rest)
        documents.append(document)
        rest = rest[end:].lstrip()
    return documents


def _unlike(shown: Any, said: Any, where: str, *, is_rounded: bool = False) -> str:
    match shown, said:
        case dict(), dict():
            return _unlike_object(shown, said, where, is_rounded=is_rounded)
        case list(), list():
            return _unlike_list(shown, said, where, is_rounded=is_rounded)
        case str(), str() if shown.endswith(_GAP):
            is_same = said.startswith(shown.removesuffix(_GAP))
        case (int() | float(), int() | float()) if is_rounded:
            is_same = _is_near(shown, said)
        case _:
            is_same = shown == said
    return "" if is_same else f"{where} is {said!r}"


def _unlike_object(
    shown: dict[str, Any], said: dict[str, Any], where: str, *, is_rounded: bool
) -> str:
    names = shown.keys() - {_GAP}
    if names - said.keys() or (_GAP not in shown and said.keys() - names):
        return f"{where} has {sorted(said)}"
    return _first(
        _unlike(
            shown[name], said[name], f"{where}.{name}", is_rounded=is_rounded | (name in _ROUNDED)
        )
        for name in shown
        if name not in _CHANGING | {_GAP}
    )


def _unlike_list(shown: list[Any], said: list[Any], where: str, *, is_rounded: bool) -> str:
    if _GAP in shown:
        before = shown.index(_GAP)
        after = len(shown) - before - 1
        if before + after > len(said):
            return f"{where} has {len(said)} elements"
        shown = [*shown[:before], *shown[len(shown) - after :]]
        said = [*said[:before], *said[len(said) - after :]]
    if len(shown) != len(said):
        return f"{where} has {len(said)} elements"
    pairs = enumerate(zip(shown, said, strict=True))
    return _first(
        _unlike(*pair, f"{where}.{number}", is_rounded=is_rounded) for number, pair in pairs
    )


def _is_near(shown: float, said: float) -> bool:
    is_fraction = max(abs(shown), abs(said)) <= 1
    return math.isclose(shown, said, rel_tol=0.1, abs_tol=0.1 if is_fraction else 5)


def _first(complaints: Iterable[str]) -> str:
    return next(filter(None, complaints), "")
