"""Counts of refused, lost or unknown input, by short names from the code, never by a name from the network."""

from __future__ import annotations


class Counters:
    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def add(self, name: str, number: int = 1) -> None:
        self._counts[name] = self._counts.get(name, 0) + number

    def all(self) -> dict[str, int]:
        return dict(sorted(self._counts.items()))
