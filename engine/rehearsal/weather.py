"""What becomes of the packets of a machine on their way: lost, doubled, late. Percentages come from its faults as they are at that moment.

A late packet comes LATE_S after its time, so those behind it overtake it.
"""

from __future__ import annotations

import random
from collections.abc import Callable

LATE_S = 0.03

Copies = Callable[[], tuple[float, ...]]
"""Asked per packet: the delays in seconds after which a copy of it arrives; empty: it is lost."""


def calm() -> tuple[float, ...]:
    """Each packet arrives once, at once."""
    return (0.0,)


def weather(rng: random.Random, percent: Callable[[], tuple[float, float, float]]) -> Copies:
    """`percent`: of packets that are lost, doubled, late."""

    def copies() -> tuple[float, ...]:
        drop, double, late = percent()
        if not (drop or double or late):
            return (0.0,)
        if rng.random() * 100 < drop:
            return ()
        one = LATE_S if rng.random() * 100 < late else 0.0
        return (one, one) if rng.random() * 100 < double else (one,)

    return copies
