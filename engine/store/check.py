"""Checks that a store still holds what the engine wrote. `at_start` runs before each start, `full` for `crowbar doctor`.

At a start, and for a reader if no engine holds the store, the check only reads, so that a damaged store stays as it is for the person
who repairs it:
* `PRAGMA quick_check`: the structure of all pages, types, NOT NULL.
* `PRAGMA integrity_check` of the small tables, which compares their indexes with their rows. The journal has no index.
* The journal has no gap, and its newest CHECKED rows have their original sums.
* The store reaches the last promised change (`file.Promised`).
`Store.load` compares the sum of each record that it decodes.

Cost on a store of 3,000 nodes (40 MB, 39,000 rows; seconds of processor): quick_check 0.05, integrity_check 0.05, the journal 0.09, the
sums of all records 0.06. Without them the same start takes about a second.

The full check reads the whole journal, and compares its replay with the tables.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import MsgspecError

from . import sums
from .errors import StoreError, from_sqlite
from .schema import CODECS, MIGRATIONS, column_names, version

CHECKED = 20_000
"""Journal rows whose sums are compared at a start: a tenth of a second. The others are compared when they are read."""
MOST = 20
"""Most of SQLite's sentences that are shown."""
_BACK = "restore a copy of the store, or move it away to start a new one"
OWN = {*CODECS, "journal", "journal_base", "info"}

EVENTS = "seq, at, now, event, fields, rows, crc"
"""What a row of the journal is read with."""


def damaged(path: Path, what: str) -> StoreError:
    return StoreError(f"{path} is damaged ({what}): {_BACK}")


@contextmanager
def telling(path: Path) -> Iterator[None]:
    """Turns any error of reading a damaged store into a StoreError."""
    try:
        yield
    except sqlite3.Error as error:
        raise from_sqlite(error, path) from error
    except (MsgspecError, LookupError, ValueError, TypeError, ArithmeticError, AttributeError) as error:
        raise StoreError(
            f"{path} holds a row that is no record of this program ({type(error).__name__}: {error}): use the version "
            "that wrote it, or put a copy of the store back"
        ) from error


def at_start(conn: sqlite3.Connection, path: Path, promised: int) -> None:
    """Raises StoreError for a damaged store. `promised`: sequence number that it must reach."""
    with telling(path):
        conn.execute("BEGIN")  # an engine that has just started may write meanwhile
        if version(conn) < 1:
            raise StoreError(f"{path} is not a store, or is damaged (it has no version): {_BACK}")
        for wrong in _structure(conn):
            raise damaged(path, wrong)
        last = _gap(conn, path)
        if version(conn) > 1:
            rows = conn.execute(f"SELECT {EVENTS} FROM journal WHERE seq > ?", (last - CHECKED,))
            for row in rows:
                check_event(row, path)
        conn.execute("COMMIT")
    reaches(last, promised, path)


def reaches(last: int, promised: int, path: Path) -> None:
    """Raises StoreError if the store ends before the last promised change."""
    if last < promised:
        raise StoreError(
            f"{path} ends at change {last}, and changes up to {promised} were promised, so its end (store.db-wal) was "
            f"damaged or removed: put it back, or delete {path.parent / 'promised'} to go on without "
            f"{promised - last} of them"
        )


def _structure(conn: sqlite3.Connection) -> Iterator[str]:
    """What SQLite finds wrong; it stops at the first."""
    yield from _said(conn, "PRAGMA quick_check(1)")
    for table in (*CODECS, "info"):
        if version(conn) == len(MIGRATIONS) or column_names(conn, table):  # else one that its migration will make
            yield from _said(conn, f'PRAGMA integrity_check("{table}")')


def _said(conn: sqlite3.Connection, pragma: str) -> list[str]:
    # SQLite returns NULL if a bit flipped in the text of its own sentence's subject.
    rows = [str(row[0]) for row in conn.execute(pragma).fetchmany(MOST)]
    return [" ".join(text.split()) for row in rows if row != "ok" for text in row.split("\n") if text and not text.startswith("***")]


def _gap(conn: sqlite3.Connection, path: Path) -> int:
    """The last sequence number. Raises StoreError if one is missing."""
    found = conn.execute("SELECT value FROM info WHERE name = 'folded'").fetchone()
    if found is None:
        raise damaged(path, "it does not say where its journal begins")
    first, last, many = conn.execute("SELECT min(seq), max(seq), count(*) FROM journal").fetchone()
    if last is None:
        return int(found[0])
    if first != found[0] + 1 or last - first + 1 != many:
        raise damaged(path, f"its journal has {many} rows from {first} to {last}, and must begin at {found[0] + 1}")
    return int(last)


def check_event(row: tuple[int, float, float, str, str, str, int | None], path: Path) -> None:
    """Raises StoreError if a journal row differs from what the engine wrote."""
    seq, at, now, event, fields, rows, crc = row
    if crc is not None and crc != sums.of_event(seq, at, now, event, fields.encode(), rows.encode()):
        raise damaged(path, f"row {seq} of the journal differs from what the engine wrote")


def full(conn: sqlite3.Connection) -> list[str]:
    """What SQLite and the references between rows say, one sentence each. Raises sqlite3.Error."""
    wrong = [f"the file is damaged: {text}" for text in _said(conn, f"PRAGMA integrity_check({MOST})")]
    for (table,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"):
        if table not in OWN:
            wrong.append(f"table {table} does not belong to this program")
    for table, column, other, key in (
        ("node_roles", "node", "nodes", "id"),
        ("node_roles", "deployment", "deployments", "name"),
        ("allocations", "node", "nodes", "id"),
    ):
        if column in column_names(conn, table):
            sql = f"SELECT DISTINCT {column} FROM {table} WHERE {column} NOT IN (SELECT {key} FROM {other}) LIMIT {MOST}"
            wrong += [f"{table}: a row refers to {column} {name}, which does not exist" for (name,) in conn.execute(sql)]
    return wrong
