"""The tables of a store, and how records become rows: all derived from `model.TABLES` and `model.KEYS`.

Rules
* One column per field: text, numbers and enum values as they are, everything else (structs, tuples, maps, JSON) as JSON text; None is
  NULL. Tables are STRICT, and columns NOT NULL if the field cannot be None, so a wrong value is refused when it is written.
* A record that gains a field with a default needs no migration: `reconcile` adds the column. Any other change of a record needs a
  function in MIGRATIONS.
* A record that loses a field needs a migration too: the left-over column is refused, because its NOT NULL would fail later, in the
  middle of a run.

* Each row has a sum (`sums`). A migration that changes rows of a table sets their `crc` to NULL.

Traps: SQLite knows no booleans (they come back as 0 and 1), and turns NaN into NULL. A fresh database has version 0, so making all tables
is the first migration.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any, NamedTuple
from zlib import crc32

import msgspec
from msgspec import inspect, structs

from ..definitions import Json
from ..model import KEYS, TABLES, Row
from .database import Database, Insert, Values, insert, transaction
from .database import quote as _quote
from .errors import StoreError
from .sums import CRC, seed

Key = Hashable
Change = tuple[str, Key, Row | None]
"""Table, key and record; None: the row is deleted."""
Tables = dict[str, dict[Key, Row]]
Encode = Callable[[Any], Any]

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
ONE = "one"
"""Key column of a table that has no key fields (`meta`): its only row is number 1."""


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
        self.upsert = insert(table, names, key_columns)
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

    def rows(self, db: Database, odd: list[Odd] | None = None) -> Iterator[tuple[Hashable, Row]]:
        """All records of the table, strictly decoded. Adds those without their sum to `odd`. A missing column (a store opened
        read-only before an engine of this version reconciled it) leaves the field at its default. Raises msgspec.MsgspecError,
        the database's errors."""
        there = set(db.columns(self.table))
        columns = [c for c in self.columns if c.name in there]
        names = [c.name for c in columns]
        decoders = [(c.name, c.decode) for c in columns if c.decode is not None]
        start = self.seed
        summed = CRC if CRC in there else "NULL"
        for *values, crc in db.execute(f"SELECT {', '.join(map(_quote, names))}, {summed} FROM {_quote(self.table)}"):
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


# -- migrations ---------------------------------------------------------------------------------------------------
# Each runs in one transaction with the step of the version, and on both databases.


def _create_all(db: Database) -> None:
    for codec in CODECS.values():
        _create_table(db, codec)
    journal = {"seq": int, "at": float, "now": float, "event": str, "fields": str, "rows": str}
    db.create("journal", journal, ("seq",), set())
    # State before the oldest row of the journal: what `prune` folded.
    db.create("journal_base", {"of": str, "key": str, "row": str}, ("of", "key"), set())
    db.create("info", {"name": str, "value": int}, ("name",), set())
    db.execute("INSERT INTO info VALUES ('folded', 0)")


def _create_table(db: Database, codec: Codec) -> None:
    columns: dict[str, type] = {c.name: c.type for c in codec.columns}
    if not codec.keys:
        columns[ONE] = int
    db.create(codec.table, columns, codec.keys or (ONE,), {c.name for c in codec.columns if c.nullable})


def _add_sum(db: Database, table: str) -> None:
    db.execute(f"ALTER TABLE {_quote(table)} ADD COLUMN {CRC} {db.type_of(int)}")


def _add_sums(db: Database) -> None:
    for table in (*CODECS, "journal", "journal_base"):
        if db.columns(table):  # not one that came with a later version
            _add_sum(db, table)


def _add_tables(db: Database) -> None:
    """Tables that came after the first version (`proposals`, then `watches`)."""
    for codec in CODECS.values():
        if not db.columns(codec.table):
            _create_table(db, codec)
            _add_sum(db, codec.table)


def _add_engine(db: Database) -> None:
    """The fence (`database`)."""
    db.create("engine", {ONE: int, "epoch": int, "holder": str, "renewed": int}, (ONE,), set())
    db.execute("INSERT INTO engine VALUES (1, 0, '', 0)")


MIGRATIONS: list[Callable[[Database], None]] = [_create_all, _add_sums, _add_tables, _add_tables, _add_engine]
"""Number n takes a store from version n to n + 1."""


def migrate(db: Database) -> None:
    """Migrates the store to this program's version. Raises StoreError for a newer store, and the database's errors. A failed migration
    leaves the store as it was before it."""
    check_not_newer(db)
    for number in range(db.version(), len(MIGRATIONS)):
        with transaction(db):
            MIGRATIONS[number](db)
            db.set_version(number + 1)
    reconcile(db)


def check_not_newer(db: Database) -> None:
    found = db.version()
    if found > len(MIGRATIONS):
        raise StoreError(
            f"the store has version {found}, and this program knows versions up to {len(MIGRATIONS)}: use the newer program, or "
            "give --store another directory"
        )


def check_not_older(db: Database) -> None:
    if db.version() < len(MIGRATIONS):
        raise StoreError(f"an older version of this program wrote {db.path}: start the engine on it once")


def reconcile(db: Database) -> None:
    """Adds the columns of new fields with a default. Raises StoreError if a migration is missing."""
    for codec in CODECS.values():
        there = set(db.columns(codec.table)) - ({ONE, CRC} if not codec.keys else {CRC})
        for column in codec.columns:
            if column.name in there:
                continue
            if column.default is msgspec.NODEFAULT:
                raise _other_version(codec.table, column.name)
            with transaction(db):
                _add_column(db, codec.table, column)
                db.execute(f"UPDATE {_quote(codec.table)} SET {CRC} = NULL")
        surplus = there - {c.name for c in codec.columns}
        if surplus:
            raise _other_version(codec.table, min(surplus))


def _add_column(db: Database, table: str, column: Column) -> None:
    value = column.to_sql(column.default)
    clause = "" if column.nullable else " NOT NULL"
    if value is not None:
        text = "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value + 0)  # a boolean is 0 or 1
        clause += f" DEFAULT {text}"
    db.execute(f"ALTER TABLE {_quote(table)} ADD COLUMN {_quote(column.name)} {db.type_of(column.type)}{clause}")


def _other_version(table: str, column: str) -> StoreError:
    return StoreError(
        f"the store was written by another version of this program (column {table}.{column}): use that version, or "
        "give --store another directory"
    )


def statements(pending: dict[str, dict[Key, tuple[Row, bytes] | None]]) -> list[tuple[str | Insert, Sequence[Values]]]:
    """SQL and values for each table's deleted and changed rows. The bytes are the record's JSON."""
    out: list[tuple[str | Insert, Sequence[Values]]] = []
    for table, rows in pending.items():
        codec = CODECS[table]
        kept = codec.to_rows([row for row in rows.values() if row is not None])
        gone = [codec.to_key_row(key) for key, row in rows.items() if row is None] if len(kept) < len(rows) else ()
        if gone:
            out.append((codec.delete, gone))
        if kept:
            out.append((codec.upsert, kept))
    return out
