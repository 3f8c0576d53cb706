"""The tables of a store, and how records become rows: all derived from `model.TABLES` and `model.KEYS`.

Rules
* One column per field: text, numbers and enum values as they are, everything else (structs, tuples, maps, JSON) as JSON text; None is
  NULL. Tables are STRICT, and columns NOT NULL if the field cannot be None, so a wrong value is refused when it is written.
* A record that gains a field with a default needs no migration: `reconcile` adds the column. Any other change of a record needs a
  function in MIGRATIONS.
* A record that loses a field needs a migration too: the left-over column is refused, because its NOT NULL would fail later, in the
  middle of a run.

* Each row has a sum (`sums`). A migration that changes rows of a table sets their `crc` to NULL.

Traps: SQLite knows no booleans (they come back as 0 and 1), and turns NaN into NULL. A fresh file has user_version 0, so making all
tables is the first migration.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple
from zlib import crc32

import msgspec
from msgspec import inspect, structs

from ..definitions import Json
from ..model import KEYS, TABLES, Row
from .errors import StoreError
from .sums import CRC, seed

if TYPE_CHECKING:
    import sqlite_utils

Key = Hashable
Change = tuple[str, Key, Row | None]
"""Table, key and record; None: the row is deleted."""
Tables = dict[str, dict[Key, Row]]
Values = Sequence[Any]
Encode = Callable[[Any], Any]

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
ONE = "one"
"""Key column of a table that has no key fields (`meta`): its only row is number 1."""


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _no_key(_record: Row) -> Hashable:
    return ()


def to_json(value: Any) -> str:
    """JSON text. Raises TypeError, ValueError (lone surrogates) for what JSON cannot hold."""
    return _encode(value).decode()


def _enum_value(value: Any) -> Any:
    return value.value


class Column:
    """How one field is stored: SQL type, NULL or not, and the two conversions (None: unchanged)."""

    __slots__ = ("decode", "default", "encode", "name", "nullable", "sql", "type", "usual", "usual_text")

    def __init__(self, field: inspect.Field) -> None:
        self.name = field.encode_name
        kinds = field.type.types if isinstance(field.type, inspect.UnionType) else (field.type,)
        self.nullable = any(isinstance(k, (inspect.NoneType, inspect.AnyType)) for k in kinds)
        rest = [k for k in kinds if not isinstance(k, inspect.NoneType)]
        self.encode: Encode | None = None
        self.decode: Encode | None = None
        self.type: type = str
        match rest:
            case [inspect.StrType()]:
                pass
            case [inspect.BoolType()]:
                self.type, self.decode = int, bool
            case [inspect.IntType()]:
                self.type = int
            case [inspect.FloatType()]:
                self.type = float
            case [inspect.LiteralType(values=values)] if all(isinstance(v, str) for v in values):
                pass
            case [inspect.EnumType(cls=cls)] if all(isinstance(m.value, str) for m in cls):
                self.encode = _enum_value
            case _:
                self.encode, self.decode = to_json, _decode
        self.default: Any = msgspec.NODEFAULT
        self.usual: Any = field.default
        """Most fields of most records hold this very object, whose text is known."""
        self.usual_text = None if self.usual is msgspec.NODEFAULT else self.to_sql(self.usual)
        if field.default is not msgspec.NODEFAULT:
            self.default = field.default
        elif field.default_factory is not msgspec.NODEFAULT:
            self.default = field.default_factory()

    def to_sql(self, value: Any) -> Any:
        return self.encode(value) if self.encode is not None and value is not None else value


class Odd(NamedTuple):
    """A record with a wrong sum, or without one."""

    table: str
    key: Hashable
    record: Row
    summed: bool


class Codec:
    """Rows of one table and records of one type. Keys are those of the world's maps (`model.KEYS`). The one row of a table without
    key fields has the key ()."""

    def __init__(self, table: str, record: type[Row], keys: tuple[str, ...]) -> None:
        self.table = table
        self.record = record
        self.keys = keys
        info = inspect.type_info(record)
        assert isinstance(info, inspect.StructType)
        self._key: Callable[[Row], Hashable] = attrgetter(*keys) if keys else _no_key
        self.columns = tuple(Column(f) for f in info.fields)
        self.seed = seed(table)
        self._enums = tuple(i for i, c in enumerate(self.columns) if c.encode is _enum_value)
        self._texts = tuple((i, c.usual, c.usual_text) for i, c in enumerate(self.columns) if c.encode is to_json)
        names = [c.name for c in self.columns]
        key_columns = keys or (ONE,)
        if not keys:
            names.append(ONE)
        names.append(CRC)
        places = ", ".join("?" * len(names))
        set_ = ", ".join(f"{_quote(n)} = excluded.{_quote(n)}" for n in names if n not in key_columns)
        # `ON CONFLICT DO UPDATE` keeps the row and its index entry; REPLACE would delete and insert both.
        self.upsert = (
            f"INSERT INTO {_quote(table)} ({', '.join(map(_quote, names))}) VALUES ({places}) "
            f"ON CONFLICT ({', '.join(map(_quote, key_columns))}) DO UPDATE SET {set_}"
        )
        self.seal = f"UPDATE {_quote(table)} SET {CRC} = ? WHERE " + " AND ".join(f"{_quote(k)} = ?" for k in key_columns)
        self.delete = f"DELETE FROM {_quote(table)} WHERE " + " AND ".join(f"{_quote(k)} = ?" for k in key_columns)

    def sum_of(self, text: bytes) -> int:
        """The sum of a record, of its JSON."""
        return crc32(text, self.seed)

    def to_rows(self, records: Iterable[tuple[Row, bytes]]) -> list[Values]:
        """Values for `upsert`, of records and their JSON. Raises TypeError or ValueError for what JSON cannot hold."""
        out: list[Values] = []
        enums, texts, one, start = self._enums, self._texts, () if self.keys else (1,), self.seed
        for record, text in records:
            values: list[Any] = [*structs.astuple(record), *one, crc32(text, start)]
            for i in enums:
                if values[i] is not None:
                    values[i] = values[i]._value_  # what `value` gives, without its descriptor
            for i, usual, usual_text in texts:
                value = values[i]
                if value is usual:
                    values[i] = usual_text
                elif value is not None:
                    values[i] = _encode(value).decode()
            out.append(values)
        return out

    def to_key_row(self, key: Hashable) -> Values:
        """Values for `delete`."""
        if not self.keys:
            return (1,)
        return key if isinstance(key, tuple) else (key,)

    def key_of(self, record: Row) -> Hashable:
        return self._key(record)

    def key_from_json(self, key: Json) -> Hashable:
        if not self.keys:
            return ()
        return tuple(key) if len(self.keys) > 1 else key

    def from_json(self, row: Json) -> Row:
        """The record of a journal row. Raises msgspec.ValidationError."""
        return msgspec.convert(row, self.record)

    def rows(self, conn: sqlite3.Connection, odd: list[Odd] | None = None) -> Iterator[tuple[Hashable, Row]]:
        """All records of the table, strictly decoded. Adds those without their sum to `odd`. A missing column (a store opened
        read-only before an engine of this version reconciled it) leaves the field at its default. Raises msgspec.MsgspecError,
        sqlite3.Error."""
        there = set(column_names(conn, self.table))
        columns = [c for c in self.columns if c.name in there]
        names = [c.name for c in columns]
        decoders = [(c.name, c.decode) for c in columns if c.decode is not None]
        start = self.seed
        summed = CRC if CRC in there else "NULL"
        for *values, crc in conn.execute(f"SELECT {', '.join(map(_quote, names))}, {summed} FROM {_quote(self.table)}"):
            fields = dict(zip(names, values, strict=True))
            for name, decode in decoders:
                value = fields[name]
                if value is not None:
                    fields[name] = decode(value)
            record = msgspec.convert(fields, self.record)
            key = self._key(record)
            if odd is not None and crc != crc32(_encode(record), start):
                odd.append(Odd(self.table, key, record, crc is not None))
            yield key, record


CODECS: dict[str, Codec] = {table: Codec(table, record, KEYS[table]) for table, record in TABLES.items()}


def column_names(conn: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in conn.execute(f"PRAGMA table_info({_quote(table)})")]


# -- migrations ---------------------------------------------------------------------------------------------------
# Each runs in one transaction with the step of user_version. They use sqlite-utils for the SQL alone, because its
# own methods commit where they see fit.


def _create(db: sqlite_utils.Database, table: str, columns: dict[str, Any], pk: Any, nullable: set[str]) -> None:
    not_null = set(columns) - nullable
    db.conn.execute(db.create_table_sql(table, columns, pk=pk, not_null=not_null, strict=db.supports_strict))


def _create_all(db: sqlite_utils.Database) -> None:
    for codec in CODECS.values():
        _create_table(db, codec)
    journal = {"seq": int, "at": float, "now": float, "event": str, "fields": str, "rows": str}
    _create(db, "journal", journal, "seq", set())
    # State before the oldest row of the journal: what `prune` folded.
    _create(db, "journal_base", {"of": str, "key": str, "row": str}, ("of", "key"), set())
    _create(db, "info", {"name": str, "value": int}, "name", set())
    db.conn.execute("INSERT INTO info VALUES ('folded', 0)")


def _create_table(db: sqlite_utils.Database, codec: Codec) -> None:
    columns: dict[str, Any] = {c.name: c.type for c in codec.columns}
    if not codec.keys:
        columns[ONE] = int
    pk = codec.keys if len(codec.keys) > 1 else (codec.keys or (ONE,))[0]
    _create(db, codec.table, columns, pk, {c.name for c in codec.columns if c.nullable})


def _add_sums(db: sqlite_utils.Database) -> None:
    for table in (*CODECS, "journal", "journal_base"):
        if column_names(db.conn, table):  # not one that came with a later version
            db.conn.execute(f"ALTER TABLE {_quote(table)} ADD COLUMN {CRC} INTEGER")


def _add_tables(db: sqlite_utils.Database) -> None:
    """Tables that came after the first version (`proposals`, then `watches`)."""
    for codec in CODECS.values():
        if not column_names(db.conn, codec.table):
            _create_table(db, codec)
            db.conn.execute(f"ALTER TABLE {_quote(codec.table)} ADD COLUMN {CRC} INTEGER")


MIGRATIONS: list[Callable[[sqlite_utils.Database], None]] = [_create_all, _add_sums, _add_tables, _add_tables]
"""Number n takes a store from user_version n to n + 1."""


def version(conn: sqlite3.Connection) -> int:
    return int(conn.execute("PRAGMA user_version").fetchone()[0])


def migrate(conn: sqlite3.Connection) -> None:
    """Migrates the store to this program's version. Raises StoreError for a newer store, sqlite3.Error. A failed migration leaves
    the store as it was before it."""
    check_not_newer(conn)
    import sqlite_utils  # 60 ms, which a console that only reads does not need

    db = sqlite_utils.Database(conn, execute_plugins=False)
    for number in range(version(conn), len(MIGRATIONS)):
        with transaction(conn):
            MIGRATIONS[number](db)
            conn.execute(f"PRAGMA user_version = {number + 1}")
    reconcile(conn)


def check_not_newer(conn: sqlite3.Connection) -> None:
    found = version(conn)
    if found > len(MIGRATIONS):
        raise StoreError(
            f"the store has version {found}, and this program knows versions up to {len(MIGRATIONS)}: use the newer program, or "
            "give --store another directory"
        )


def reconcile(conn: sqlite3.Connection) -> None:
    """Adds the columns of new fields with a default. Raises StoreError if a migration is missing."""
    for codec in CODECS.values():
        there = set(column_names(conn, codec.table)) - ({ONE, CRC} if not codec.keys else {CRC})
        for column in codec.columns:
            if column.name in there:
                continue
            if column.default is msgspec.NODEFAULT:
                raise _other_version(codec.table, column.name)
            with transaction(conn):
                _add_column(conn, codec.table, column)
                conn.execute(f"UPDATE {_quote(codec.table)} SET {CRC} = NULL")
        surplus = there - {c.name for c in codec.columns}
        if surplus:
            raise _other_version(codec.table, min(surplus))


def _add_column(conn: sqlite3.Connection, table: str, column: Column) -> None:
    sql = {int: "INTEGER", float: "REAL", str: "TEXT"}[column.type]
    value = column.to_sql(column.default)
    clause = ""
    if value is not None:
        clause = f" DEFAULT {conn.execute('SELECT quote(?)', (value,)).fetchone()[0]}"
    if not column.nullable:
        clause = " NOT NULL" + clause
    conn.execute(f"ALTER TABLE {_quote(table)} ADD COLUMN {_quote(column.name)} {sql}{clause}")


def _other_version(table: str, column: str) -> StoreError:
    return StoreError(
        f"the store was written by another version of this program (column {table}.{column}): use that version, or "
        "give --store another directory"
    )


class transaction:
    """`with transaction(conn):` one write transaction on a connection in autocommit mode. It is undone completely if anything is
    raised, including an error of COMMIT itself (a full disk shows there)."""

    __slots__ = ("conn",)

    def __init__(self, conn: sqlite3.Connection) -> None:
        self.conn = conn

    def __enter__(self) -> None:
        self.conn.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            try:
                self.conn.execute("COMMIT")
                return
            except BaseException:
                self._rollback()
                raise
        self._rollback()

    def _rollback(self) -> None:
        # After SQLITE_FULL or an I/O error SQLite has often undone it by itself already.
        if self.conn.in_transaction:
            self.conn.execute("ROLLBACK")


def statements(pending: dict[str, dict[Key, tuple[Row, bytes] | None]]) -> list[tuple[str, Sequence[Values]]]:
    """SQL and values for each table's deleted and changed rows. The bytes are the record's JSON."""
    out: list[tuple[str, Sequence[Values]]] = []
    for table, rows in pending.items():
        codec = CODECS[table]
        kept = codec.to_rows([row for row in rows.values() if row is not None])
        gone = [codec.to_key_row(key) for key, row in rows.items() if row is None] if len(kept) < len(rows) else ()
        if gone:
            out.append((codec.delete, gone))
        if kept:
            out.append((codec.upsert, kept))
    return out
