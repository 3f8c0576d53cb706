"""A whole journal as a file of JSON lines, for a look back on another machine (`crowbar events --export FILE`, `crowbar look-back
FILE`).

    {"type": "journal", "version": 1, "program": ..., "installation": ..., "first": ..., "last": ..., "at": ...}
    {"type": "barclamps", "catalog": ...}                        the barclamps there: they explain why something waited
    {"type": "base", "table": ..., "key": ..., "row": ...}      each record that existed before the first row
    {"type": "row", "seq": ..., "at": ..., "now": ..., "event": ..., "fields": ..., "rows": ...}
    {"type": "end", "base": ..., "rows": ..., "sha256": ...}    of all bytes before this line

Rules
* A row has the content of the store's own row, redacted once more. The journal holds no secret by design; in addition, every text under
  a name of a secret becomes `(redacted)`. Names of sealed secrets and references to their sources stay.
* A file is written under a temporary name and renamed when it is complete, mode 0600. An existing file is not overwritten. `.gz` is
  compressed.
* Reading is bounded and typed: number and length of lines, their order without a gap, completeness (by `end`). Rows stay in the file;
  only their positions are kept in memory. A compressed file is unpacked to a temporary one, bounded too.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import re
import shutil
import tempfile
import zlib
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec
from msgspec import Struct

from ..definitions import Catalog, Json
from .errors import StoreError
from .schema import CODECS
from .store import JournalRow, Store, Tables

VERSION = 1
LINE_MAX = 64 * 1024 * 1024
"""Bytes of a line: a commit that binds ten thousand roles is one row."""
ROWS_MAX = 2_000_000
FILE_MAX = 16 * 1024**3
PACKED = 200
"""A packed journal unpacks to at most so many times its size: journals come to 5 to 30 times, and a file of zeros to a thousand."""
SMALL = 64 * 1024 * 1024
"""Octets up to which that is not looked at."""
ROOM = 256 * 1024 * 1024
"""Octets that unpacking leaves free in the folder for temporary files."""
PIECE = 1000
REDACTED = "(redacted)"
_SECRET = re.compile(r"(^|[-_ ])(passw(or)?d|passphrase|secret|token|private[-_]?key|community|credential)s?($|[-_ ])", re.IGNORECASE)


class Head(Struct, frozen=True, kw_only=True, tag="journal"):
    version: int
    program: str
    installation: str
    first: int
    """Sequence number of the first row. `last` + 1 if there is none."""
    last: int
    at: float
    """Time of the export."""


class Barclamps(Struct, frozen=True, kw_only=True, tag="barclamps"):
    catalog: msgspec.Raw


class Base(Struct, frozen=True, kw_only=True, tag="base"):
    table: str
    key: Json
    row: dict[str, Json]


class Line(Struct, frozen=True, kw_only=True, tag="row"):
    seq: int
    at: float
    now: float
    event: str
    fields: dict[str, Json]
    rows: list[tuple[str, Json, dict[str, Json] | None]]


class End(Struct, frozen=True, kw_only=True, tag="end"):
    base: int
    rows: int
    sha256: str


_encode = msgspec.json.Encoder().encode
_line = msgspec.json.Decoder(Head | Barclamps | Base | Line | End)
_row = msgspec.json.Decoder(Line)


# -- writing ----------------------------------------------------------------------------------------------------------


Moved = Callable[[int, int], None]
"""Gets the rows that are written, and of how many."""


def export(store: Store, path: Path, catalog: Catalog, program: str, at: float, moved: Moved = lambda _done, _all: None) -> Head:
    """Writes the whole journal of this store. Raises StoreError."""
    if path.exists():
        raise StoreError(f"{path} already exists: name another file, or delete it")
    part = path.with_name(f".{path.name}.part")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as raw:
            if path.suffix == ".gz":
                with gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=6, mtime=0) as packed:
                    head = _write(store, cast(BinaryIO, packed), catalog, program, at, moved)
            else:
                head = _write(store, raw, catalog, program, at, moved)
            raw.flush()
            os.fsync(raw.fileno())
        part.rename(path)
    except OSError as error:
        raise StoreError(f"cannot write {path} ({error.strerror or error}): choose another place") from error
    finally:
        part.unlink(missing_ok=True)
    return head


def _elsewhere(catalog: Catalog) -> Catalog:
    """Without the paths of this machine."""
    known = {name: msgspec.structs.replace(one, origin="") for name, one in catalog.barclamps.items()}
    return msgspec.structs.replace(catalog, folders={}, barclamps=known)


def _write(store: Store, out: BinaryIO, catalog: Catalog, program: str, at: float, moved: Moved) -> Head:
    whole = hashlib.sha256()

    def put(record: Struct) -> None:
        text = _encode(record) + b"\n"
        whole.update(text)
        out.write(text)

    with store.still():
        tables, folded = store.base()
        last = store.last_seq()
        meta = list(store.load()["meta"].values())
        head = Head(
            version=VERSION,
            program=program,
            installation=getattr(meta[0], "installation", "") if meta else "",
            first=folded + 1,
            last=last,
            at=at,
        )
        put(head)
        put(Barclamps(catalog=msgspec.Raw(msgspec.json.encode(_elsewhere(catalog), order="sorted"))))
        base = 0
        for table, rows in tables.items():
            for key, row in rows.items():
                put(Base(table=table, key=list(key) if isinstance(key, tuple) else key, row=_redacted(msgspec.to_builtins(row))))
                base += 1
        many, seq = 0, folded
        while some := store.journal(seq, PIECE):
            for one in some:
                rows_ = [(table, key, _redacted(row)) for table, key, row in one.rows]
                put(Line(seq=one.seq, at=one.at, now=one.now, event=one.event, fields=_redacted(one.fields), rows=rows_))
            many += len(some)
            seq = some[-1].seq
            moved(many, last - folded)
    out.write(_encode(End(base=base, rows=many, sha256=whole.hexdigest())) + b"\n")
    return head


def _redacted(value: Any) -> Any:
    """The same without texts under a name of a secret, at any depth. A record with `name` and `value` counts as such a pair."""
    if isinstance(value, dict):
        out = {k: REDACTED if isinstance(v, str) and v and _SECRET.search(k) else _redacted(v) for k, v in value.items()}
        if isinstance(value.get("name"), str) and isinstance(value.get("value"), str) and _SECRET.search(value["name"]):
            out["value"] = REDACTED
        return out
    if isinstance(value, (list, tuple)):
        return [_redacted(v) for v in value]
    return value


# -- reading ----------------------------------------------------------------------------------------------------------


class JournalFile:
    """An exported journal, opened for `views.past.Past`. Raises StoreError for any other file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = _opened(path)
        except (OSError, EOFError, zlib.error) as error:
            raise StoreError(f"cannot read {path} ({getattr(error, 'strerror', None) or error}): check its name") from error
        try:
            self._check()
        except OSError as error:
            self._file.close()
            raise StoreError(f"cannot read {path} ({error.strerror or error}): check the disk") from error
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> JournalFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check(self) -> None:
        """Reads it once and checks types, order and completeness."""
        self._tables: Tables = {table: {} for table in CODECS}
        self._begins = array("Q")
        self.catalog: Catalog | None = None
        """The barclamps where it was written. None: this program cannot read them."""
        head: Head | None = None
        end: End | None = None
        whole = hashlib.sha256()
        base = at = 0
        for number, text in enumerate(_lines(self._file, self.path), 1):
            try:
                one = _line.decode(text)
            except msgspec.MsgspecError as error:
                what = f"line {number} of {self.path} is not a line of an exported journal ({error})"
                raise StoreError(f"{what}: export it again with crowbar events --export") from error
            if end is not None:
                raise self._wrong(number, "it continues after its end")
            match one:
                case Head() if head is None:
                    head = self._known(one)
                case _ if head is None:
                    raise self._wrong(number, "it does not begin with a head line")
                case Barclamps() if number == 2:
                    with contextlib.suppress(msgspec.MsgspecError):  # of another version: the rows may still be readable
                        self.catalog = msgspec.json.decode(one.catalog, type=Catalog)
                case Base() if not self._begins:
                    base += 1
                    self._keep(one, number)
                case Line() if one.seq == head.first + len(self._begins):
                    if len(self._begins) >= ROWS_MAX:
                        raise self._wrong(number, f"more than {ROWS_MAX} rows")
                    self._begins.append(at)
                case End() if (one.base, one.rows, one.sha256) == (base, len(self._begins), whole.hexdigest()):
                    end = one
                case End():
                    raise self._wrong(number, "its content differs from what was exported")
                case _:
                    raise self._wrong(number, "a line that does not follow the previous line")
            whole.update(text)
            at += len(text)
        self.head = self._whole(head, end)

    def _known(self, head: Head) -> Head:
        if head.version > VERSION:
            raise StoreError(f"{self.path} is of version {head.version}, this program knows up to {VERSION}: use the newer program")
        return head

    def _keep(self, record: Base, number: int) -> None:
        """A record that was there before the first row."""
        try:
            codec = CODECS[record.table]
            self._tables[record.table][codec.key_from_json(record.key)] = codec.from_json(record.row)
        except (KeyError, msgspec.MsgspecError) as error:
            raise self._wrong(number, f"a record that this program does not know ({error})") from error

    def _whole(self, head: Head | None, end: End | None) -> Head:
        if head is None or end is None:
            raise StoreError(f"{self.path} is {'empty' if head is None else 'cut off'}: copy it or export it again")
        if head.last != head.first + len(self._begins) - 1:
            raise StoreError(f"{self.path} does not hold the rows that its head line names: export it again")
        return head

    def _wrong(self, number: int, what: str) -> StoreError:
        return StoreError(f"line {number} of {self.path}: {what}; export it again with crowbar events --export")

    def base(self) -> tuple[Tables, int]:
        return self._tables, self.head.first - 1

    def journal(self, after: int = 0, limit: int = 1000) -> list[JournalRow]:
        start = max(after + 1 - self.head.first, 0)
        many = min(limit, len(self._begins) - start)
        if many <= 0:
            return []
        try:
            self._file.seek(self._begins[start])
            lines = [_row.decode(self._file.readline(LINE_MAX)) for _ in range(many)]
        except (OSError, msgspec.MsgspecError) as error:
            raise StoreError(f"{self.path} changed while it was read ({error}): open it again") from error
        return [JournalRow(seq=r.seq, at=r.at, now=r.now, event=r.event, fields=r.fields, rows=r.rows) for r in lines]

    def last_seq(self) -> int:
        return self.head.last

    def close(self) -> None:
        self._file.close()


def _opened(path: Path) -> BinaryIO:
    plain = path.open("rb")
    try:
        packed = plain.read(2) == b"\x1f\x8b"
        plain.seek(0)
        if not packed:
            return plain
        with plain:
            return _unpacked(plain, path)
    except BaseException:
        plain.close()
        raise


def _unpacked(file: BinaryIO, path: Path) -> BinaryIO:
    out = cast(BinaryIO, tempfile.TemporaryFile(prefix="crowbar-journal-"))  # noqa: SIM115  closed by JournalFile
    try:
        most = min(max(SMALL, PACKED * os.fstat(file.fileno()).st_size), FILE_MAX)
        with gzip.GzipFile(fileobj=file, mode="rb") as packed:
            size = 0
            while piece := packed.read(1 << 20):
                size += len(piece)
                if size > most:
                    raise StoreError(f"{path} is no packed journal: it unpacks to more than {most >> 20} MiB")
                if size % (16 << 20) < len(piece) and shutil.disk_usage(tempfile.gettempdir()).free < ROOM:
                    raise StoreError(
                        f"{path} cannot be unpacked: {tempfile.gettempdir()} has less than {ROOM >> 20} MiB left. Free some space there"
                    )
                out.write(piece)
        out.seek(0)
    except BaseException:
        out.close()
        raise
    return out


def _lines(file: BinaryIO, path: Path) -> Iterator[bytes]:
    while text := file.readline(LINE_MAX + 1):
        if len(text) > LINE_MAX:
            raise StoreError(f"{path} has a line of more than {LINE_MAX >> 20} MiB: it is not an exported journal")
        yield text
