"""SQLite as a store's database: the default, one file in the store's folder (`file`)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from .database import Insert, Values, quote
from .errors import OF_THE_ROWS, StoreError, from_sqlite

MOST = 20
"""Most of SQLite's sentences that are shown."""


class SqliteDatabase(sqlite3.Connection):
    """`database.Database`."""

    path: Path | str = Path(":memory:")
    errors: tuple[type[Exception], ...] = (sqlite3.Error,)
    of_the_rows: tuple[type[Exception], ...] = OF_THE_ROWS
    WRITE = "BEGIN IMMEDIATE"
    READ = "BEGIN"
    LOST_END = "its end (store.db-wal) was damaged or removed"
    FENCE = "SELECT epoch FROM engine WHERE epoch = ?"

    def insert(self, what: Insert, rows: Iterable[Values], /) -> object:
        return self.executemany(_sql(what), rows)

    def sentence(self, error: Exception) -> StoreError:
        assert isinstance(error, sqlite3.Error)
        return from_sqlite(error, Path(self.path))

    def columns(self, table: str) -> list[str]:
        return [row[1] for row in self.execute(f"PRAGMA table_info({quote(table)})")]

    def version(self) -> int:
        return int(self.execute("PRAGMA user_version").fetchone()[0])

    def set_version(self, number: int) -> None:
        self.execute(f"PRAGMA user_version = {number:d}")

    def create(self, table: str, columns: Mapping[str, type], keys: Sequence[str], nullable: set[str]) -> None:
        import sqlite_utils  # 60 ms, which a console that only reads does not need

        # For the SQL alone: its own methods commit where they see fit.
        db = sqlite_utils.Database(self, execute_plugins=False)
        pk = keys if len(keys) > 1 else keys[0]
        self.execute(db.create_table_sql(table, dict(columns), pk=pk, not_null=set(columns) - nullable, strict=db.supports_strict))

    def type_of(self, kind: type) -> str:
        return {int: "INTEGER", float: "REAL", str: "TEXT"}[kind]

    def structure(self, tables: Sequence[str]) -> Iterator[str]:
        """It stops at the first."""
        yield from self._said("PRAGMA quick_check(1)")
        for table in tables:
            yield from self._said(f"PRAGMA integrity_check({quote(table)})")

    def examined(self, own: set[str]) -> Iterator[str]:
        yield from (f"the file is damaged: {text}" for text in self._said(f"PRAGMA integrity_check({MOST})"))
        for (table,) in self.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"):
            if table not in own:
                yield f"table {table} does not belong to this program"

    def _said(self, pragma: str) -> list[str]:
        # SQLite returns NULL if a bit flipped in the text of its own sentence's subject.
        rows = [str(row[0]) for row in self.execute(pragma).fetchmany(MOST)]
        return [" ".join(text.split()) for row in rows if row != "ok" for text in row.split("\n") if text and not text.startswith("***")]


_sql = cache(Insert.sql)
