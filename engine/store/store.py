"""What is durable: the tables of the world and the journal, in one SQLite file, written by one thread in group commits.

Rules
* The tables hold the current records. A journal row says which event changed which rows to what. Both are written in one transaction,
  fully synced, before anything of it is promised to anybody.
* `seq` has no gaps: only a successful commit assigns the number after the last row.
* Retention is bounded: `prune` folds the oldest journal rows into `journal_base`, so that base plus journal equal the tables at any time
  (`verify`).
* One engine per store, held by a lock (`file`). Readers need no lock.
* Many upserts of one row in a batch are written once; all their journal rows stay.
* An event that changed only last values (`last_values.LAST_VALUES`) has no journal row. Its rows are as durable as all others: a lease is
  renewed before the answer leaves. So the tables may be newer than the journal in those fields, and in no others.
* In a flood, strangers' records change without the journal, and say so (`model.Journalled`).
* Engine time is that of the last commit: in its row, or in `info` if it has none, at least every STAMP_S.

Traps
* The connection is in autocommit mode and every transaction is explicit, because sqlite-utils' own write methods would commit early. A
  reader that keeps a transaction open keeps the WAL from shrinking: all reads here are short.
* A commit that failed in fsync may still be found after a restart. That is right: its effects were not run, and open effects follow from
  the world.
"""

from __future__ import annotations

import os
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from math import ceil, inf
from pathlib import Path
from typing import TypeVar

import msgspec

from ..events import Happened
from ..last_values import same_but_last
from ..model import Row
from . import check
from .errors import OF_THE_ROWS, StoreError, Unstorable, from_os, from_sqlite
from .file import (
    FILE,
    LOCK,
    Promised,
    Watch,
    begin,
    check_not_older,
    connect,
    held,
    is_begun,
    open_for_reading,
    open_for_writing,
    prepare,
    promised,
    take_lock,
)
from .journal import JournalRow, base, fold, following, replayed, verify
from .news import followed, is_news, journalled
from .schema import CODECS, Change, Key, Odd, Tables, statements, transaction

T = TypeVar("T")

EVERY = 64
"""Each commit checks whether the log that it went to is the one on the disk. Every so many commits check all files, as an idle loop
does."""
STAMP_S = 600.0
"""Most seconds of engine time that a kill loses on a rack where nothing happens."""
_STAMP = "INSERT INTO info VALUES ('now', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
PRUNE_AT_ONCE = 256
"""Journal rows folded in one piece: some milliseconds."""

_encode = msgspec.json.Encoder().encode

__all__ = ["Change", "JournalRow", "Store", "StoreError", "Tables", "Unstorable"]


class Store:
    """An open store. Use `open`, `read` or `memory`; `close` when done. Not for two threads at once."""

    def __init__(self, path: Path, conn: sqlite3.Connection, lock: int | None = None, told: Promised | None = None) -> None:
        self.path = path
        self._conn = conn
        self._lock = lock
        self._told = told
        self._watch = Watch()
        self._closed = False
        self._compares = True
        """False beside an engine, which compared the records with their sums at its start."""
        self._stamped = -inf

    # -- opening ------------------------------------------------------------------------------------------------------

    @classmethod
    def open(cls, directory: Path | str) -> Store:
        """Opens the store in this directory for writing, after a check (`check.at_start`). Creates a missing one (0700, files
        0600). Raises StoreError: another engine, unreadable, damaged, newer version, full disk."""
        directory = Path(directory)
        with ExitStack() as undo:
            lock = take_lock(directory)
            undo.callback(os.close, lock)
            # SQLite puts its other files beside the target of a link.
            path = Path(os.path.realpath(directory / FILE))
            there = is_begun(path)
            if there:
                cls._check(path, promised(directory))
            told = Promised(directory)
            undo.callback(told.close)
            if not there:
                told.write(0)
                begin(path)
            store = cls(path, open_for_writing(path), lock, told)._loaded()
            store._watch = Watch(Path(f"{path}-wal"), path, Path(f"{path}-shm"), directory.absolute() / LOCK)
            undo.pop_all()
        store._tell()
        return store

    @staticmethod
    def _check(path: Path, until: int) -> None:
        conn = open_for_reading(path)
        try:
            check.at_start(conn, path, until)
        finally:
            conn.close()

    @classmethod
    def memory(cls) -> Store:
        """A store for tests that is gone when it is closed."""
        path = Path(":memory:")
        conn = connect(str(path), path, uri=False)
        prepare(conn)
        return cls(path, conn)._loaded()

    @classmethod
    def read(cls, directory: Path | str) -> Store:
        """Opens it read-only and without the lock, beside an engine that writes. Raises StoreError."""
        path = Path(os.path.realpath(Path(directory) / FILE))
        until = promised(Path(directory))  # before the store, which an engine may be writing
        conn = open_for_reading(path)
        try:
            with check.telling(path):
                check_not_older(conn, path)
            beside = held(Path(directory))  # an engine has checked it at its start
            if not beside:
                check.at_start(conn, path, until)
            store = cls(path, conn)._loaded()
            store._compares = not beside
            check.reaches(store.seq, until, path)
        except BaseException:
            conn.close()
            raise
        return store

    def _loaded(self) -> Store:
        try:
            with check.telling(self.path):
                self._seq, self._rows = self._count()
        except StoreError:
            self._conn.close()
            raise
        return self

    def look(self, many: int | None = None) -> None:
        """Raises StoreError if a file of the store is no longer the one on the disk. `many` 1: only the write-ahead log."""
        lost = self._watch.lost(many)
        if lost:
            raise StoreError(
                f"another program deleted or replaced {lost} while the engine ran, so nothing after change {self._seq} "
                "is saved: stop that program, run crowbar doctor, then start the engine again"
            )

    def _tell(self) -> None:
        if self._told is not None:
            try:
                self._told.write(self._seq)
            except OSError as error:
                raise from_os(error, self.path) from error

    def close(self) -> None:
        """Closes it, and lets the next engine have it. A second call does nothing."""
        if self._closed:
            return
        self._closed = True
        self._conn.close()
        if self._told is not None:
            self._told.close()
            self._told = None
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
        """Number of the last committed journal row, 0 before the first. A reader gets the writer's last one by `last_seq`."""
        return self._seq

    @property
    def rows(self) -> int:
        """Number of rows in the journal now."""
        return self._rows

    def last_seq(self) -> int:
        """The same, asked of the file: for a reader beside an engine."""
        return self._read(self._count)[0]

    def now(self) -> float:
        """Engine time, in seconds, of the last commit; 0.0 without one."""

        def times() -> list[float]:
            found = self._conn.execute("SELECT now FROM journal ORDER BY seq DESC LIMIT 1").fetchone()
            stamp = self._conn.execute("SELECT value / 1000.0 FROM info WHERE name = 'now'").fetchone()
            return [float(row[0]) for row in (found, stamp) if row is not None]

        return max(self._read(times), default=0.0)

    def load(self) -> Tables:
        """All tables, key -> record, strictly decoded. Raises StoreError, also for a row that is not a record or differs from
        what the engine wrote."""
        return self.snapshot()[0]

    def snapshot(self) -> tuple[Tables, int]:
        """All tables and their sequence number, of one moment. Raises StoreError."""

        odd: list[Odd] = []
        into = odd if self._compares else None

        def tables() -> tuple[Tables, int]:
            found = {table: dict(codec.rows(self._conn, into)) for table, codec in CODECS.items()}
            self._compare(odd)
            return found, self._count()[0]

        out = self._read(tables)
        if odd and self._lock is not None:
            self._seal(odd)
        return out

    def _compare(self, odd: list[Odd]) -> None:
        """Records with another sum must equal the journal's, except for last values, which it may not know. Raises StoreError."""
        doubted = [one for one in odd if one.summed]
        if not doubted:
            return
        told, _ = replayed(self._conn, self.path)
        for one in doubted:
            if not same_but_last(one.table, told[one.table].get(one.key), one.record):
                raise check.damaged(self.path, f"row {one.key!r} of {one.table} differs from what the engine wrote")

    def _seal(self, odd: list[Odd]) -> None:
        """Gives these records their sums."""
        try:
            with transaction(self._conn):
                for one in odd:
                    codec = CODECS[one.table]
                    self._conn.execute(codec.seal, (codec.sum_of(_encode(one.record)), *codec.to_key_row(one.key)))
        except sqlite3.Error as error:
            raise self._closed_or(error) from error

    def journal(self, after: int = 0, limit: int = 1000) -> list[JournalRow]:
        """Rows with seq > `after`, oldest first, at most `limit`. Deleted rows are missing: the first seq tells. Raises StoreError."""
        sql = f"SELECT {check.EVENTS} FROM journal WHERE seq > ? ORDER BY seq LIMIT ?"
        return self._read(lambda: following(self._conn.execute(sql, (after, limit)), self.path))

    def table(self, name: str) -> dict[Key, Row]:
        """The records of one table. Raises StoreError."""
        return self._read(lambda: dict(CODECS[name].rows(self._conn)))

    def base(self) -> tuple[Tables, int]:
        """The records before the oldest row of the journal, and its sequence number (0: nothing was deleted). Raises StoreError."""

        def tables() -> tuple[Tables, int]:
            (folded,) = self._conn.execute("SELECT value FROM info WHERE name = 'folded'").fetchone()
            return base(self._conn, self.path), int(folded)

        return self._read(tables)

    @contextmanager
    def still(self) -> Iterator[None]:
        """All reads inside are of one moment, whatever is written meanwhile. Keep it short: the write-ahead log cannot shrink.
        Raises StoreError."""
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
        """What is wrong with the store, one sentence each. Empty: the tables equal base plus journal, and seq has no gap. Reads
        everything: for tests, `examine` and after a repair. Raises StoreError."""
        return self._read(lambda: verify(self._conn, self.path))

    def examine(self) -> list[str]:
        """The same, after all checks of SQLite and of the references between rows: for `crowbar doctor`. Raises StoreError."""
        return self._read(lambda: check.full(self._conn)) or self.verify()

    def _count(self) -> tuple[int, int]:
        last, rows = self._conn.execute("SELECT max(seq), count(*) FROM journal").fetchone()
        if last is None:
            (last,) = self._conn.execute("SELECT value FROM info WHERE name = 'folded'").fetchone()
        return int(last), int(rows)

    def _read(self, what: Callable[[], T]) -> T:
        """Calls `what` in one read transaction, so that all its reads are of one moment."""
        try:
            with check.telling(self.path):
                if self._conn.in_transaction:  # `still`
                    return what()
                self._conn.execute("BEGIN")
                try:
                    return what()
                finally:
                    if self._conn.in_transaction:
                        self._conn.execute("COMMIT")
        except StoreError as error:
            raise (self._closed_error() if self._closed else error) from error.__cause__

    def _closed_error(self) -> StoreError:
        return StoreError(f"the store {self.path} is closed: start the engine again")

    def _closed_or(self, error: sqlite3.Error) -> StoreError:
        return self._closed_error() if self._closed else from_sqlite(error, self.path)

    # -- writing ------------------------------------------------------------------------------------------------------

    def commit(self, batch: Sequence[tuple[Happened, Sequence[Change]]]) -> int:
        """Records these events and their changes in one synced transaction. Returns the last seq. Raises StoreError, or
        Unstorable for an event that cannot be stored; then nothing of the batch is recorded."""
        seq = self._seq
        journal: list[tuple[int, float, float, str, str, str, int]] = []
        pending: defaultdict[str, dict[Key, tuple[Row, bytes] | None]] = defaultdict(dict)
        encode, raw = _encode, msgspec.Raw
        for index, (happened, changes) in enumerate(batch):
            try:
                told: list[tuple[str, Key, msgspec.Raw | None]] = []
                for change in changes:
                    table, key, record = change
                    text = encode(record)  # once: its sum and the journal's row are of these octets
                    pending[table][key] = (record, text) if record is not None else None
                    if followed(change):
                        told.append((table, key, raw(text) if record is not None else None))
                if is_news(happened.event, changes):
                    seq += 1
                    journal.append(journalled(seq, happened, told))
            except (TypeError, ValueError, msgspec.MsgspecError) as error:
                raise Unstorable(index, f"{type(happened.event).__name__} cannot be stored: {error}") from error
        if not journal and not pending and (not batch or batch[-1][0].now < self._stamped + STAMP_S):
            self.look(1)
            return seq
        if self._closed:
            raise self._closed_error()
        try:
            orders = statements(pending)
        except (TypeError, ValueError, KeyError, AttributeError, msgspec.MsgspecError) as error:
            raise Unstorable(None, f"a row cannot be stored: {error}") from error
        conn = self._conn
        try:
            with transaction(conn):
                for sql, values in orders:
                    conn.executemany(sql, values)
                conn.executemany(f"INSERT INTO journal ({check.EVENTS}) VALUES (?, ?, ?, ?, ?, ?, ?)", journal)
                if not journal:  # otherwise the last row has it
                    conn.execute(_STAMP, (ceil(batch[-1][0].now * 1000),))
        except OF_THE_ROWS as error:
            raise Unstorable(None, f"a row cannot be stored: {error}") from error
        except sqlite3.Error as error:
            raise self._closed_or(error) from error
        self.look(None if seq // EVERY != self._seq // EVERY else 1)  # after the commit: a log that was deleted before holds nothing of it
        self._seq = seq
        self._stamped = batch[-1][0].now
        self._rows += len(journal)
        if journal:
            self._tell()
        return seq

    def prune(self, keep: int, at_once: int = PRUNE_AT_ONCE) -> int:
        """Folds the oldest rows of the journal into its base until `keep` (at least 1) are left, at most `at_once` in this call.
        Returns how many. Call it again while it returns something. Raises StoreError."""
        many = min(self._rows - max(keep, 1), at_once)
        if many <= 0:
            return 0
        try:
            with transaction(self._conn):
                fold(self._conn, self.path, many)
        except sqlite3.Error as error:
            raise self._closed_or(error) from error
        self._rows -= many
        return many
