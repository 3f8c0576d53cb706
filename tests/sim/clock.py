"""Virtual time: a heap of calls. Wall time can jump, monotonic time cannot."""

from __future__ import annotations

import heapq
from collections.abc import Callable

Call = Callable[[], None]


class CancelScope:
    """Of a process or of one boot: what was to happen in it does not happen after its end."""

    __slots__ = ("open",)

    def __init__(self) -> None:
        self.open = True

    def end(self) -> None:
        self.open = False


FOREVER = CancelScope()


class Clock:
    def __init__(self, wall: float = 1_700_000_000.0) -> None:
        self.now = 0.0
        self.offset = wall
        self._heap: list[tuple[float, int, CancelScope, Call]] = []
        self._tie = 0
        self.calls = 0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.offset + self.now

    def after(self, seconds: float, call: Call, scope: CancelScope = FOREVER) -> None:
        self._tie += 1
        heapq.heappush(self._heap, (self.now + seconds if seconds > 0 else self.now, self._tie, scope, call))

    def next(self) -> float | None:
        """When the next call is due."""
        while self._heap and not self._heap[0][2].open:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def step(self) -> bool:
        """Do the next call; False: there is none."""
        while self._heap:
            time, _, scope, call = heapq.heappop(self._heap)
            if scope.open:
                self.now = time
                self.calls += 1
                call()
                return True
        return False
