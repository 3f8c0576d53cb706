"""When to look at what again: the wakes that steps asked for, in a heap by engine time.

Rules
* What is due at the same time ticks in the order in which it was asked for.
* Duplicates are harmless and kept once. A needless tick changes nothing, so no wake is ever withdrawn.
* Due wakes become one `Tick`, in pieces of TICK_SUBJECTS.
* A due wake that comes back unchanged with its own tick would spin (a defect of a step), so it waits AGAIN_S. It is not dropped, because
  a time that is long past may be set again and needs its tick: "a blocker that waits for a time is lifted by its tick, never by
  comparing with a clock".
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from itertools import count

from ..events import Due, Tick, Wake

TICK_SUBJECTS = 64
AGAIN_S = 1.0


class Wakes:
    """Only the loop's thread uses it. Times are engine time in seconds."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Due]] = []
        self._numbers = count()
        self._there: set[Wake] = set()
        self._ticked: dict[Wake, float] = {}
        """Subjects that ticked within the last AGAIN_S, and when."""

    def __len__(self) -> int:
        return len(self._heap)

    def push(self, wakes: Iterable[Wake], now: float) -> None:
        for wake in wakes:
            if wake.now <= now and self._ticked.get(wake, -AGAIN_S) > now - AGAIN_S:
                wake = Wake(now + AGAIN_S, wake.due)
            if wake not in self._there:
                self._there.add(wake)
                heapq.heappush(self._heap, (wake.now, next(self._numbers), wake.due))

    def next(self) -> float | None:
        """The time of the next tick. None: nothing waits for a time."""
        return self._heap[0][0] if self._heap else None

    def due(self, now: float) -> Tick | None:
        """The tick for what is due now, with at most TICK_SUBJECTS subjects, each once."""
        if not self._heap or self._heap[0][0] > now:
            return None
        if self._ticked:
            self._ticked = {wake: at for wake, at in self._ticked.items() if at > now - AGAIN_S}
        subjects: dict[Due, None] = {}
        while self._heap and self._heap[0][0] <= now and len(subjects) < TICK_SUBJECTS:
            at, _, due = heapq.heappop(self._heap)
            self._there.discard(wake := Wake(at, due))
            self._ticked[wake] = now
            subjects[due] = None
        return Tick(subjects=tuple(subjects))
