"""Checks that a store still holds what the engine wrote. `at_start` runs before each start, `full` for `crowbar doctor`.

At a start, and for a reader if no engine holds the store, the check only reads, so that a damaged store stays as it is for the person
who repairs it:
* SQLite's `PRAGMA quick_check`: the structure of all pages, types, NOT NULL.
* SQLite's `PRAGMA integrity_check` of the small tables, which compares their indexes with their rows. The journal has no index.
  PostgreSQL checks a page's sum when it reads the page, if its cluster was made so.
* The journal has no gap, and its newest CHECKED rows have their original sums.
* The store reaches the last promised change (`file.Promised`).
`Store.load` compares the sum of each record that it decodes.

Cost on a store of 3,000 nodes (40 MB, 39,000 rows; seconds of processor): quick_check 0.05, integrity_check 0.05, the journal 0.09, the
sums of all records 0.06. Without them the same start takes about a second.

The full check reads the whole journal, and compares its replay with the tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import MsgspecError

from . import sums
from .database import Database
from .errors import StoreError
from .schema import CODECS, MIGRATIONS

CHECKED = 20_000
"""Journal rows whose sums are compared at a start: a tenth of a second. The others are compared when they are read."""
MOST = 20
"""Most sentences of a kind that are shown."""
_BACK = "restore a copy of the store, or move it away to start a new one"
OWN = {*CODECS, "journal", "journal_base", "info", "engine"}

JOURNAL = ("seq", "at", "now", "event", "fields", "rows", "crc")
EVENTS = ", ".join(JOURNAL)
"""What a row of the journal is read with."""


def damaged(db: Database, what: str) -> StoreError:
    return StoreError(f"{db.path} is damaged ({what}): {_BACK}")


@contextmanager
def telling(db: Database) -> Iterator[None]:
    """Turns any error of reading a damaged store into a StoreError."""
    try:
        yield
    except db.errors as error:
        raise db.sentence(error) from error
    except (MsgspecError, LookupError, ValueError, TypeError, ArithmeticError, AttributeError) as error:
        raise StoreError(
            f"{db.path} holds a row that is no record of this program ({type(error).__name__}: {error}): use the version "
            "that wrote it, or put a copy of the store back"
        ) from error


def at_start(db: Database, folder: Path, promised: int) -> None:
    """Raises StoreError for a damaged store. `promised`: sequence number that it must reach, noted in the store's `folder`."""
    with telling(db):
        db.execute(db.READ)  # an engine that has just started may write meanwhile
        if db.version() < 1:
            raise StoreError(f"{db.path} is not a store, or is damaged (it has no version): {_BACK}")
        # A table that is missing here is one that its migration will make.
        for wrong in db.structure([t for t in (*CODECS, "info") if db.version() == len(MIGRATIONS) or db.columns(t)]):
            raise damaged(db, wrong)
        last = _gap(db)
        if db.version() > 1:
            for row in db.execute(f"SELECT {EVENTS} FROM journal WHERE seq > ?", (last - CHECKED,)):
                check_event(row, db)
        db.execute("COMMIT")
    reaches(last, promised, db, folder)


def reaches(last: int, promised: int, db: Database, folder: Path) -> None:
    """Raises StoreError if the store ends before the last promised change."""
    if last < promised:
        raise StoreError(
            f"{db.path} ends at change {last}, and changes up to {promised} were promised, so {db.LOST_END}: put it back, or delete "
            f"{folder / 'promised'} to go on without {promised - last} of them"
        )


def _gap(db: Database) -> int:
    """The last sequence number. Raises StoreError if one is missing."""
    found = db.execute("SELECT value FROM info WHERE name = 'folded'").fetchone()
    if found is None:
        raise damaged(db, "it does not say where its journal begins")
    first, last, many = db.execute("SELECT min(seq), max(seq), count(*) FROM journal").fetchone()
    if last is None:
        return int(found[0])
    if first != found[0] + 1 or last - first + 1 != many:
        raise damaged(db, f"its journal has {many} rows from {first} to {last}, and must begin at {found[0] + 1}")
    return int(last)


def check_event(row: tuple[int, float, float, str, str, str, int | None], db: Database) -> None:
    """Raises StoreError if a journal row differs from what the engine wrote."""
    seq, at, now, event, fields, rows, crc = row
    if crc is not None and crc != sums.of_event(seq, at, now, event, fields.encode(), rows.encode()):
        raise damaged(db, f"row {seq} of the journal differs from what the engine wrote")


def full(db: Database) -> list[str]:
    """What the database and the references between rows say, one sentence each. Raises the database's errors."""
    wrong = list(db.examined(OWN))
    for table, column, other, key in (
        ("node_roles", "node", "nodes", "id"),
        ("node_roles", "deployment", "deployments", "name"),
        ("allocations", "node", "nodes", "id"),
    ):
        if column in db.columns(table):
            sql = f"SELECT DISTINCT {column} FROM {table} WHERE {column} NOT IN (SELECT {key} FROM {other}) LIMIT {MOST}"
            wrong += [f"{table}: a row refers to {column} {name}, which does not exist" for (name,) in db.execute(sql)]
    return wrong
