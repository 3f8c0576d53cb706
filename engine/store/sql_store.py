"""What is durable: the tables of the world and the journal, in one database (`database`), written by one thread in group commits.

Rules
* The tables hold the current records. A journal row says which event changed which rows to what. Both are written in one transaction,
  fully synced, before anything of it is promised to anybody.
* `seq` has no gaps: only a successful commit assigns the number after the last row.
* Retention is bounded: `prune` folds the oldest journal rows into `journal_base`, so that base plus journal equal the tables at any time
  (`verify`).
* One engine per store, held by a lock of its folder (`file`), and fenced by an epoch in each commit (`database`). Readers need neither.
* Many upserts of one row in a batch are written once; all their journal rows stay.
* An event that changed only last values (`last_values.LAST_VALUES`) has no journal row. Its rows are as durable as all others: a lease is
  renewed before the answer leaves. So the tables may be newer than the journal in those fields, and in no others.
* In a flood, strangers' records change without the journal, and say so (`model.Journalled`).
* Engine time is that of the last commit: in its row, or in `info` if it has none, at least every STAMP_S.

Traps
* The connection is in autocommit mode and every transaction is explicit, because sqlite-utils' own write methods would commit early. A
  reader that keeps a transaction open keeps SQLite's log from shrinking: all reads here are short.
* A commit that failed in fsync may still be found after a restart. That is right: its effects were not run, and open effects follow from
  the world.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from math import ceil, inf
from pathlib import Path
from time import monotonic
from typing import TypeVar

import msgspec

from ..events import Happened
from ..last_values import same_but_last
from ..model import Row
from . import check, place
from .database import Database, insert, still_leads, take_over, transaction
from .errors import StoreError, Unstorable
from .file import LOCK, Promised, Watch, held, memory, path_of, promised, take_lock
from .journal import JournalRow, base, fold, following, replayed, verify
from .news import followed, is_news, journalled
from .schema import CODECS, Change, Key, Odd, Tables, check_not_older, statements

T = TypeVar("T")

EVERY = 64
"""Each commit checks whether the log that it went to is the one on the disk. Every so many commits check all files, as an idle loop
does."""
STAMP_S = 600.0
"""Most seconds of engine time that a kill loses on a rack where nothing happens."""
_JOURNAL = insert("journal", check.JOURNAL)
_STAMP = "INSERT INTO info VALUES ('now', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
IDLE_S = 1.0
"""An engine whose loop is idle asks at most so often, in seconds, whether it still leads."""
PRUNE_AT_ONCE = 256
"""Journal rows folded in one piece: some milliseconds."""

_encode = msgspec.json.Encoder().encode


class SqlStore:
    """`store.Store`, on either database. Not for two threads at once."""

    def __init__(self, db: Database, lock: int | None = None, told: Promised | None = None) -> None:
        self.path = db.path
        self.epoch = 0
        self._conn = db
        self._lock = lock
        self._told = told
        self._watch = Watch()
        self._fenced = -inf
        self._closed = False
        self._compares = True
        """False beside an engine, which compared the records with their sums at its start."""
        self._stamped = -inf

    # -- opening ------------------------------------------------------------------------------------------------------

    @classmethod
    def open(cls, directory: Path | str, *, lock: int | None = None, holder: str = "", expects: tuple[int, int] | None = None) -> SqlStore:
        directory = Path(directory)
        with ExitStack() as undo:
            lock = take_lock(directory) if lock is None else os.dup(lock)
            undo.callback(os.close, lock)
            told = Promised(directory)
            undo.callback(told.close)
            store = cls(place.lead(directory, told), lock, told)._leading(holder, expects)
            # With PostgreSQL there is only the lock's file.
            path = path_of(directory)
            files = [] if place.named(directory) else [Path(f"{path}-wal"), path, Path(f"{path}-shm")]
            store._watch = Watch(*files, directory.absolute() / LOCK)
            undo.pop_all()
        store._tell()
        return store

    @classmethod
    def on(cls, db: Database) -> SqlStore:
        """Of an open database, for reading. It is closed with the store."""
        return cls(db)._loaded()

    @property
    def database(self) -> Database:
        return self._conn

    @classmethod
    def memory(cls) -> SqlStore:
        return cls(memory())._leading()

    @classmethod
    def read(cls, directory: Path | str) -> SqlStore:
        directory = Path(directory)
        until = promised(directory)  # before the store, which an engine may be writing
        db = place.read(directory)
        try:
            with check.telling(db):
                check_not_older(db)
            beside = held(directory)  # an engine has checked it at its start
            if not beside:
                check.at_start(db, directory, until)
            store = cls.on(db)
            store._compares = not beside
            check.reaches(store.seq, until, db, directory)
        except BaseException:
            db.close()
            raise
        return store

    def _leading(self, holder: str = "", expects: tuple[int, int] | None = None) -> SqlStore:
        """Takes the store over. The changes of earlier engines end before it, so their number is asked after it."""
        try:
            with check.telling(self._conn):
                self.epoch = take_over(self._conn, holder, expects)
        except BaseException:
            self._conn.close()
            raise
        return self._loaded()

    def _loaded(self) -> SqlStore:
        try:
            with check.telling(self._conn):
                self._seq, self._rows = self._count()
        except StoreError:
            self._conn.close()
            raise
        return self

    def look(self) -> None:
        self._look()
        if self.epoch and monotonic() > self._fenced + IDLE_S:
            self._lead()

    def _lead(self) -> None:
        """Raises Deposed if another engine has taken over."""
        with check.telling(self._conn):
            still_leads(self._conn, self.epoch)
        self._fenced = monotonic()

    def _look(self, many: int | None = None) -> None:
        """Raises StoreError if a file of the store is no longer the one on the disk. `many` 1: only the write-ahead log."""
        lost = self._watch.lost(many)
        if lost:
            raise StoreError(
                f"another program deleted or replaced {lost} while the engine ran, so nothing after change {self._seq} "
                "is saved: stop that program, run crowbar doctor, then start the engine again"
            )

    def _tell(self) -> None:
        if self._told is not None:
            self._told.write(self._seq)

    def close(self) -> None:
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

    def __enter__(self) -> SqlStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- reading ------------------------------------------------------------------------------------------------------

    @property
    def seq(self) -> int:
        return self._seq

    @property
    def rows(self) -> int:
        return self._rows

    def last_seq(self) -> int:
        return self._read(self._last)

    def now(self) -> float:
        def times() -> list[float]:
            found = self._conn.execute("SELECT now FROM journal ORDER BY seq DESC LIMIT 1").fetchone()
            stamp = self._conn.execute("SELECT value / 1000.0 FROM info WHERE name = 'now'").fetchone()
            return [float(row[0]) for row in (found, stamp) if row is not None]

        return max(self._read(times), default=0.0)

    def load(self) -> Tables:
        return self.snapshot()[0]

    def snapshot(self) -> tuple[Tables, int]:
        odd: list[Odd] = []
        into = odd if self._compares else None

        def tables() -> tuple[Tables, int]:
            found = {table: dict(codec.rows(self._conn, into)) for table, codec in CODECS.items()}
            self._compare(odd)
            return found, self._last()

        out = self._read(tables)
        if odd and self._lock is not None:
            self._seal(odd)
        return out

    def _compare(self, odd: list[Odd]) -> None:
        """Records with another sum must equal the journal's, except for last values, which it may not know. Raises StoreError."""
        doubted = [one for one in odd if one.summed]
        if not doubted:
            return
        told, _ = replayed(self._conn)
        for one in doubted:
            if not same_but_last(one.table, told[one.table].get(one.key), one.record):
                raise check.damaged(self._conn, f"row {one.key!r} of {one.table} differs from what the engine wrote")

    def _seal(self, odd: list[Odd]) -> None:
        """Gives these records their sums."""
        try:
            with transaction(self._conn, self.epoch):
                for one in odd:
                    codec = CODECS[one.table]
                    self._conn.execute(codec.seal, (codec.sum_of(_encode(one.record)), *codec.to_key_row(one.key)))
        except self._conn.errors as error:
            raise self._closed_or(error) from error

    def journal(self, after: int = 0, limit: int = 1000) -> list[JournalRow]:
        sql = f"SELECT {check.EVENTS} FROM journal WHERE seq > ? ORDER BY seq LIMIT ?"
        return self._read(lambda: following(self._conn.execute(sql, (after, limit)), self._conn))

    def table(self, name: str) -> dict[Key, Row]:
        return self._read(lambda: dict(CODECS[name].rows(self._conn)))

    def base(self) -> tuple[Tables, int]:
        def tables() -> tuple[Tables, int]:
            (folded,) = self._conn.execute("SELECT value FROM info WHERE name = 'folded'").fetchone()
            return base(self._conn), int(folded)

        return self._read(tables)

    @contextmanager
    def still(self) -> Iterator[None]:
        try:
            self._conn.execute(self._conn.READ)
        except self._conn.errors as error:
            raise self._closed_or(error) from error
        try:
            yield
        finally:
            if self._conn.in_transaction:
                self._conn.execute("COMMIT")

    def verify(self) -> list[str]:
        return self._read(lambda: verify(self._conn))

    def examine(self) -> list[str]:
        return self._read(lambda: check.full(self._conn)) or self.verify()

    def _count(self) -> tuple[int, int]:
        (rows,) = self._conn.execute("SELECT count(*) FROM journal").fetchone()
        return self._last(), int(rows)

    def _last(self) -> int:
        (last,) = self._conn.execute("SELECT max(seq) FROM journal").fetchone()
        if last is None:
            (last,) = self._conn.execute("SELECT value FROM info WHERE name = 'folded'").fetchone()
        return int(last)

    def _read(self, what: Callable[[], T]) -> T:
        """Calls `what` in one read transaction, so that all its reads are of one moment."""
        try:
            with check.telling(self._conn):
                if self._conn.in_transaction:  # `still`
                    return what()
                self._conn.execute(self._conn.READ)
                try:
                    return what()
                finally:
                    if self._conn.in_transaction:
                        self._conn.execute("COMMIT")
        except StoreError as error:
            raise (self._closed_error() if self._closed else error) from error.__cause__

    def _closed_error(self) -> StoreError:
        return StoreError(f"the store {self.path} is closed: start the engine again")

    def _closed_or(self, error: Exception) -> StoreError:
        return self._closed_error() if self._closed else self._conn.sentence(error)

    # -- writing ------------------------------------------------------------------------------------------------------

    def commit(self, batch: Sequence[tuple[Happened, Sequence[Change]]]) -> int:
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
            self._look(1)
            self._lead()
            return seq
        if self._closed:
            raise self._closed_error()
        try:
            orders = statements(pending)
        except (TypeError, ValueError, KeyError, AttributeError, msgspec.MsgspecError) as error:
            raise Unstorable(None, f"a row cannot be stored: {error}") from error
        conn = self._conn
        try:
            with transaction(conn, self.epoch):
                for what, values in orders:
                    if isinstance(what, str):
                        conn.executemany(what, values)
                    else:
                        conn.insert(what, values)
                conn.insert(_JOURNAL, journal)
                if not journal:  # otherwise the last row has it
                    conn.execute(_STAMP, (ceil(batch[-1][0].now * 1000),))
        except conn.of_the_rows as error:
            raise Unstorable(None, f"a row cannot be stored: {error}") from error
        except self._conn.errors as error:
            raise self._closed_or(error) from error
        self._look(None if seq // EVERY != self._seq // EVERY else 1)  # after the commit: a log that was deleted before holds nothing of it
        self._fenced = monotonic()
        self._seq = seq
        self._stamped = batch[-1][0].now
        self._rows += len(journal)
        if journal:
            self._tell()
        return seq

    def prune(self, keep: int, at_once: int = PRUNE_AT_ONCE) -> int:
        many = min(self._rows - max(keep, 1), at_once)
        if many <= 0:
            return 0
        try:
            with transaction(self._conn, self.epoch):
                fold(self._conn, many)
        except self._conn.errors as error:
            raise self._closed_or(error) from error
        self._rows -= many
        return many
