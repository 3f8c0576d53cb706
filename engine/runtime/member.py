"""One of several engines that share a store: a standby until it leads, and a standby again after it has led.

    standby --(the leader is silent, stopped, or hands over)--> leader --(hand-over, deposed, no renewal)--> standby

This process holds the lock of its store's folder all the time, so that no second engine uses the same folder.

A standby that takes over starts an engine on the store as after a crash: it loads the world, and orders open effects again.
"""

from __future__ import annotations

import gc
import logging
import os
import threading
from collections.abc import Callable

from .. import reasons
from ..core.leading import Verdict
from ..definitions import Catalog
from ..effects import Accept, Refuse
from ..files.clamps.site import site_catalog
from ..store.errors import Deposed, StoreError
from ..store.file import take_lock
from .config import Config
from .engine import Engine
from .lead import Lead, take_over
from .loop import Clock
from .standby import Standby

log = logging.getLogger(__name__)

LOOK_S = 0.05
"""Seconds between two looks whether the engine still leads."""


class Member:
    """`run` in one thread; everything else from any."""

    def __init__(
        self, config: Config, catalog: Catalog | None = None, led: Callable[[Engine], str] = lambda _engine: "", clock: Clock | None = None
    ) -> None:
        """`led` is called whenever this engine has begun to lead. It returns why the process must end; empty: it goes on."""
        self._config, self._catalog, self._led, self._clock = config, catalog or site_catalog(config.store), led, clock
        self._hand_to = ""
        self._stop = threading.Event()
        self.engine: Engine | None = None
        """While this one leads."""
        self.standby: Standby | None = None
        """While another leads, or nobody."""

    def stop(self) -> None:
        self._stop.set()

    def run(self) -> str:
        """Follows and leads until `stop`. Returns why it cannot go on; empty: it was asked to stop. Raises what `Engine.start` raises; then
        another engine may lead."""
        lock = take_lock(self._config.store)
        try:
            while not self._stop.is_set():
                lead = self._follow(lock)
                if lead is not None and (why := self._lead(lead)):
                    return why
            return ""
        finally:
            os.close(lock)

    # -- as standby ------------------------------------------------------------------------------------------------

    def _follow(self, lock: int) -> Lead | None:
        """Follows until this engine leads. None: it was asked to stop."""
        standby = Standby(self._config, self._catalog)
        standby.start()
        self.standby = standby
        try:
            while not self._stop.wait(self._config.times.look_s):
                if standby.stop_asked.is_set():
                    self._stop.set()
                elif standby.look() is Verdict.TAKE_OVER and (lead := self._take(standby, lock)) is not None:
                    return lead
            return None
        finally:
            self.standby = None
            standby.stop()

    def _take(self, standby: Standby, lock: int) -> Lead | None:
        """Takes the store over. Without a quorum the database does not answer: the standby says so, and waits. None: another was faster,
        the database refused, or this engine was asked to stop."""
        found: list[Lead | StoreError] = []

        def take() -> None:
            try:
                lead = take_over(self._config, standby.row, lock)
            except StoreError as error:
                found.append(error)
                return
            found.append(lead)

        thread = threading.Thread(target=take, name="take-over", daemon=True)
        thread.start()
        waited = 0.0
        while thread.is_alive() and not self._stop.is_set() and not standby.stop_asked.is_set():
            thread.join(LOOK_S)
            waited += LOOK_S
            if waited > self._config.take_over_s:
                standby.say("the database takes no commit, so this standby cannot take over: check that a majority of its servers runs")
        if not found:
            return None
        if isinstance(found[0], Deposed):
            log.warning("take-over: %s", found[0])
        elif isinstance(found[0], StoreError):
            standby.say(str(found[0]))
        return found[0] if isinstance(found[0], Lead) else None

    # -- as leader -------------------------------------------------------------------------------------------------

    def _lead(self, lead: Lead) -> str:
        """Leads until it must not any more. Returns why the process must end."""
        log.warning("%s leads the store now (epoch %d)", self._config.name, lead.store.epoch)
        engine = Engine(self._config, self._catalog, self._clock)
        engine.hands_over = self._hand_over
        self._hand_to = ""
        try:
            engine.start(lead)
        except Deposed as error:
            log.warning("this engine follows again: %s", error)
            return ""
        self.engine = engine
        why = ""
        try:
            why = self._led(engine)
            while not (why or engine.failure or self._hand_to or engine.stop_asked.is_set() or self._stop.wait(LOOK_S)):
                pass
            if engine.stop_asked.is_set():
                self._stop.set()
        finally:
            why = self._ended(engine) or why
        return why

    def _ended(self, engine: Engine) -> str:
        """Why the process must end: only its end ends a commit that waits."""
        failure = "" if self._hand_to or self._stop.is_set() else engine.failure
        if failure:
            log.warning("this engine follows again: %s", failure)
        self.engine = None
        ended = engine.resign(self._hand_to)
        ended = engine.stop() and ended
        gc.unfreeze()  # the world that the loop froze
        return "" if ended else f"a change waits for the database and does not end ({failure or 'no quorum'}): start the engine again"

    def _hand_over(self, to: str) -> Accept | Refuse:
        """Called in the thread of a client."""
        engine = self.engine
        if engine is None or engine.tenure is None:
            return Refuse(request=None, reason=reasons.no_leader(message="this engine has just stopped leading"))
        try:
            known = engine.tenure.standbys()
        except StoreError as error:
            return Refuse(request=None, reason=reasons.no_leader(message=str(error)))
        if not known:
            return Refuse(request=None, reason=reasons.no_standby())
        if to and to not in known:
            return Refuse(request=None, reason=reasons.not_a_standby(name=to, known=", ".join(known)))
        self._hand_to = to or known[0]  # never released for all: this engine, a standby by then, could take it back
        return Accept(request=None, message=f"{self._hand_to} takes over")
