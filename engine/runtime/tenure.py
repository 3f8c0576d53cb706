"""How long this engine may act as the leader of a store that several engines share.

A thread renews the leader's row. Each renewal is a commit as durable as any other, so an engine without quorum renews nothing. `acts` and
`confirms` are asked before each effect. Once they say no, they say no for ever: the engine has to be started again, which orders open
effects again as after a crash.

No promise depends on this: a deposed engine cannot commit. This keeps an engine that was stopped and continued (SIGSTOP, a paused virtual
machine) from carrying out what it had committed before. The rest of the risk is a pause between the question and the call itself.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from ..core.leading import Row, Times, may_act
from ..store.errors import StoreError
from ..store.seat import Seat, name_of

log = logging.getLogger(__name__)


def always() -> bool:
    """`acts` of an engine that nobody can depose."""
    return True


class Tenure:
    """Thread-safe. `began`: monotonic time before the take-over."""

    def __init__(
        self, database: str, name: str, epoch: int, times: Times, began: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.epoch = epoch
        self.since = time.time()
        """Wall time of the take-over."""
        self.lost = ""
        """Why this engine acts no more, as a sentence. Empty: it acts."""
        self._times, self._confirmed, self._clock = times, began, clock
        self._renewals = Seat(database, name, standby=False)
        self._questions = Seat(database, name, standby=False)
        self._ending = threading.Event()
        self._trouble = ""
        self._thread = threading.Thread(target=self._main, name="tenure", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def acts(self) -> bool:
        """True while the last renewal is recent. Asks nobody."""
        if not self.lost and not may_act(self._confirmed, self._clock(), self._times):
            self._lose(
                f"this engine could not renew its lead for {self._times.step_down_s:g} s ({self._trouble or 'the process stood still'}), "
                "so it stopped acting"
            )
        return not self.lost

    def confirms(self) -> bool:
        """The same, and the database says so now. For what cannot be undone. Blocks as long as the database does."""
        if not self.acts():
            return False
        try:
            if not self._questions.leads(self.epoch):
                self._deposed(self._questions.row())
        except StoreError as error:
            self._trouble = str(error)
            return False
        return self.acts()

    def standbys(self) -> list[str]:
        """Raises StoreError."""
        return self._questions.standbys()

    def end(self, to: str = "") -> None:
        """After the last commit: acts no more, and lets a standby take over, the one called `to` if named. A second call does nothing."""
        if self._ending.is_set():
            return
        self._lose("this engine handed the store over" if to else "this engine stopped")
        self._ending.set()
        self._thread.join(self._times.step_down_s)
        try:
            if not self._thread.is_alive():  # otherwise a renewal waits for the database, and this would too
                self._renewals.release(self.epoch, to)
        except StoreError as error:
            log.warning("the lead is not released, so a standby waits until it counts as silent: %s", error)
        for seat in (self._renewals, self._questions) if not self._thread.is_alive() else ():
            seat.close()

    def _lose(self, why: str) -> None:
        if not self.lost:
            self.lost = why

    def _deposed(self, now: Row | None) -> None:
        holder = name_of(now.holder) if now is not None else ""
        self._lose(f"{holder or 'another engine'} leads now (epoch {now.epoch if now is not None else 0}, this engine had {self.epoch})")

    def _main(self) -> None:
        while not self._ending.wait(self._times.renew_s):
            began = self._clock()
            try:
                if not self._renewals.renew(self.epoch):
                    self._deposed(self._renewals.row())
                    return
                self._confirmed, self._trouble = began, ""
            except StoreError as error:
                self._trouble = str(error)
            if not self.acts():
                return
