"""PostgreSQL as a store's database (`pip install crowbar-tui[postgres]`; PostgreSQL 15 or newer, UTF-8). psycopg is loaded only for it.

A name is a URI as libpq knows it (https://www.postgresql.org/docs/15/libpq-connect.html#LIBPQ-CONNSTRING), without a password:

    postgresql:///crowbar                                          by the socket of this machine
    postgresql://admin-1,admin-2,admin-3/crowbar?user=crowbar      whichever takes writes
    postgresql:///?service=crowbar                                 pg_service.conf

libpq finds the password in PGPASSFILE, in ~/.pgpass, or in the file that `passfile=` names. All of them must be 0600.

Rules
* "Commit unknown" is a crash: a connection that is lost while a commit waits may have saved it or not. The connection is never made anew,
  so the engine stops with that sentence, and the next start reads what is there.
* A waiting commit is never cancelled: PostgreSQL would report it as committed, though no standby has it. So no statement has a time
  limit, and a dead host shows by its keepalives.
* `synchronous_commit` is at least `on` here, whatever the site's default is. A cluster without `fsync` is refused.
* A leader connects only where writes are taken (`target_session_attrs`).

Traps
* Text in PostgreSQL cannot hold NUL, and strangers may send it. `plain` writes it as MARK and `0`, and MARK itself as MARK and `1`.
* psycopg would send 3.7 as a number, and PostgreSQL would round it into an integer column. All values go as text of unknown type or as
  JSON, so a column refuses what it cannot hold, as SQLite's STRICT tables do.
* `COMMIT` of a failed transaction rolls back and reports success; so an error must reach `transaction`, which sends ROLLBACK.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from . import check, schema
from .database import VERSION, Insert, Rows, Values, quote
from .errors import StoreError
from .file import Promised, promised

if TYPE_CHECKING:
    import psycopg

SCHEMES = ("postgresql://", "postgres://")
DEFAULTS = {
    "application_name": "crowbar",
    "connect_timeout": "10",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
    "target_session_attrs": "read-write",
}
"""Unless the name says otherwise. Seconds, and milliseconds in `tcp_user_timeout`: a host that is gone shows after some 15 s."""
MARK = "\ufdd0"
"""A code point that no text should have (Unicode, noncharacters)."""
_encode = msgspec.json.Encoder().encode
_TYPES = {int: "BIGINT", float: "DOUBLE PRECISION", str: "TEXT"}


def is_name(text: str) -> bool:
    return text.startswith(SCHEMES)


def checked_name(text: str) -> str:
    """A name without a password. Raises StoreError, which does not repeat the text: it may hold the password."""
    try:
        parts = urlsplit(text)
        secret = parts.password is not None or any("password" in key.lower() for key, _ in parse_qsl(parts.query, keep_blank_values=True))
    except ValueError as error:
        raise StoreError("that is no name of a database: write postgresql://HOST/DATABASE, without a password") from error
    if secret:
        raise StoreError(
            "the name of a database must hold no password, because others can read it in the list of processes: put the password into "
            "~/.pgpass or the file that PGPASSFILE names (mode 0600)"
        )
    return text


class PostgresDatabase:
    """`database.Database`."""

    WRITE = "BEGIN"
    READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
    LOST_END = "it lost its end, in a fail-over to a standby that did not have all of it or by an older copy"
    FENCE = "UPDATE engine SET renewed = renewed + 1 WHERE epoch = ? RETURNING epoch"

    def __init__(self, name: str, connection: psycopg.Connection[Any]) -> None:
        import psycopg

        self.path: Path | str = name
        self.errors: tuple[type[Exception], ...] = (psycopg.Error,)
        self.of_the_rows: tuple[type[Exception], ...] = (
            psycopg.DataError,
            psycopg.IntegrityError,
            psycopg.NotSupportedError,
            psycopg.ProgrammingError,
            psycopg.errors.ProgramLimitExceeded,  # a key that is too long for an index
            OverflowError,
            TypeError,
            ValueError,
        )
        self._connection = connection
        self._texts: dict[str, bytes] = {}
        self._sets: dict[Insert, bytes] = {}
        _without_types(connection)

    @property
    def in_transaction(self) -> bool:
        from psycopg.pq import TransactionStatus

        return self._connection.info.transaction_status not in (TransactionStatus.IDLE, TransactionStatus.UNKNOWN)

    def execute(self, sql: str, values: Values = (), /) -> Rows:
        cursor = self._connection.execute(self._text(sql), _hidden(values) if values else None)
        return PostgresRows(cursor.fetchall() if cursor.description is not None else [])

    def executemany(self, sql: str, values: Iterable[Values], /) -> None:
        rows = [_hidden(row) for row in values]
        if rows:
            with self._connection.cursor() as cursor:
                cursor.executemany(self._text(sql), rows)

    def insert(self, what: Insert, rows: Iterable[Values], /) -> None:
        """One statement with all rows as JSON: a third less time than a statement for each, and half of this process's."""
        columns = what.columns
        objects = [dict(zip(columns, map(plain, row), strict=True)) for row in rows]
        if objects:
            self._connection.execute(self._set(what), (_encode(objects).decode(),))

    def _set(self, what: Insert) -> bytes:
        sql = self._sets.get(what)
        if sql is None:
            found = self.execute(
                "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = to_regclass(?) AND attnum > 0",
                (quote(what.table),),
            )
            types = {name: kind for name, kind in found if name in what.columns}
            shape = ", ".join(f"{quote(name)} {types[name]}" for name in what.columns)
            head = f"INSERT INTO {quote(what.table)} ({what.names}) SELECT {what.names} FROM json_to_recordset(%s) AS new({shape})"
            sql = self._sets[what] = f"{head} {what.otherwise}".encode()
        return sql

    def _text(self, sql: str) -> bytes:
        found = self._texts.get(sql)
        if found is None:
            found = self._texts[sql] = sql.replace("%", "%%").replace("?", "%s").encode()
        return found

    def close(self) -> None:
        self._connection.close()

    @property
    def closed(self) -> bool:
        """True if it was closed or lost."""
        return bool(self._connection.closed)

    def sentence(self, error: Exception) -> StoreError:
        state = getattr(error, "sqlstate", None) or ""
        said = " ".join(str(error).split())
        if self._connection.closed:
            return StoreError(
                f"the connection to {self.path} was lost ({said}), and a change under way may be saved or not: start the engine again, and "
                "it goes on from what is there"
            )
        return sentence(self.path, state, said)

    def columns(self, table: str) -> list[str]:
        sql = "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(?) AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
        return [row[0] for row in self.execute(sql, (quote(table),))]

    def version(self) -> int:
        if not self.columns("info"):
            return 0
        found = self.execute("SELECT value FROM info WHERE name = ?", (VERSION,)).fetchone()
        return int(found[0]) if found is not None else 0

    def set_version(self, number: int) -> None:
        self.execute("INSERT INTO info VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (VERSION, number))

    def create(self, table: str, columns: Mapping[str, type], keys: Sequence[str], nullable: set[str]) -> None:
        lines = [f"{quote(name)} {_TYPES[kind]}{'' if name in nullable else ' NOT NULL'}" for name, kind in columns.items()]
        self.execute(f"CREATE TABLE {quote(table)} ({', '.join(lines)}, PRIMARY KEY ({', '.join(map(quote, keys))}))")

    def type_of(self, kind: type) -> str:
        return _TYPES[kind]

    def structure(self, tables: Sequence[str]) -> Iterator[str]:  # noqa: ARG002  it checks pages as it reads them
        yield from ()

    def examined(self, own: set[str]) -> Iterator[str]:
        sql = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
        yield from (f"table {table} does not belong to this program" for (table,) in self.execute(sql) if table not in own)


class PostgresRows:
    """`database.Rows`."""

    def __init__(self, rows: list[Any]) -> None:
        self._rows = rows

    def fetchone(self) -> Any:
        return shown(self._rows[0]) if self._rows else None

    def fetchall(self) -> list[Any]:
        return [shown(row) for row in self._rows]

    def __iter__(self) -> Iterator[Any]:
        return map(shown, self._rows)


def plain(value: Any) -> Any:
    if type(value) is str:
        return value.replace(MARK, MARK + "1").replace("\0", MARK + "0") if "\0" in value or MARK in value else value
    return int(value) if type(value) is bool else value


def _hidden(values: Values) -> Values:
    return [plain(value) for value in values]


def shown(row: Sequence[Any]) -> Sequence[Any]:
    for value in row:
        if type(value) is str and MARK in value:
            return tuple(v.replace(MARK + "0", "\0").replace(MARK + "1", MARK) if type(v) is str else v for v in row)
    return row


def _without_types(connection: psycopg.Connection[Any]) -> None:
    from psycopg.adapt import Dumper
    from psycopg.types.string import StrDumperUnknown

    class Number(Dumper):
        def dump(self, obj: Any) -> bytes:
            if isnan(obj):
                raise ValueError("NaN is no value of a column")
            return repr(obj + 0).encode()  # a boolean is 0 or 1

    for kind in (int, float, bool):
        connection.adapters.register_dumper(kind, Number)
    connection.adapters.register_dumper(str, StrDumperUnknown)


def sentence(name: object, state: str, said: str) -> StoreError:
    """For an error with this SQLSTATE (PostgreSQL's appendix A). Empty: there is no connection; libpq then gives only text."""
    match state[:2], state:
        case _, "42501" | "25006":
            return StoreError(f"this user may not write {name} ({said}): make it the owner of the database")
        case _, "53100":
            return StoreError(f"the disk of {name} is full: free some space, then start again; no confirmed change is lost")
        case "", _:
            return StoreError(
                f"cannot connect to {name} ({said}): check the name, that PostgreSQL runs and takes writes there, and the password in "
                "~/.pgpass or the file that PGPASSFILE names"
            )
        case "XX", _:
            return StoreError(f"{name} is damaged ({said}): put back a copy of the database, or fail over to a standby")
    return StoreError(f"cannot use the store {name} ({said}): put that right, then start again")


def connect(name: str, **settings: str) -> PostgresDatabase:
    """A new connection. Raises StoreError."""
    name = checked_name(name)
    try:
        import psycopg
        from psycopg.conninfo import conninfo_to_dict
    except ImportError as error:
        raise StoreError(f"the store is in {name}, and psycopg is missing ({error}): pip install 'crowbar-tui[postgres]'") from error
    try:
        wanted = {**DEFAULTS, **{key: str(value) for key, value in conninfo_to_dict(name).items()}, "client_encoding": "UTF8", **settings}
        return PostgresDatabase(name, psycopg.connect("", autocommit=True, prepare_threshold=0, **wanted))  # type: ignore[arg-type]
    except psycopg.Error as error:
        raise sentence(name, error.sqlstate or "", " ".join(str(error).split())) from error


def lead(name: str, directory: Path, told: Promised) -> PostgresDatabase:
    """Opens it for the engine that has the folder's lock, checked and migrated. Makes tables in an empty database. Raises StoreError."""
    db = connect(name, target_session_attrs="read-write")
    try:
        with check.telling(db):
            check_fit(db)
            if db.version():
                check.at_start(db, directory, promised(directory))
            else:
                told.write(0)
            schema.migrate(db)
    except BaseException:
        db.close()
        raise
    return db


def read(name: str) -> PostgresDatabase:
    """Opens it read-only. Raises StoreError."""
    db = connect(name)
    try:
        with check.telling(db):
            db.execute("SET default_transaction_read_only = on")
            if not db.version():
                raise StoreError(f"there is no store in {name}: start the engine first, or correct the name")
            schema.check_not_newer(db)
            schema.check_not_older(db)
    except BaseException:
        db.close()
        raise
    return db


def check_fit(db: PostgresDatabase) -> None:
    """Raises StoreError for a cluster that cannot keep a promise."""
    names = ("server_version_num", "server_encoding", "fsync", "synchronous_commit")
    version, encoding, fsync, synchronous = (db.execute("SELECT current_setting(?)", (name,)).fetchone()[0] for name in names)
    if int(version) < 150000:
        raise StoreError(f"{db.path} is PostgreSQL {int(version) // 10000}, and a store needs 15 or newer: use a newer cluster")
    if encoding != "UTF8":
        raise StoreError(f"{db.path} has the encoding {encoding}: create the database with --encoding=UTF8 --template=template0")
    if fsync != "on":
        raise StoreError(f"{db.path} runs without fsync, so a power loss would lose what was promised: set fsync = on")
    if synchronous in ("off", "local"):
        db.execute("SET synchronous_commit = on")
