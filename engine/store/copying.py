"""Copies a store from one place to another, of either kind, and compares two. A place is a store's folder or the name of a database.

Rules
* The copy takes the source over first, so an engine that still runs there is deposed and cannot go on beside the copy. What it had
  promised is in the copy.
* The copy is complete or absent: one transaction in PostgreSQL; in SQLite a file under another name, renamed when it is synced.
* Rows are copied as they are, with their sums: damage stays visible. The epoch is copied too, so that it never goes back.
* Only an empty place is a target. Nothing is overwritten.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path

import msgspec
from msgspec import Struct

from . import check, file, place, postgres
from .database import VERSION, Database, insert, take_over, transaction
from .errors import StoreError
from .journal import BASE
from .schema import CODECS, migrate
from .sql_store import SqlStore

PIECE = 1000
"""Rows of the journal that are in memory at once."""
_INFO = insert("info", ("name", "value"), ("name",))
_TABLES = (*(codec.upsert for codec in CODECS.values()), BASE, _INFO)
_JOURNAL = insert("journal", check.JOURNAL)
_encode = msgspec.json.Encoder().encode

Moved = Callable[[int, int], None]
"""Gets the rows of the journal that are done, and of how many."""


class TableSum(Struct, frozen=True, kw_only=True):
    table: str
    rows: int
    digest: str
    """Of all rows, in any order. The same in both kinds of database."""


class Examined(Struct, frozen=True, kw_only=True):
    """What a store holds."""

    first: int
    """Number of the oldest row of the journal, and of the last one."""
    last: int
    tables: tuple[TableSum, ...]
    wrong: tuple[str, ...]
    """A sentence each. Empty: tables, base and journal agree, and the journal has no gap."""


def copy(source: str, target: str, moved: Moved = lambda _done, _all: None) -> int:
    """Copies all rows. Returns the number of the last change. Raises StoreError; then the target has nothing."""
    _refuse_store(target)  # before an engine on the source is stopped
    with _leading(source) as db:
        with check.telling(db):
            db.execute(db.READ)
        _fill(target, lambda into: _rows(db, into, moved))
        with check.telling(db):
            (last,) = db.execute("SELECT max(seq) FROM journal").fetchone()
            (folded,) = db.execute("SELECT value FROM info WHERE name = 'folded'").fetchone()
            db.execute("COMMIT")
    last = int(folded if last is None else last)
    if not postgres.is_name(target):
        with closing(file.Promised(Path(target))) as told:
            told.write(last)
    return last


def examine(name: str) -> Examined:
    """Reads all of it. Raises StoreError."""
    with _reading(name) as store, store.still(), check.telling(store.database):
        db = store.database
        (first,) = db.execute("SELECT value FROM info WHERE name = 'folded'").fetchone()
        last = store.last_seq()
        tables = tuple(_sum(db, one.table, one.columns) for one in (*_TABLES, _JOURNAL))
        return Examined(first=int(first) + 1, last=last, tables=tables, wrong=tuple(store.verify()))


def differences(one: Examined, other: Examined) -> list[str]:
    """A sentence for each table in which two stores differ."""
    theirs = {table.table: table for table in other.tables}
    return [
        f"{mine.table}: {mine.rows} rows with the digest {mine.digest[:16]}, and {his.rows} with {his.digest[:16]}"
        for mine in one.tables
        if (his := theirs[mine.table]) != mine
    ]


# -- places ----------------------------------------------------------------------------------------------------------


@contextmanager
def _leading(name: str) -> Iterator[Database]:
    if not postgres.is_name(name):
        if not place.begun(Path(name)):
            raise StoreError(f"there is no store in {name}: name the folder of a store, or postgresql://HOST/DATABASE")
        with SqlStore.open(name) as store:
            yield store.database
        return
    with closing(postgres.connect(name)) as db:
        with check.telling(db):
            if not db.version():
                raise StoreError(f"there is no store in {name}: correct the name")
            migrate(db)
            take_over(db)
        yield db


@contextmanager
def _reading(name: str) -> Iterator[SqlStore]:
    with SqlStore.on(postgres.read(name)) if postgres.is_name(name) else SqlStore.read(name) as store:
        yield store


def _refuse_store(name: str) -> None:
    if not postgres.is_name(name):
        folder = Path(name)
        name = place.named(folder)
        if not name:
            if file.is_begun(file.path_of(folder)):
                raise _not_empty(str(folder))
            return
    with closing(postgres.connect(name, target_session_attrs="read-write")) as db, check.telling(db):
        postgres.check_fit(db)
        if db.columns("engine"):
            _check_empty(db)


def _check_empty(db: Database) -> None:
    """Nobody has ever led it, and no copy has filled it."""
    (epoch,) = db.execute("SELECT epoch FROM engine").fetchone()
    (many,) = db.execute("SELECT count(*) FROM journal").fetchone()
    if epoch or many:
        raise _not_empty(str(db.path))


def _fill(name: str, rows: Callable[[Database], None]) -> None:
    if postgres.is_name(name):
        return _fill_postgres(name, rows)
    folder = Path(name)
    lock = file.take_lock(folder)
    try:
        if database := place.named(folder):
            return _fill_postgres(database, rows)
        path = file.path_of(folder)
        if file.is_begun(path):
            raise _not_empty(str(path))
        return file.begin(path, lambda db: _in_one(db, rows))
    finally:
        os.close(lock)


def _fill_postgres(name: str, rows: Callable[[Database], None]) -> None:
    with closing(postgres.connect(name, target_session_attrs="read-write")) as db, check.telling(db):
        postgres.check_fit(db)
        migrate(db)
        _in_one(db, rows)


def _in_one(db: Database, rows: Callable[[Database], None]) -> None:
    with transaction(db):
        _check_empty(db)
        rows(db)


def _not_empty(name: str) -> StoreError:
    return StoreError(f"{name} already holds a store: name an empty folder or database, or move that store away")


# -- rows ------------------------------------------------------------------------------------------------------------


def _rows(db: Database, into: Database, moved: Moved) -> None:
    for one in _TABLES:
        rows = db.execute(f"SELECT {one.names} FROM {one.table}").fetchall()
        into.insert(one, [row for row in rows if one is not _INFO or row[0] != VERSION])
    (many,) = db.execute("SELECT count(*) FROM journal").fetchone()
    done = 0
    for piece in _pieces(db):
        into.insert(_JOURNAL, piece)
        done += len(piece)
        moved(done, int(many))
    (epoch,) = db.execute("SELECT epoch FROM engine").fetchone()
    into.execute("UPDATE engine SET epoch = ?", (epoch,))


def _pieces(db: Database) -> Iterator[list[tuple[object, ...]]]:
    after = 0
    while piece := db.execute(f"SELECT {_JOURNAL.names} FROM journal WHERE seq > ? ORDER BY seq LIMIT ?", (after, PIECE)).fetchall():
        yield piece
        after = piece[-1][0]


def _sum(db: Database, table: str, columns: tuple[str, ...]) -> TableSum:
    """The sum of the rows' hashes: two databases sort text differently, and may keep rows in any order."""
    rows = total = 0
    for row in _all_rows(db, table, columns):
        rows += 1
        total += int.from_bytes(sha256(_encode(tuple(row))).digest(), "big")
    return TableSum(table=table, rows=rows, digest=f"{total % (1 << 256):064x}")


def _all_rows(db: Database, table: str, columns: tuple[str, ...]) -> Iterator[tuple[object, ...]]:
    if table == "journal":
        for piece in _pieces(db):
            yield from piece
        return
    for row in db.execute(f"SELECT {insert(table, columns).names} FROM {table}"):
        if table != "info" or row[0] != VERSION:
            yield row
