"""What an engine looks after by itself, whatever happens: nodes that fell silent, old logs, and engine time where nothing is committed.

`Watch` has a thread of its own and looks every few seconds. Where nothing is due, a look is cheap.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ..events import Event, Missed, Tick
from ..jigs.logs import Logs
from ..store.store import STAMP_S

LOOK_S = 5.0
"""Seconds between looks for silent nodes."""
SWEEP_S = 3600.0
"""Seconds between two looks at the logs."""


class Watch:
    """`silent` gives the nodes that fell silent, `ask` asks them, `silence_s` says after how many seconds a node counts as silent."""

    def __init__(
        self,
        *,
        silent: Callable[[], list[Missed]],
        ask: Callable[[list[Missed]], None],
        silence_s: Callable[[], float],
        chores: Callable[[], None],
    ) -> None:
        self._silent, self._ask, self._silence_s, self._chores = silent, ask, silence_s, chores
        self._stopping = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._main, name="watch", daemon=True).start()

    def stop(self) -> None:
        """Returns at once; a look under way ends by itself."""
        self._stopping.set()

    def _main(self) -> None:
        while not self._stopping.wait(min(LOOK_S, self._silence_s() / 4)):
            self._chores()
            self._ask(self._silent())


class Chores:
    """`link` looks at the interface, and `nagios` at what Nagios says. `clock`: monotonic seconds; `wall`: seconds since 1970, as files
    have them."""

    def __init__(
        self,
        submit: Callable[[Event], bool],
        logs: Logs,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        link: Callable[[], None] = lambda: None,
        nagios: Callable[[], None] = lambda: None,
        daemons: Callable[[], None] = lambda: None,
    ) -> None:
        self._submit, self._logs, self._link, self._nagios, self._clock, self._wall = submit, logs, link, nagios, clock, wall
        self._daemons = daemons
        self._stamped, self._swept = clock(), clock() - SWEEP_S

    def __call__(self) -> None:
        self._link()
        self._nagios()
        self._daemons()
        now = self._clock()
        if now - self._stamped >= STAMP_S:
            self._stamped = now
            self._submit(Tick(subjects=()))  # an event that changes nothing: the store keeps its engine time
        if now - self._swept >= SWEEP_S:
            self._swept = now
            self._logs.sweep(self._wall())
