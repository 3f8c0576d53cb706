"""Carries out a scenario: watches what machines reach and the time, and does what the scenario says.

Runs in the rack's loop. Each happening is carried out once (for `all`: once for each machine), even after a restart of the rack's
process: `scenario.done` keeps what is done. Times begin when a machine is first powered on; after a restart they begin again.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Protocol

from .scenario import Action, Happening, Scenario

log = logging.getLogger(__name__)


class Stage(Protocol):
    """The rack, as far as a scenario can change it."""

    def act(self, action: Action, machine: str) -> None:
        """`machine` is the one that reached something. Empty: none."""


class Director:
    def __init__(self, scenario: Scenario, folder: Path, rack: Stage) -> None:
        self._rack = rack
        self._file = folder / "scenario.done"
        self._done: set[str] = set(self._file.read_text(encoding="ascii").split()) if self._file.exists() else set()
        self._then = list(enumerate(scenario.then))
        self._begun = False
        self._timers: set[asyncio.TimerHandle] = set()

    def begin(self) -> None:
        """The rack was powered on."""
        if self._begun:
            return
        self._begun = True
        for number, one in self._then:
            if one.when is None and str(number) not in self._done:
                self._later(one.after, str(number), one, "")

    def close(self) -> None:
        for timer in self._timers:
            timer.cancel()

    def milestone(self, machine: str, words: tuple[str, ...], percent: int) -> bool:
        """A machine has reached something. True: a happening was carried out at once."""
        acted = False
        for number, one in self._then:
            when = one.when
            if when is None or when.reaches not in words or percent < when.percent or when.machine not in (machine, "all"):
                continue
            mark = f"{number}:{machine}"
            if mark in self._done:
                continue
            self._done.add(mark)
            if one.after:
                self._later(one.after, mark, one, machine)
            else:
                self._carry_out(mark, one, machine)
                acted = True
        return acted

    def _later(self, seconds: float, mark: str, one: Happening, machine: str) -> None:
        self._timers.add(asyncio.get_running_loop().call_later(seconds, self._carry_out, mark, one, machine))

    def _carry_out(self, mark: str, one: Happening, machine: str) -> None:
        self._done.add(mark)
        self._file.write_text("\n".join(sorted(self._done)) + "\n", encoding="ascii")
        for action in one.do:
            log.info("scenario: %s %s", machine, action)
            self._rack.act(action, machine)
