"""A store that keeps apart what is written and what is synced. `loop.LoopStore`, with the rules of `engine.store.Store`.

What counts as news is the real store's own judgement (`is_news`): last values are as durable as all else, and have no row in the journal.

Killed before the sync, the batch may be found after the restart (the process died, the kernel wrote it) or not (the power went): a coin says
which. What was synced is found, always.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from engine.events import Happened
from engine.model import TABLES
from engine.requests import Asker, Request
from engine.store.errors import StoreError
from engine.store.store import STAMP_S, Change, Store, is_news


class Killed(BaseException):
    """The engine's process ends here."""


class SimStore:
    def __init__(self, mirror: bool = False) -> None:
        self.tables: dict[str, dict[Any, Any]] = {name: {} for name in TABLES}
        self.seq = 0
        self.rows = 0
        self.answered: set[Request] = set()
        """Requests of operators whose event is durable."""
        self.history: list[list[Happened] | None] = []
        """Batches that were decided and became durable; None: a load."""
        self.changed: list[Change] = []
        """What became durable and is not taken yet."""
        self.fails = 0
        self.lazy = False
        """A store that says that it is done before it has synced: for a test that the promises are looked after."""
        self._unsynced: list[Sequence[tuple[Happened, Sequence[Change]]]] = []
        self._now = 0.0
        self.point: Callable[[str], bool] = lambda _where: False
        """Asked at each point of a commit whether the process is killed there."""
        self.survives: Callable[[], bool] = lambda: False
        self.recorded: Callable[[Happened, Sequence[Change]], None] = lambda _happened, _changes: None
        """Told of each event that becomes durable."""
        self.mirror = Store.memory() if mirror else None

    def now(self) -> float:
        return self._now

    def commit(self, batch: Sequence[tuple[Happened, Sequence[Change]]]) -> int:
        if self.point("before the commit"):
            raise Killed
        if self.fails:
            self.fails -= 1
            raise StoreError("no space left")
        if self.point("before the sync"):
            if self.survives():
                self._sync(batch)
            raise Killed
        if self.lazy:
            self._unsynced.append(batch)
            return self.seq
        self._sync(batch)
        return self.seq

    def prune(self, keep: int) -> int:
        return 0

    def look(self) -> None:
        """Its files are always there: what a store does without them, tests/store tries."""

    def _sync(self, batch: Sequence[tuple[Happened, Sequence[Change]]]) -> None:
        for happened, changes in batch:
            assert happened.now >= self._now, "engine time goes back"
            event = happened.event
            request = getattr(event, "request", None)
            if isinstance(request, Request) and request.asker is Asker.OPERATOR:
                self.answered.add(request)
            self.recorded(happened, changes)
            if is_news(event, changes):
                self.seq += 1
                self.rows += 1
            elif not changes:
                continue
            self._now = happened.now
            for table, key, row in changes:
                if row is None:
                    self.tables[table].pop(key, None)
                else:
                    self.tables[table][key] = row
            self.changed += changes
        if batch and batch[-1][0].now >= self._now + STAMP_S:
            self._now = batch[-1][0].now
        self.history.append([happened for happened, _ in batch])
        if self.mirror is not None:
            self.mirror.commit(batch)

    def take(self) -> list[Change]:
        changed, self.changed = self.changed, []
        return changed

    def lose(self) -> None:
        """The process died: what was not synced is gone."""
        self._unsynced.clear()
        self.history.append(None)
