"""The journal in the store: a row for each event and its changes, and the base that replaces the deleted rows.

Base plus journal equal the tables at any time: `replayed` makes them, `verify` compares. Every row must have its original sum when it is
read (`sums`); otherwise it is damaged.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct

from ..definitions import Json
from ..last_values import same_but_last
from . import check, sums
from .database import Database, insert
from .schema import CODECS, Change, Tables

BASE = insert("journal_base", ("of", "key", "row", sums.CRC), ("of", "key"))

_rows_decoder = msgspec.json.Decoder(list[tuple[str, Any, dict[str, Any] | None]])
_raw_rows_decoder = msgspec.json.Decoder(list[tuple[str, msgspec.Raw, msgspec.Raw]])
_fields_decoder = msgspec.json.Decoder(dict[str, Any])


class JournalRow(Struct, frozen=True, kw_only=True, gc=False):
    """One event and its changes. `fields` is the event as JSON (its class in `type`), `rows` a list of [table, key, row or None],
    both as plain data; `changes` returns records."""

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


def journal_row(row: Any, db: Database) -> JournalRow:
    """A row that was read as `check.EVENTS`. Raises StoreError."""
    check.check_event(row, db)
    seq, at, now, event, fields, rows, _ = row
    return JournalRow(seq=seq, at=at, now=now, event=event, fields=_fields_decoder.decode(fields), rows=_rows_decoder.decode(rows))


def following(rows: Iterable[Any], db: Database) -> list[JournalRow]:
    """Rows read in order. Raises StoreError if one does not follow the previous one."""
    out: list[JournalRow] = []
    for row in rows:
        if out and row[0] != out[-1].seq + 1:
            raise check.damaged(db, f"row {out[-1].seq} of the journal is followed by {row[0]}")
        out.append(journal_row(row, db))
    return out


def base(db: Database) -> Tables:
    """The records before the oldest row. Raises StoreError, and the errors of `check.telling`."""
    out: Tables = {table: {} for table in CODECS}
    for table, key, row, crc in db.execute('SELECT "of", "key", "row", crc FROM journal_base'):
        if crc is not None and crc != sums.of_base(table, key.encode(), row.encode()):
            raise check.damaged(db, f"the journal's base of {table} {key} differs from what the engine wrote")
        codec = CODECS[table]
        out[table][codec.key_from_json(msgspec.json.decode(key))] = codec.from_json(msgspec.json.decode(row))
    return out


def replayed(db: Database) -> tuple[Tables, list[str]]:
    """The tables from base and journal, and what is wrong with the journal's order. Raises as `base`."""
    wrong = []
    (folded,) = db.execute("SELECT value FROM info WHERE name = 'folded'").fetchone()
    made = base(db)
    expected = folded + 1
    now = 0.0
    for row in db.execute(f"SELECT {check.EVENTS} FROM journal ORDER BY seq"):
        if row[0] != expected:
            wrong.append(f"journal: seq {expected} is followed by {row[0]}")
        if row[2] < now:
            wrong.append(f"journal: engine time goes back at seq {row[0]}")
        expected, now = row[0] + 1, row[2]
        for table, key, record in journal_row(row, db).changes():
            if record is None:
                made[table].pop(key, None)
            else:
                made[table][key] = record
    return made, wrong


def verify(db: Database) -> list[str]:
    """One sentence for each row in which tables and journal differ. Raises as `base`."""
    made, wrong = replayed(db)
    for table, codec in CODECS.items():
        there = dict(codec.rows(db))
        for key in sorted(there.keys() | made[table].keys(), key=repr):
            if not same_but_last(table, there.get(key), made[table].get(key)):
                wrong.append(f"{table} {key!r}: the table has {there.get(key)}, the journal {made[table].get(key)}")
    return wrong


def fold(db: Database, many: int) -> None:
    """Folds the oldest rows into the base, within the caller's transaction. Raises as `base`."""
    folded: dict[tuple[str, str], str | None] = {}
    oldest = db.execute(f"SELECT {check.EVENTS} FROM journal ORDER BY seq LIMIT ?", (many,)).fetchall()
    last = oldest[-1][0]
    for event in oldest:
        check.check_event(event, db)
        for table, key, row in _raw_rows_decoder.decode(event[5]):
            text = bytes(row).decode()
            folded[(table, bytes(key).decode())] = None if text == "null" else text
    gone = [key for key, row in folded.items() if row is None]
    db.executemany('DELETE FROM journal_base WHERE "of" = ? AND "key" = ?', gone)
    db.insert(
        BASE,
        [(*key, row, sums.of_base(key[0], key[1].encode(), row.encode())) for key, row in folded.items() if row is not None],
    )
    db.execute("DELETE FROM journal WHERE seq <= ?", (last,))
    db.execute("UPDATE info SET value = ? WHERE name = 'folded'", (last,))
