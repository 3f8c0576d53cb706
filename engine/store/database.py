"""What a store needs of the database under it. SQLite (`sqlite`) and PostgreSQL (`postgres`) stand behind it. The SQL above is the same.

Both know `INSERT ... ON CONFLICT DO UPDATE SET x = excluded.x` and `RETURNING`, both change tables within transactions, and both refuse a
value of another type than its column's. What differs is here: how a transaction begins, the names of types, the version's place, and
errors.

The fence
* The one row of the table `engine` says which engine may write: `epoch`, its `holder`, and `renewed`, a count of its commits.
* An engine that opens the store as leader adds 1 to the epoch. Each of its transactions begins with FENCE, which finds the row only while
  the epoch is still its own. If it finds none, the engine is deposed, and nothing of the transaction is recorded.
* In SQLite a write transaction is the only one, so FENCE reads. In PostgreSQL FENCE changes the row, so that a take-over waits for
  the commit under way, and a commit that comes after it finds another epoch. To read there would be wrong: both could commit.
* No lock that belongs to a session and no clock is part of it.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from .errors import Deposed, StoreError

Values = Sequence[Any]
VERSION = "version"


class Rows(Protocol):
    """What a statement returned: rows as tuples."""

    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...
    def __iter__(self) -> Iterator[Any]: ...


class Insert(NamedTuple):
    """Rows of a table, each with all of its columns. `otherwise`: ON CONFLICT and what then."""

    table: str
    columns: tuple[str, ...]
    otherwise: str

    @property
    def names(self) -> str:
        return ", ".join(map(quote, self.columns))

    def sql(self) -> str:
        return f"INSERT INTO {quote(self.table)} ({self.names}) VALUES ({', '.join('?' * len(self.columns))}) {self.otherwise}"


def insert(table: str, columns: Sequence[str], keys: Sequence[str] = ()) -> Insert:
    """A row whose `keys` are there changes that row. Without `keys` it is an error."""
    if not keys:
        return Insert(table, tuple(columns), "")
    changes = ", ".join(f"{quote(name)} = excluded.{quote(name)}" for name in columns if name not in keys)
    # DO UPDATE keeps the row and its index entry; REPLACE would delete and insert both.
    return Insert(table, tuple(columns), f"ON CONFLICT ({', '.join(map(quote, keys))}) DO UPDATE SET {changes}")


class Database(Protocol):
    """An open database, in autocommit mode. Statements have `?` for values. Raises one of `errors`."""

    path: Path | str
    """What sentences call it: the file, or the name of the database."""
    errors: tuple[type[Exception], ...]
    of_the_rows: tuple[type[Exception], ...]
    """Those that a value raises which no column can hold. Asked first."""
    WRITE: str
    READ: str
    """Statements that begin a transaction. All reads in one are of one moment."""
    LOST_END: str
    """What happened if it ends before the last promised change."""
    FENCE: str
    """Returns a row only if the epoch is this one. The first statement of a leader's transaction."""

    @property
    def in_transaction(self) -> bool: ...
    def execute(self, sql: str, values: Values = (), /) -> Rows: ...
    def executemany(self, sql: str, values: Iterable[Values], /) -> object: ...
    def insert(self, what: Insert, rows: Iterable[Values], /) -> object:
        """Many rows at once. No two of them have the same key."""

    def close(self) -> None: ...

    def sentence(self, error: Exception) -> StoreError: ...
    def columns(self, table: str) -> list[str]:
        """Of a table, in order. Empty: there is no such table."""

    def version(self) -> int:
        """Number of migrations that it has had. 0: it holds no store."""

    def set_version(self, number: int) -> None: ...
    def create(self, table: str, columns: Mapping[str, type], keys: Sequence[str], nullable: set[str]) -> None: ...
    def type_of(self, kind: type) -> str: ...
    def structure(self, tables: Sequence[str]) -> Iterator[str]:
        """What it finds wrong with itself, quickly, for a start: these tables wholly, the others in their structure."""

    def examined(self, own: set[str]) -> Iterator[str]:
        """The same with everything it can check, and tables that are not the store's own."""


def quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


class transaction:
    """`with transaction(db, epoch):` one write transaction, behind the fence of this epoch (None: without one). It is undone completely
    if anything is raised, including an error of COMMIT itself (a full disk shows there). Raises Deposed."""

    __slots__ = ("db", "epoch")

    def __init__(self, db: Database, epoch: int | None = None) -> None:
        self.db = db
        self.epoch = epoch

    def __enter__(self) -> None:
        self.db.execute(self.db.WRITE)
        if self.epoch is not None:
            try:
                if self.db.execute(self.db.FENCE, (self.epoch,)).fetchone() is None:
                    raise deposed(self.db, self.epoch)
            except BaseException:
                self._rollback()
                raise

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            try:
                self.db.execute("COMMIT")
                return
            except BaseException:
                self._rollback()
                raise
        self._rollback()

    def _rollback(self) -> None:
        # After SQLITE_FULL or an I/O error SQLite has often undone it by itself already; a lost connection has none.
        if self.db.in_transaction:
            self.db.execute("ROLLBACK")


def take_over(db: Database, name: str = "", expects: tuple[int, int] | None = None) -> int:
    """Makes this process the one that may write. Returns its epoch. `name`: of its engine (default: the host's). `expects`: epoch and
    `renewed` that a standby saw; it raises Deposed if they have changed, because the leader lives or another standby was first."""
    holder = f"{name or platform.node()}, pid {os.getpid()}"
    where = "WHERE epoch = ? AND renewed = ? " if expects is not None else ""
    with transaction(db):
        sql = f"UPDATE engine SET epoch = epoch + 1, renewed = 0, holder = ? {where}RETURNING epoch"
        found = db.execute(sql, (holder, *(expects or ()))).fetchone()
        if found is None:
            raise Deposed(f"another engine leads {db.path} by now, so this one follows")
        return int(found[0])


def still_leads(db: Database, epoch: int) -> None:
    """For what leaves without a commit. Raises Deposed."""
    (now,) = db.execute("SELECT epoch FROM engine").fetchone()
    if now != epoch:
        raise deposed(db, epoch)


def deposed(db: Database, epoch: int) -> Deposed:
    now, holder = db.execute("SELECT epoch, holder FROM engine").fetchone()
    return Deposed(
        f"another engine ({holder}) has taken {db.path} over (epoch {now}, this engine has {epoch}), so this one stops and orders nothing "
        "more: use that engine, or stop it before you start this one again"
    )
