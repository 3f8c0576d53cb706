"""Which branches were reached: a simulation that never gets there proves nothing about them."""

from __future__ import annotations

from collections import Counter


class Counters(Counter[str]):
    def hit(self, name: str) -> None:
        self[name] += 1
