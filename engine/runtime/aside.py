"""Events that are computed beside the loop, by a thread that reads a world and changes nothing. The result is another event, for the loop.

Only large commits are (`core.plan.pieces.checked`). They stay in order among themselves, and a small one does not overtake a large one.
"""

from __future__ import annotations

import gc
import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from ..events import Commit, Event

W = TypeVar("W")

log = logging.getLogger(__name__)


class Aside(Generic[W]):
    """All methods are called by the loop's thread. `checks` returns the function to call beside it; None: there is nothing to compute.
    `wake` is called when a result is there, by the other thread."""

    def __init__(self, checks: Callable[[W, Event], Callable[[], Event] | None], wake: Callable[[], None]) -> None:
        self._checks = checks
        self._wake = wake
        self._waiting: deque[Event] = deque()
        self._results: deque[Event] = deque()
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        """Events wait here, or for the loop."""
        return self._thread is not None or bool(self._waiting or self._results)

    def next(self, world: W) -> list[Event]:
        """Events that the loop can step now. Ordered before this was called: everything that the loop took from here is in the world."""
        if self._thread is not None and not self._results:
            return []
        self._thread = None
        if self._results:
            return [self._results.popleft()]
        out: list[Event] = []
        while self._waiting and self._thread is None:
            event = self._waiting.popleft()
            if not self._begin(world, event):
                out.append(event)
        return out

    def takes(self, world: W, event: Event) -> bool:
        """True: the event is computed here, or waits for one that is."""
        if not isinstance(event, Commit):
            return False
        if self.busy:
            self._waiting.append(event)
            return True
        return self._begin(world, event)

    def _begin(self, world: W, event: Event) -> bool:
        check = self._checks(world, event)
        if check is None:
            return False
        self._thread = threading.Thread(target=self._compute, args=(event, check), name="engine-aside", daemon=True)
        self._thread.start()
        return True

    def _compute(self, event: Event, check: Callable[[], Event]) -> None:
        """The collector would stop all threads to walk over what is made here, and would find nothing."""
        collects = gc.isenabled()
        gc.disable()
        try:
            result = check()
        except Exception:
            log.exception("%s could not be computed beside the loop", type(event).__name__)
            result = event  # the loop's own step fails on it too, and answers
        finally:
            del check
            if collects:
                gc.enable()
        self._results.append(result)
        self._wake()
