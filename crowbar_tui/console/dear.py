"""Values that cost too much for every change of the world."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar, cast

T = TypeVar("T")


class Dear:
    """An expensive value: computing it takes at most 2.5 % of the time."""

    def __init__(self) -> None:
        self.version = -1
        self.value: Any = None
        self._until = 0.0

    def get(self, version: int, make: Callable[[], T], calm: bool = False, hurried: bool = False) -> T:
        """`calm`: nothing else happens, so it is computed now if it is out of date. `hurried`: the value that is there, if there is one."""
        now = time.perf_counter()
        if hurried and self.version >= 0 and not calm:
            return cast(T, self.value)
        if self.version < 0 or (version != self.version and (calm or now >= self._until)):
            begun = time.thread_time()
            self.value = make()
            self.version = version
            cost = time.thread_time() - begun
            self._until = now + cost * (40 if cost > 0.002 else 0)
        return cast(T, self.value)
