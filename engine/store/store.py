"""What survives: the tables of the world and the journal, in one SQLite file, written by one thread in group commits.

Rules
* Current state in tables is the truth; a journal row says which event changed which rows to what. Both are written
  in one transaction, fully synced, before anything of it is promised to anybody.
* `seq` has no gaps: the number after the last row is given out only by a commit that succeeded.
* Retention is bounded: `prune` folds the oldest journal rows into `journal_base`, so that base plus journal is the
  tables at any time (`verify`).
* One engine per store, held by a lock (`store_file`). Readers need none.
* Many upserts of one row in a batch are written once, the last one; their journal rows all stay.

Traps
* The connection is in autocommit mode and every transaction is explicit; sqlite-utils' own write methods would commit
  early. A reader that keeps a transaction open keeps the WAL from shrinking: all reads here are short.
* A commit that failed in fsync may still be found after a restart. That is right: its effects were not run, and open
  effects are a function of the world.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from ..definitions import Json
from ..events import Commit, Happened, Operate, PowerSet, SetAttribute, Started
from ..model import Row
from .errors import OF_THE_ROWS, StoreError, Unstorable, from_sqlite
from .file import FILE, connect, open_for_reading, open_for_writing, prepare, take_lock
from .schema import CODECS, to_json, transaction

Key = Hashable
Change = tuple[str, Key, Row | None]
"""Table, key and record; None: the row is deleted."""
T = TypeVar("T")
Tables = dict[str, dict[Key, Row]]

ALWAYS = (Commit, Operate, PowerSet, SetAttribute, Started)
"""Events that are journalled even when they change nothing: somebody asked, and it shall be seen that they did."""
PRUNE_AT_ONCE = 256
"""Journal rows folded in one piece: some milliseconds."""

__all__ = ["Change", "JournalRow", "Store", "StoreError", "Tables", "Unstorable"]


class JournalRow(Struct, frozen=True, kw_only=True, gc=False):
    """One event and what it changed. `fields` is the event as JSON (its class in `type`), `rows` a list of [table,
    key, row or None], both as plain data; `changes` gives records."""

    seq: int
    at: float
    now: float
    event: str
    fields: dict[str, Json]
    rows: list[tuple[str, Json, dict[str, Json] | None]]

    def changes(self) -> list[Change]:
        """Raises KeyError (a table of another version) and msgspec.ValidationError."""
        out: list[Change] = []
        for table, key, row in self.rows:
            codec = CODECS[table]
            out.append((table, codec.key_from_json(key), None if row is None else codec.from_json(row)))
        return out


_rows_decoder = msgspec.json.Decoder(list[tuple[str, Any, dict[str, Any] | None]])
_raw_rows_decoder = msgspec.json.Decoder(list[tuple[str, msgspec.Raw, msgspec.Raw]])
_fields_decoder = msgspec.json.Decoder(dict[str, Any])


class Store:
    """An open store. Use `open`, `read` or `memory`; `close` when done. Not for two threads at once."""

    def __init__(self, path: Path, conn: sqlite3.Connection, lock: int | None = None) -> None:
        self.path = path
        self._conn = conn
        self._lock = lock
        self._closed = False

    # -- opening ------------------------------------------------------------------------------------------------------

    @classmethod
    def open(cls, directory: Path | str) -> Store:
        """Open the store in this directory for writing; it is made where it is missing (0700, files 0600). Raises
        StoreError: another engine, unreadable, not a store, newer version, full disk."""
        directory = Path(directory)
        lock = take_lock(directory)
        try:
            path = directory / FILE
            return cls(path, open_for_writing(path), lock)._loaded()
        except BaseException:
            os.close(lock)
            raise

    @classmethod
    def memory(cls) -> Store:
        """A store that is gone when it is closed, for tests."""
        path = Path(":memory:")
        conn = connect(str(path), path, uri=False)
        prepare(conn)
        return cls(path, conn)._loaded()

    @classmethod
    def read(cls, directory: Path | str) -> Store:
        """Open it read-only and without the lock, beside an engine that writes. Raises StoreError."""
        path = Path(directory) / FILE
        return cls(path, open_for_reading(path))._loaded()

    def _loaded(self) -> Store:
        try:
            self._seq, self._rows = self._count()
        except sqlite3.Error as error:
            self._conn.close()
            raise from_sqlite(error, self.path) from error
        return self

    def close(self) -> None:
        """Close it, and let the next engine have it. Twice is as good as once."""
        if self._closed:
            return
        self._closed = True
        self._conn.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- reading ------------------------------------------------------------------------------------------------------

    @property
    def seq(self) -> int:
        """Number of the last committed journal row, 0 before the first. A reader sees the writer's last one by
        `last_seq`."""
        return self._seq

    @property
    def rows(self) -> int:
        """How many rows the journal holds now."""
        return self._rows

    def last_seq(self) -> int:
        """The same, asked of the file: for a reader beside an engine."""
        return self._read(self._count)[0]

    def now(self) -> float:
        """Engine time, in seconds, of the last journal row; 0.0 where there is none."""
        row = self._read(lambda: self._conn.execute("SELECT now FROM journal ORDER BY seq DESC LIMIT 1").fetchone())
        return float(row[0]) if row else 0.0

    def load(self) -> Tables:
        """All tables, key -> record, strictly decoded. Raises StoreError, also for a row that is no record."""
        return self.snapshot()[0]

    def snapshot(self) -> tuple[Tables, int]:
        """All tables and the seq that they stand for, of one moment. Raises StoreError."""

        def tables() -> tuple[Tables, int]:
            return {table: dict(codec.rows(self._conn)) for table, codec in CODECS.items()}, self._count()[0]

        return self._read(tables)

    def journal(self, after: int = 0, limit: int = 1000) -> list[JournalRow]:
        """Rows with seq > `after`, oldest first, at most `limit`. Rows that were pruned are not there: the first seq
        tells. Raises StoreError."""
        sql = "SELECT seq, at, now, event, fields, rows FROM journal WHERE seq > ? ORDER BY seq LIMIT ?"
        return self._read(lambda: [_journal_row(row) for row in self._conn.execute(sql, (after, limit))])

    def base(self) -> tuple[Tables, int]:
        """What was before the oldest row of the journal, and the seq that it stands for (0: nothing was pruned). Raises StoreError."""

        def tables() -> tuple[Tables, int]:
            (folded,) = self._conn.execute("SELECT value FROM info WHERE name = 'folded'").fetchone()
            return self._base(), int(folded)

        return self._read(tables)

    def _base(self) -> Tables:
        sums: Tables = {table: {} for table in CODECS}
        for table, key, row in self._conn.execute('SELECT "of", "key", "row" FROM journal_base'):
            codec = CODECS[table]
            sums[table][codec.key_from_json(msgspec.json.decode(key))] = codec.from_json(msgspec.json.decode(row))
        return sums

    @contextmanager
    def still(self) -> Iterator[None]:
        """All reads inside are of one moment, whatever is written meanwhile. Keep it short: the write-ahead log cannot shrink. Raises
        StoreError."""
        try:
            self._conn.execute("BEGIN")
        except sqlite3.Error as error:
            raise self._closed_or(error) from error
        try:
            yield
        finally:
            if self._conn.in_transaction:
                self._conn.execute("COMMIT")

    def verify(self) -> list[str]:
        """What is wrong with the store, one sentence each; empty: the tables are the sum of base and journal, and
        seq has no gap. Reads everything: for tests, `crowbar doctor` and after a repair. Raises StoreError."""
        return self._read(self._verify)

    def _verify(self) -> list[str]:
        conn = self._conn
        wrong = []
        (folded,) = conn.execute("SELECT value FROM info WHERE name = 'folded'").fetchone()
        sums = self._base()
        expected = folded + 1
        now = 0.0
        for row in conn.execute("SELECT seq, at, now, event, fields, rows FROM journal ORDER BY seq"):
            if row[0] != expected:
                wrong.append(f"journal: seq {expected} is followed by {row[0]}")
            if row[2] < now:
                wrong.append(f"journal: engine time goes back at seq {row[0]}")
            expected, now = row[0] + 1, row[2]
            for table, key, record in _journal_row(row).changes():
                if record is None:
                    sums[table].pop(key, None)
                else:
                    sums[table][key] = record
        for table, codec in CODECS.items():
            there = dict(codec.rows(conn))
            for key in sorted(there.keys() | sums[table].keys(), key=repr):
                if there.get(key) != sums[table].get(key):
                    wrong.append(f"{table} {key!r}: the table has {there.get(key)}, the journal {sums[table].get(key)}")
        return wrong

    def _count(self) -> tuple[int, int]:
        last, rows = self._conn.execute("SELECT max(seq), count(*) FROM journal").fetchone()
        if last is None:
            (last,) = self._conn.execute("SELECT value FROM info WHERE name = 'folded'").fetchone()
        return int(last), int(rows)

    def _read(self, what: Callable[[], T]) -> T:
        """Call `what` in one read transaction, so that all it reads is of one moment."""
        try:
            if self._conn.in_transaction:  # `still`
                return what()
            self._conn.execute("BEGIN")
            try:
                return what()
            finally:
                if self._conn.in_transaction:
                    self._conn.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._closed_or(error) from error
        except (msgspec.MsgspecError, KeyError, ValueError) as error:
            raise StoreError(
                f"{self.path} holds a row that is no record of this program ({error}): use the version that wrote it, "
                "or put a copy of the store back"
            ) from error

    def _closed_error(self) -> StoreError:
        return StoreError(f"the store {self.path} is closed: start the engine again")

    def _closed_or(self, error: sqlite3.Error) -> StoreError:
        return self._closed_error() if self._closed else from_sqlite(error, self.path)

    # -- writing ------------------------------------------------------------------------------------------------------

    def commit(self, batch: Sequence[tuple[Happened, Sequence[Change]]]) -> int:
        """Record these events and what they changed, in one synced transaction; returns the last seq. Raises
        StoreError, or Unstorable for an event that cannot be written; then nothing of the batch is recorded."""
        seq = self._seq
        journal: list[tuple[int, float, float, str, str, str]] = []
        pending: dict[str, dict[Key, Row | None]] = {}
        for index, (happened, changes) in enumerate(batch):
            event = happened.event
            if not changes and not isinstance(event, ALWAYS):
                continue
            try:
                fields, rows = to_json(event), to_json(changes)
                seq += 1
                journal.append((seq, happened.at, happened.now, type(event).__name__, fields, rows))
                for table, key, record in changes:
                    pending.setdefault(table, {})[key] = record
            except (TypeError, ValueError, msgspec.MsgspecError) as error:
                raise Unstorable(index, f"{type(event).__name__} cannot be written down: {error}") from error
        if not journal:
            return seq
        if self._closed:
            raise self._closed_error()
        try:
            statements = _statements(pending)
        except (TypeError, ValueError, KeyError, AttributeError, msgspec.MsgspecError) as error:
            raise Unstorable(None, f"a row cannot be written down: {error}") from error
        conn = self._conn
        try:
            with transaction(conn):
                for sql, values in statements:
                    conn.executemany(sql, values)
                conn.executemany("INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?)", journal)
        except OF_THE_ROWS as error:
            raise Unstorable(None, f"a row cannot be written down: {error}") from error
        except sqlite3.Error as error:
            raise self._closed_or(error) from error
        self._seq = seq
        self._rows += len(journal)
        return seq

    def prune(self, keep: int, at_once: int = PRUNE_AT_ONCE) -> int:
        """Fold the oldest rows of the journal into its base until `keep` (at least 1) are left, at most `at_once` in
        this call; returns how many. Call it again while it returns something. Raises StoreError."""
        many = min(self._rows - max(keep, 1), at_once)
        if many <= 0:
            return 0
        conn = self._conn
        try:
            with transaction(conn):
                state: dict[tuple[str, str], str | None] = {}
                oldest = conn.execute("SELECT seq, rows FROM journal ORDER BY seq LIMIT ?", (many,)).fetchall()
                last = oldest[-1][0]
                for _, rows in oldest:
                    for table, key, row in _raw_rows_decoder.decode(rows):
                        text = bytes(row).decode()
                        state[(table, bytes(key).decode())] = None if text == "null" else text
                gone = [key for key, row in state.items() if row is None]
                conn.executemany('DELETE FROM journal_base WHERE "of" = ? AND "key" = ?', gone)
                conn.executemany(
                    'INSERT INTO journal_base ("of", "key", "row") VALUES (?, ?, ?) '
                    'ON CONFLICT ("of", "key") DO UPDATE SET "row" = excluded."row"',
                    [(*key, row) for key, row in state.items() if row is not None],
                )
                conn.execute("DELETE FROM journal WHERE seq <= ?", (last,))
                conn.execute("UPDATE info SET value = ? WHERE name = 'folded'", (last,))
        except sqlite3.Error as error:
            raise self._closed_or(error) from error
        self._rows -= many
        return many


def _statements(pending: dict[str, dict[Key, Row | None]]) -> list[tuple[str, list[tuple[Any, ...]]]]:
    out = []
    for table, rows in pending.items():
        codec = CODECS[table]
        gone = [codec.to_key_row(key) for key, record in rows.items() if record is None]
        kept = [codec.to_row(record) for record in rows.values() if record is not None]
        if gone:
            out.append((codec.delete, gone))
        if kept:
            out.append((codec.upsert, kept))
    return out


def _journal_row(row: tuple[int, float, float, str, str, str]) -> JournalRow:
    seq, at, now, event, fields, rows = row
    return JournalRow(
        seq=seq, at=at, now=now, event=event, fields=_fields_decoder.decode(fields), rows=_rows_decoder.decode(rows)
    )
