"""The fate of a machine's packets on their way: lost, doubled, late. The percentages are its present faults.

A late packet comes LATE_S after its time, so later packets overtake it.
"""

from __future__ import annotations

import random
from collections.abc import Callable

LATE_S = 0.03

Copies = Callable[[], tuple[float, ...]]
"""Called per packet. Returns the delays in seconds after which a copy arrives. Empty: the packet is lost."""


def lossless() -> tuple[float, ...]:
    """Each packet arrives once, at once."""
    return (0.0,)


def lossy(rng: random.Random, percent: Callable[[], tuple[float, float, float]]) -> Copies:
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
