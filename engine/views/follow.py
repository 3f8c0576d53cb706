"""Follows a store from another process: keeps a world current from the journal, without asking the engine.

It reads the tables once, as of one moment, and then applies each journal row's changes as the engine did. It reads the tables again if
rows that it has not seen were deleted, or if a row is of another version. Not for two threads at once.

Trap: the lists of work to do (`queues`, `touched`) belong to the engine. A follower's lists are empty, and nobody may step its world.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from msgspec import ValidationError

from ..core.world.load import load_world
from ..core.world.work import Work
from ..core.world.world import World
from ..definitions import Catalog
from ..last_values import LAST_VALUES, behind, same_but_last
from ..store.store import JournalRow, Store

BATCH = 1000
LAST_S = 60.0
"""Seconds between two reads of the last values, which the journal does not contain (`last_values.LAST_VALUES`)."""


class Follower:
    """Raises StoreError if the store cannot be read. `told` gets each row once, in order."""

    def __init__(self, directory: Path, catalog: Catalog, told: Callable[[JournalRow], None] | None = None) -> None:
        self._catalog = catalog
        self._told = told
        self._store = Store.read(directory)
        self.world: World
        self.seq = 0
        self.loads = 0
        """Number of times that the tables were read. After a change of it, anything may differ."""
        self._looked = time.monotonic()
        self._load()

    def close(self) -> None:
        self._store.close()

    def _load(self) -> None:
        self.loads += 1
        tables, self.seq = self._store.snapshot()
        self.world = load_world(self._catalog, tables)

    def catch_up(self) -> bool:
        """Takes in new commits. False: there were none."""
        moved = False
        while rows := self._store.journal(self.seq, BATCH):
            moved = True
            if rows[0].seq != self.seq + 1 or any(table == "revisions" for row in rows for table, _, _ in row.rows):
                self._load()  # a plan changes the catalogue and every index that follows from it
            else:
                self._apply(rows)
            if self._told is not None:
                for row in rows:
                    self._told(row)
            if len(rows) < BATCH:
                break
        if moved or time.monotonic() - self._looked < LAST_S:
            return moved
        self._looked = time.monotonic()
        return self._take_last()

    def _take_last(self) -> bool:
        """Takes in the last values of records whose other fields are current."""
        work, many = Work(self.world), 0
        for table in LAST_VALUES:
            mine = getattr(self.world, table)
            now = self._store.table(table)
            for key, row in now.items():
                old = mine.get(key)
                if old != row and (behind(row) or (old is not None and same_but_last(table, old, row))):
                    work.put(row)
                    many += 1
            for key in [key for key, row in mine.items() if behind(row) == "never" and key not in now]:
                work.drop(table, key)
                many += 1
        if many:
            self.world = work.finish(keep_touched=False)
        return bool(many)

    def _apply(self, rows: list[JournalRow]) -> None:
        work = Work(self.world)
        try:
            for row in rows:
                for table, key, record in row.changes():
                    if record is None and table == "node_roles":
                        work.drop_role(key)  # type: ignore[arg-type]  # of that table, a pair
                    elif record is None:
                        work.drop(table, key)
                    else:
                        work.put(record)
        except (KeyError, ValidationError):
            self._load()
            return
        self.world = work.finish(keep_touched=False)
        self.seq = rows[-1].seq

    def journal(self, after: int, limit: int = BATCH) -> list[JournalRow]:
        return self._store.journal(after, limit)
