"""A persistent sorted set, for the queues of resources and for all node roles of a role: two levels of tuples, so that adding to
one of n entries copies about 2 * sqrt(n) references instead of n. Entries are tuples that compare by value; equal sets may be chunked
differently, and are equal.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Any

Entry = tuple[Any, ...]
_CHUNK = 64


class Ordered:
    """Immutable; `add` and `remove` return another one."""

    __slots__ = ("_chunks", "_firsts")

    def __init__(self, chunks: tuple[tuple[Entry, ...], ...] = (), firsts: list[Entry] | None = None) -> None:
        self._chunks = chunks
        self._firsts = [chunk[0] for chunk in chunks] if firsts is None else firsts

    @classmethod
    def of(cls, entries: list[Entry]) -> Ordered:
        """A set of these, which are sorted and each there once."""
        half = _CHUNK // 2
        return cls(tuple(tuple(entries[i : i + half]) for i in range(0, len(entries), half)))

    def __iter__(self) -> Iterator[Entry]:
        for chunk in self._chunks:
            yield from chunk

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ordered) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __len__(self) -> int:
        return sum(map(len, self._chunks))

    def __bool__(self) -> bool:
        return bool(self._chunks)

    def _at(self, entry: Entry) -> int:
        i = bisect_left(self._firsts, entry)
        if i < len(self._firsts) and self._firsts[i] == entry:
            return i
        return max(i - 1, 0)

    def __contains__(self, entry: Entry) -> bool:
        return bool(self._chunks) and entry in self._chunks[self._at(entry)]

    def first(self) -> Entry:
        """The least entry; IndexError when empty."""
        return self._chunks[0][0]

    def add(self, entry: Entry) -> Ordered:
        if not self._chunks:
            return Ordered(((entry,),))
        last = self._chunks[-1]
        if entry > last[-1] and len(last) < _CHUNK:  # nodes come in order
            return Ordered((*self._chunks[:-1], (*last, entry)), self._firsts)
        i = self._at(entry)
        chunk = list(self._chunks[i])
        j = bisect_left(chunk, entry)
        if j < len(chunk) and chunk[j] == entry:
            return self
        insort(chunk, entry)
        half = len(chunk) // 2
        parts = (tuple(chunk),) if len(chunk) <= _CHUNK else (tuple(chunk[:half]), tuple(chunk[half:]))
        return Ordered(self._chunks[:i] + parts + self._chunks[i + 1 :])

    def remove(self, entry: Entry) -> Ordered:
        if not self._chunks:
            return self
        i = self._at(entry)
        chunk = self._chunks[i]
        if entry not in chunk:
            return self
        rest = tuple(e for e in chunk if e != entry)
        return Ordered(self._chunks[:i] + ((rest,) if rest else ()) + self._chunks[i + 1 :])


EMPTY = Ordered()
