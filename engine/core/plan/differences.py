"""The differences between two plans, as lines: `racks.r01.places.10.cables.1g0: tor1:swp1 -> tor1:swp2`.

What has a name in the plan is compared by it: racks, places (their lowest unit), expected machines (their serial). Rules have only an
order, so the lists are aligned first: a rule that comes in before others does not make all of them different.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher

from msgspec import json

from ...definitions import Json

NAMED_BY = {"racks": "name", "racks.*.places": "unit", "machines": "serial"}
"""List of the plan -> the key that names its elements. Their order means nothing."""
EMPTY: tuple[Json, ...] = (None, "", {}, [])
"""Values that say as little as no value."""
WIDEST = 72
"""Most characters of a shown value."""


def differences(old: Json, new: Json, path: str = "") -> Iterator[str]:
    """One line per value that differs, in the order of the new plan. Both in the form of `revisions.as_stored`."""
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _of_maps(old, new, path)
    elif isinstance(old, list) and isinstance(new, list):
        key = _named_by(path)
        if key:
            yield from _of_maps({str(one[key]): one for one in old}, {str(one[key]): one for one in new}, path)
        else:
            yield from _of_lists(old, new, path)
    else:
        yield f"{path}: {told(old)} -> {told(new)}"


def _named_by(path: str) -> str:
    first, *names, last = path.split(".") if "." in path else (path, path)
    return NAMED_BY.get(f"{first}.*.{last}" if names else path, "")


def _of_maps(old: dict[str, Json], new: dict[str, Json], path: str) -> Iterator[str]:
    for key in [*new, *(k for k in old if k not in new)]:
        here = f"{path}.{key}" if path else str(key)
        if (key in old) != (key in new) and old.get(key) == new.get(key):
            yield f"{here}: null -> nothing" if key in old else f"{here}: nothing -> null"
        yield from differences(old.get(key), new.get(key), here)


def _of_lists(old: list[Json], new: list[Json], path: str) -> Iterator[str]:
    if not all(isinstance(one, dict) for one in [*old, *new]):
        yield f"{path}: {told(old)} -> {told(new)}"
        return
    for _, a, b, c, d in SequenceMatcher(None, _texts(old), _texts(new), autojunk=False).get_opcodes():
        before, after = old[a:b], new[c:d]
        for i in range(max(len(before), len(after))):
            here = f"{path}.{(c if i < len(after) else a) + i}"
            yield from differences(before[i] if i < len(before) else None, after[i] if i < len(after) else None, here)


def _texts(elements: Iterable[Json]) -> list[bytes]:
    return [json.encode(one, order="deterministic") for one in elements]


def told(value: Json) -> str:
    """A value in the plan's own spelling, on one line, without the keys that say nothing. Shortened to WIDEST characters."""
    text = "nothing" if value in EMPTY else _spelled(value)
    return text if len(text) <= WIDEST else text[: WIDEST - 3] + "..."


def _spelled(value: Json) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_spelled(one)}" for key, one in value.items() if one not in EMPTY) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_spelled(one) for one in value) + "]"
    return value if isinstance(value, str) else json.encode(value).decode()
