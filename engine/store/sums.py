"""Checksums of rows. SQLite cannot see a bit that flips inside a row's text.

SQLite has checksums only in its write-ahead log. `PRAGMA quick_check` checks the structure of pages and types. A flipped bit in a name
or in JSON passes both, and the engine would continue with another world.

Decision: CRC-32 (zlib's, IEEE 802.3) in a column `crc` of each table, the journal and its base.
* For a record, the JSON that the journal gets anyway is summed, so a commit pays one more column and `crc32` (half a microsecond per
  kilobyte). With the check of the log and the note of the promise, a commit takes some 20 us of processor more, and some 8 us more per
  event. One fdatasync of a disk takes 100 to 4,000.
* A NULL column has no sum: an older version of this program wrote the row, or a migration changed it. The row is accepted, and gets its
  sum when the engine next loads the store.
* A different sum is not always damage: the same record may come back from its columns with other JSON (5 and 5.0). `Store.load` then
  asks the journal, which must have the same record.
* CRC-32 finds each error of up to 3 bits and each burst of up to 32 bits in rows of this size. It stops no attacker: whoever may write
  the file may write the sum.

Not chosen: one sum per table, which would also find a row that is missing completely (it needs the row's old value at each change), and
SQLite's `cksumvfs` (a page has its sum, but it is an extension that systems do not ship).
"""

from __future__ import annotations

from struct import Struct
from zlib import crc32

CRC = "crc"
"""The column's name."""


_HEAD = Struct("<qdd").pack


def seed(table: str) -> int:
    """Prefix of the sums of a table, so that a row of one table is not valid in another."""
    return crc32(table.encode())


def of_event(seq: int, at: float, now: float, event: str, fields: bytes, rows: bytes) -> int:
    """Sum of a journal row. `at` and `now` as they come back from a REAL column: floats."""
    return crc32(b"".join((_HEAD(seq, at, now), event.encode(), fields, rows)))


def of_base(table: str, key: bytes, row: bytes) -> int:
    """Of a row of the journal's base, key and record in JSON."""
    return crc32(row, crc32(key, seed(table)))
