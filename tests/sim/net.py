"""The network between the admin node and the machines: datagrams are lost, doubled, late and out of order; of a request, itself or its answer
may be lost, and it may be carried out long after who asked has given up."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any

from .clock import CancelScope, Clock
from .counters import Counters

if TYPE_CHECKING:
    from .machine import Machine

Reply = Callable[[Any], None]
TIMEOUT_S = 30.0


class Net:
    def __init__(self, clock: Clock, random: Random, counters: Counters) -> None:
        self._clock, self._random, self._counters = clock, random, counters
        self.loss = self.double = self.late = 0.0
        """Probabilities: the weather, made by faults."""

    def fair(self) -> None:
        self.loss = self.double = self.late = 0.0

    def _delay(self) -> float:
        if self.late and self._random.random() < self.late:
            self._counters.hit("packet late")
            return self._random.uniform(1, 90)
        return self._random.uniform(0.001, 0.05)

    def _lost(self, machine: Machine) -> bool:
        if not machine.reachable:
            return True
        if self.loss and self._random.random() < self.loss:
            self._counters.hit("packet lost")
            return True
        return False

    def datagram(self, machine: Machine, deliver: Callable[[], None]) -> None:
        copies = 1
        if self.double and self._random.random() < self.double:
            self._counters.hit("packet doubled")
            copies = 2
        for _ in range(copies):
            if not self._lost(machine):
                self._clock.after(self._delay(), deliver)

    def request(
        self,
        machine: Machine,
        scope: CancelScope,
        serve: Callable[[Reply], None],
        done: Callable[[Any], None],
        timeout_s: float = TIMEOUT_S,
        overdue: bool = True,
    ) -> None:
        """`serve(reply)` runs at the other side; `done` is called once with the answer, or with None when none came in time. `scope`: of who
        asks. `overdue`: it may be served after who asked has given up; a command over SSH ends with its connection."""
        settled = False

        def finish(answer: Any) -> None:
            nonlocal settled
            if not settled and scope.open:
                settled = True
                done(answer)

        def reply(answer: Any) -> None:
            if not self._lost(machine):
                self._clock.after(self._delay(), lambda: finish(answer), scope)

        def arrive() -> None:
            if machine.reachable and (overdue or not settled):
                serve(reply)

        self._clock.after(timeout_s, lambda: finish(None), scope)
        if not self._lost(machine):
            self._clock.after(self._delay(), arrive)
