"""What machines are made of, as files beside the database: the record of each, the reports it came from, and its earlier records.

    STORE/hardware/NODE/now.json       the record
    STORE/hardware/NODE/raw.tar.gz     the reports of the last look, as they came
    STORE/hardware/NODE/was-AT.json    an earlier record, kept when the next one differed in something that lasts; AT: whole seconds

A record has tens of kilobytes, and nothing decides by it. So it is neither in the world nor in the journal, which get its digest and what
changed (attribute `hardware` of the barclamp `discovery`). Files are replaced by rename. A file that cannot be read counts as absent, and a
later look writes it anew.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ..core.hardware.parts_diff import PartChange, differences, lasting
from ..model import NodeId
from ..parts import Parts

FOLDER = "hardware"
MOST_EARLIER = 50
"""Earlier records that are kept of one machine."""
MOST_BYTES = 16 << 20
_NODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_EARLIER = re.compile(r"was-([0-9]{1,12})\.json")


class ReportRead(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One report of a look."""

    name: str
    format: str = ""
    octets: int = 0
    refused: str = ""
    """Why it could not be read. Empty: it was."""


class HardwareRecord(Struct, frozen=True, kw_only=True):
    at: float
    """Wall time of the look."""
    source: str
    """`in-band`, `redfish`, ..."""
    parts: Parts
    reports: tuple[ReportRead, ...] = ()
    changes: tuple[PartChange, ...] = ()
    """Since the record before it."""
    sum: str = ""
    """SHA-256 of the reports as they came: a look that comes twice is one look."""


_decoder = msgspec.json.Decoder(HardwareRecord)


class HardwareShelf:
    """Of one store. Any process may read it; the engine writes it, one call for a machine at a time."""

    def __init__(self, store: Path) -> None:
        self.folder = store / FOLDER

    def put(self, node: NodeId, record: HardwareRecord, raw: bytes = b"") -> tuple[PartChange, ...]:
        """Keeps the record, and the one before it if something that lasts differs. Returns what differs. Raises OSError, and ValueError
        for a node that cannot have a folder."""
        place = self._place(node)
        if place is None:
            raise ValueError(f"{node!r:.40} names no folder")
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        before = self.now(node)
        if before is not None and raw and before.sum == record.sum:
            return before.changes
        changes = differences(before.parts, record.parts) if before is not None else ()
        record = replace(record, changes=changes)
        if before is not None and lasting(before.parts) != lasting(record.parts):
            _replace(place / f"was-{int(before.at)}.json", msgspec.json.encode(before))
            self._forget_oldest(place)
        if raw:
            _replace(place / "raw.tar.gz", raw)
        _replace(place / "now.json", msgspec.json.encode(record))
        return changes

    def now(self, node: NodeId) -> HardwareRecord | None:
        place = self._place(node)
        return _read(place / "now.json") if place is not None else None

    def raw(self, node: NodeId) -> bytes:
        """The reports of the last look: a tar, compressed by gzip. Empty: none are kept."""
        place = self._place(node)
        with contextlib.suppress(OSError):
            return (place / "raw.tar.gz").read_bytes() if place is not None else b""
        return b""

    def earlier(self, node: NodeId) -> list[int]:
        """When earlier records were taken that differ from the next one, in whole seconds, the newest first."""
        place = self._place(node)
        return sorted((int(found[1]) for found in map(_EARLIER.fullmatch, _names(place)) if found), reverse=True)

    def was(self, node: NodeId, at: int) -> HardwareRecord | None:
        place = self._place(node)
        return _read(place / f"was-{at}.json") if place is not None else None

    def before(self, node: NodeId, at: float) -> HardwareRecord | None:
        """The record that counted at this time: the present one, if nothing changed since. None: there was none yet."""
        now = self.now(node)
        if now is None:
            return None
        known = [*(one for when in self.earlier(node) if (one := self.was(node, when)) is not None)]
        counted = [one for one in (now, *known) if one.at <= at]
        return counted[0] if counted else None

    def all(self) -> Iterator[tuple[NodeId, HardwareRecord]]:
        """Every machine's record, by the names of the machines."""
        for name in sorted(_names(self.folder)):
            if (record := self.now(name)) is not None:
                yield name, record

    def forget(self, node: NodeId) -> None:
        place = self._place(node)
        if place is not None:
            shutil.rmtree(place, ignore_errors=True)

    def _place(self, node: NodeId) -> Path | None:
        return self.folder / node if _NODE.fullmatch(node) else None

    def _forget_oldest(self, place: Path) -> None:
        whens = sorted(int(found[1]) for found in map(_EARLIER.fullmatch, _names(place)) if found)
        for when in whens[:-MOST_EARLIER]:
            with contextlib.suppress(OSError):
                (place / f"was-{when}.json").unlink()


def digest(parts: Parts) -> str:
    """Of what lasts in a record. The same for two looks at one machine until something changes."""
    return sha256(msgspec.json.encode(lasting(parts))).hexdigest()[:16]


def _names(folder: Path | None) -> list[str]:
    try:
        return os.listdir(folder) if folder is not None else []
    except OSError:
        return []


def _read(file: Path) -> HardwareRecord | None:
    try:
        if file.stat().st_size > MOST_BYTES:
            return None
        return _decoder.decode(file.read_bytes())
    except (OSError, msgspec.MsgspecError, RecursionError):
        return None


def _replace(file: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(prefix=".new.", dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(data)
        Path(name).replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
