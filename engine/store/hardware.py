"""What machines are made of, as files beside the database: the record of each, the reports it came from, and its earlier records.

    STORE/hardware/NODE/in-band.json       the record by the machine's own tools; redfish.json, ipmi.json: by its BMC
    STORE/hardware/NODE/in-band.tar.gz     the reports of the last look, as they came
    STORE/hardware/NODE/in-band-AT.json    an earlier record, kept when the next one differed in something that lasts; AT: whole seconds

Records of one source are compared with each other only: a BMC and the machine's tools name the same part differently. What is shown is
both together (`engine.readers.join`).

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
from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ..core.hardware.parts_diff import PartChange, differences, lasting
from ..model import NodeId
from ..parts import Parts
from ..readers.join import join

FOLDER = "hardware"
MOST_EARLIER = 50
"""Earlier records that are kept of one machine."""
MOST_BYTES = 16 << 20
_NODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_EARLIER = re.compile(r"(in-band|redfish|ipmi)-([0-9]{1,12})\.json")
Source = Literal["in-band", "redfish", "ipmi"]
SOURCES: tuple[Source, ...] = ("in-band", "redfish", "ipmi")
"""The first one is believed first."""


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
    source: Source
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
        for a node or a source that cannot name a file."""
        place = self._place(node)
        if place is None or record.source not in SOURCES:
            raise ValueError(f"{node!r:.40}, {record.source!r:.20} name no file")
        for folder in (self.folder, place):
            folder.mkdir(exist_ok=True, mode=0o700)
        before = self.of(node, record.source)
        if before is not None and raw and before.sum == record.sum:
            return before.changes
        changes = differences(before.parts, record.parts) if before is not None else ()
        record = replace(record, changes=changes)
        if before is not None and lasting(before.parts) != lasting(record.parts):
            replaced(place / f"{record.source}-{int(before.at)}.json", msgspec.json.encode(before))
            for when in self.earlier(node, record.source)[MOST_EARLIER:]:
                with contextlib.suppress(OSError):
                    (place / f"{record.source}-{when}.json").unlink()
        if raw:
            replaced(place / f"{record.source}.tar.gz", raw)
        replaced(place / f"{record.source}.json", msgspec.json.encode(record))
        return changes

    def of(self, node: NodeId, source: Source) -> HardwareRecord | None:
        """The present record of one source."""
        place = self._place(node)
        return _read(place / f"{source}.json") if place is not None else None

    def now(self, node: NodeId) -> HardwareRecord | None:
        """What all sources say together."""
        found = [one for source in SOURCES if (one := self.of(node, source)) is not None]
        if len(found) < 2:
            return found[0] if found else None
        parts = join([(one.source, one.parts) for one in found])
        reports = tuple(report for one in found for report in one.reports)
        last = max(one.at for one in found)
        return HardwareRecord(at=last, source=found[0].source, parts=parts, reports=reports, changes=found[0].changes)

    def raw(self, node: NodeId, source: Source = "in-band") -> bytes:
        """The reports of the last look: a tar, compressed by gzip. Empty: none are kept."""
        place = self._place(node)
        with contextlib.suppress(OSError):
            return (place / f"{source}.tar.gz").read_bytes() if place is not None else b""
        return b""

    def earlier(self, node: NodeId, source: Source = "in-band") -> list[int]:
        """When earlier records were taken that differ from the next one, in whole seconds, the newest first."""
        names = (_EARLIER.fullmatch(name) for name in _names(self._place(node)))
        return sorted((int(found[2]) for found in names if found and found[1] == source), reverse=True)

    def was(self, node: NodeId, at: int, source: Source = "in-band") -> HardwareRecord | None:
        place = self._place(node)
        return _read(place / f"{source}-{at}.json") if place is not None else None

    def before(self, node: NodeId, at: float, source: Source = "in-band") -> HardwareRecord | None:
        """The record that counted at this time: the present one, if nothing changed since. None: there was none yet."""
        now = self.of(node, source)
        if now is None:
            return None
        known = [one for when in self.earlier(node, source) if (one := self.was(node, when, source)) is not None]
        return next((one for one in (now, *known) if one.at <= at), None)

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
        return self.folder / node if is_node(node) else None


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


def is_node(node: NodeId) -> bool:
    """Whether a node's id can name a folder."""
    return _NODE.fullmatch(node) is not None


def replaced(file: Path, data: bytes) -> None:
    """The file has this content, whole, or what it had before. Raises OSError."""
    handle, name = tempfile.mkstemp(prefix=".new.", dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(data)
        Path(name).replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
