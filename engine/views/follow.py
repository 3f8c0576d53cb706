"""Follows a store from another process: a world that is kept current from the journal, without asking the engine.

Tables are read once, as of one moment; after that each journal row's changes are put on top, as the engine did. A journal that was pruned
beyond what was seen, or a row of another version, makes it read the tables again. Not for two threads at once.

Trap: the world's memory of work to do (`queues`, `touched`) is the engine's own; a follower's is empty, and nobody may step it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msgspec import ValidationError

from ..core.work import Work
from ..core.world import World
from ..definitions import Catalog
from ..store.store import JournalRow, Store

BATCH = 1000


class Follower:
    """Raises StoreError where the store cannot be read. `told` gets each row once, in order."""

    def __init__(self, directory: Path, catalog: Catalog, told: Callable[[JournalRow], None] | None = None) -> None:
        self._catalog = catalog
        self._told = told
        self._store = Store.read(directory)
        self.world: World
        self.seq = 0
        self.loads = 0
        """How often the tables were read: all may be another after that."""
        self._load()

    def close(self) -> None:
        self._store.close()

    def _load(self) -> None:
        self.loads += 1
        tables, self.seq = self._store.snapshot()
        self.world = World.load(self._catalog, tables)

    def catch_up(self) -> bool:
        """Take in what was committed since; False: nothing was."""
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
        return moved

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
