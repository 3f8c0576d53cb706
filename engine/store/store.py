"""The one door to what is durable. The engine above must not know which database holds it (`place`)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Protocol

from ..events import Happened
from ..model import Row
from .errors import Deposed, StoreError, Unstorable
from .journal import JournalRow
from .news import is_news
from .schema import Change, Key, Tables
from .sql_store import EVERY, STAMP_S, SqlStore


class Store(Protocol):
    """An open store. Use `open`, `read` or `memory`; `close` when done. Not for two threads at once. What reads or writes raises
    StoreError."""

    @property
    def path(self) -> Path | str:
        """What sentences call it."""

    @property
    def epoch(self) -> int:
        """Number of this leader, one more than the last one's. 0: it was opened for reading."""

    @property
    def seq(self) -> int:
        """Number of the last committed journal row, 0 before the first. A reader gets the writer's last one by `last_seq`."""

    @property
    def rows(self) -> int:
        """Number of rows in the journal now."""

    # -- opening ------------------------------------------------------------------------------------------------------

    @classmethod
    def open(cls, directory: Path | str, *, lock: int | None = None, holder: str = "", expects: tuple[int, int] | None = None) -> Store:
        """Opens the store of this folder as leader, after a check (`check.at_start`): whoever led before is deposed. Makes a missing one
        (0700, files 0600). Raises StoreError: another engine, unreadable, damaged, newer version, full disk, unreachable.

        `lock`: the folder's lock, if the caller has it; both then hold it. `holder`: this engine's name (default: the host's). `expects`:
        epoch and renewals that a standby saw; if they have changed, it raises Deposed."""
        return SqlStore.open(directory, lock=lock, holder=holder, expects=expects)

    @classmethod
    def read(cls, directory: Path | str) -> Store:
        """Opens it read-only and without the lock, beside an engine that writes."""
        return SqlStore.read(directory)

    @classmethod
    def memory(cls) -> Store:
        """A store for tests that is gone when it is closed."""
        return SqlStore.memory()

    def close(self) -> None:
        """Closes it, and lets the next engine have it. A second call does nothing."""

    def __enter__(self) -> Store: ...
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /) -> None: ...

    # -- reading ------------------------------------------------------------------------------------------------------

    def last_seq(self) -> int:
        """`seq`, asked of the database: for a reader beside an engine."""

    def now(self) -> float:
        """Engine time, in seconds, of the last commit; 0.0 without one."""

    def load(self) -> Tables:
        """All tables, key -> record, strictly decoded. Raises StoreError also for a row that is not a record or differs from what the
        engine wrote."""

    def snapshot(self) -> tuple[Tables, int]:
        """All tables and their sequence number, of one moment."""

    def table(self, name: str) -> dict[Key, Row]:
        """The records of one table."""

    def journal(self, after: int = 0, limit: int = 1000) -> list[JournalRow]:
        """Rows with seq > `after`, oldest first, at most `limit`. Deleted rows are missing: the first seq tells."""

    def base(self) -> tuple[Tables, int]:
        """The records before the oldest row of the journal, and its sequence number (0: nothing was deleted)."""

    def still(self) -> AbstractContextManager[None]:
        """All reads inside are of one moment, whatever is written meanwhile. Keep it short: SQLite's log cannot shrink, and PostgreSQL
        cannot clean up."""

    def verify(self) -> list[str]:
        """What is wrong with the store, one sentence each. Empty: the tables equal base plus journal, and seq has no gap. Reads everything:
        for tests, `examine` and after a repair."""

    def examine(self) -> list[str]:
        """The same, after all checks of the database and of the references between rows: for `crowbar doctor`."""

    # -- writing, as leader -------------------------------------------------------------------------------------------

    def commit(self, batch: Sequence[tuple[Happened, Sequence[Change]]]) -> int:
        """Records these events and their changes in one synced transaction, if this leader's epoch is still the newest. Returns the last
        seq. Raises Deposed, StoreError, or Unstorable for an event that cannot be stored; then nothing of the batch is recorded. Only a
        connection that is lost while it waits may have recorded it: that is a StoreError too, and so is every later call."""

    def prune(self, keep: int, at_once: int = ...) -> int:
        """Folds the oldest rows of the journal into its base until `keep` (at least 1) are left, at most `at_once` in this call. Returns
        how many. Call it again while it returns something."""

    def look(self) -> None:
        """For an idle engine. Raises StoreError if a file of the store is no longer the one on the disk, or if it no longer leads."""


__all__ = ["EVERY", "STAMP_S", "Change", "Deposed", "JournalRow", "Store", "StoreError", "Tables", "Unstorable", "is_news"]
