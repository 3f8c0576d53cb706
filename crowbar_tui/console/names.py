"""Names in a column that is too narrow: cut so that they stay apart. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

from .styled import clean, marked, shorten


def apart(names: Iterable[str], room: int) -> dict[str, str]:
    """Name -> the text for a column of `room` cells. Different names have different texts, as far as so many cells allow that.

    All names are cut at the same place, the nearest to the middle that keeps them apart. Names that no such place keeps apart show the
    part in which they differ."""
    return _apart(tuple(names), room)


@lru_cache(maxsize=64)
def _apart(names: tuple[str, ...], room: int) -> dict[str, str]:
    if all(len(name) <= room for name in names):
        return {name: clean(name) for name in names}
    several = list(dict.fromkeys(names))
    best: dict[str, str] = {}
    many = 0
    for head in _places(room):
        texts = {name: shorten(name, room, head) for name in several}
        if (found := len(set(texts.values()))) > many:
            best, many = texts, found
        if many == len(several):
            break
    return best if many == len(several) else _by_difference(best, room)


def _places(room: int) -> list[int]:
    """Lengths of the part before the mark, the middle first. The last letter always stays: most names differ there."""
    middle = (room - 1) // 2
    return sorted(range(max(room - 1, 1)), key=lambda head: (abs(head - middle), head))


def _by_difference(texts: dict[str, str], room: int) -> dict[str, str]:
    """Names with equal texts get the cells around the first one in which they differ."""
    many = Counter(texts.values())
    groups: dict[str, list[str]] = {}
    for name, text in texts.items():
        groups.setdefault(text, []).append(name)
    out = dict(texts)
    for text, group in groups.items():
        if many[text] > 1:
            out |= _windows(group, room)
    return out


def _windows(names: Sequence[str], room: int) -> dict[str, str]:
    same = next((i for i, letters in enumerate(zip(*names, strict=False)) if len(set(letters)) > 1), min(len(name) for name in names))
    out = {}
    for name in names:
        text = clean(name)
        start = max(min(same - 1, len(text) - room + 1), 0)
        out[name] = shorten(marked(text, 0, len(text) - start) if start else text, room, max(room - 2, 0))
    return out
