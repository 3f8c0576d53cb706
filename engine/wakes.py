"""When to look at what again: the wakes that steps asked for, in a heap by engine time.

Rules
* Duplicates are harmless and kept once. A needless tick changes nothing, so nothing is ever taken back.
* What is due at once becomes one `Tick`, in pieces of TICK_SUBJECTS.
* A wake that is due and comes back unchanged with its own tick would spin (a defect of a step): such a one waits
  AGAIN_S. It is not dropped, for a time that is long past may be set anew and wants its tick: "a blocker that waits
  for a time is lifted by its tick, never by comparing with a clock".
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from .events import Tick

Wake = tuple[float, str]
"""Engine time and subject (see `events.Tick`)."""

TICK_SUBJECTS = 64
AGAIN_S = 1.0


class Wakes:
    """Used by the loop's thread alone. Times are engine time in seconds."""

    def __init__(self) -> None:
        self._heap: list[Wake] = []
        self._there: set[Wake] = set()
        self._ticked: dict[Wake, float] = {}
        """What ticked within the last AGAIN_S, and when."""

    def __len__(self) -> int:
        return len(self._heap)

    def push(self, wakes: Iterable[Wake], now: float) -> None:
        for wake in wakes:
            if wake[0] <= now and self._ticked.get(wake, -AGAIN_S) > now - AGAIN_S:
                wake = (now + AGAIN_S, wake[1])
            if wake not in self._there:
                self._there.add(wake)
                heapq.heappush(self._heap, wake)

    def next(self) -> float | None:
        """The time of the next tick; None: nothing waits for a time."""
        return self._heap[0][0] if self._heap else None

    def due(self, now: float) -> Tick | None:
        """The tick for what is due now, at most TICK_SUBJECTS subjects of it, each once."""
        if not self._heap or self._heap[0][0] > now:
            return None
        if self._ticked:
            self._ticked = {wake: at for wake, at in self._ticked.items() if at > now - AGAIN_S}
        subjects: dict[str, None] = {}
        while self._heap and self._heap[0][0] <= now and len(subjects) < TICK_SUBJECTS:
            wake = heapq.heappop(self._heap)
            self._there.discard(wake)
            self._ticked[wake] = now
            subjects[wake[1]] = None
        return Tick(subjects=tuple(subjects))
