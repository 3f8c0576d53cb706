"""The health of machines, as files beside their hardware records (`hardware`).

    STORE/hardware/NODE/vitals.json      the last look: sensors, problems, how far the logs were read
    STORE/hardware/NODE/readings.jsonl   earlier values, a line every KEPT_S at most; readings-1.jsonl: those before
    STORE/hardware/NODE/events.jsonl     entries of the event logs, each once, however often a BMC shows or renumbers it

Nothing decides by these files but the next look, so they are neither in the world nor in the journal, which get the problems when they
begin and end. A file that cannot be read counts as absent, and a line that cannot be read as none: a later look writes them anew.

Bounded: MOST_EVENTS entries (the newest stay), MOST_READINGS bytes in each of two files of values.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from ..model import NodeId
from ..vitals import HealthMemory, LogEntry, LogPlace, SeenEntry, VitalSigns
from .hardware import FOLDER, is_node, replaced

MOST_EVENTS = 2000
MOST_READINGS = 128 << 10
MOST_BYTES = 4 << 20
KEPT_S = 900.0
_T = TypeVar("_T")


class VitalRecord(Struct, frozen=True, kw_only=True, omit_defaults=True):
    at: float = 0.0
    """Wall time of the last look that succeeded. 0: none did."""
    tried: float = 0.0
    """Wall time of the last look."""
    took_s: float = 0.0
    protocol: str = ""
    failed: str = ""
    """Why the last look failed. Empty: it succeeded."""
    next_s: float = 0.0
    """Seconds from the last look to the next one, as they were measured."""
    signs: VitalSigns = VitalSigns()
    """Without the entries of the log."""
    memory: HealthMemory = HealthMemory()


class Reading(Struct, frozen=True, kw_only=True):
    """Values of all sensors at one time."""

    at: float
    values: dict[str, float]


_record = msgspec.json.Decoder(VitalRecord)
_event = msgspec.json.Decoder(SeenEntry)
_reading = msgspec.json.Decoder(Reading)


class VitalsShelf:
    """Of one store. Any process may read it; the engine writes it, one call for a machine at a time."""

    def __init__(self, store: Path) -> None:
        self.folder = store / FOLDER

    def of(self, node: NodeId) -> VitalRecord | None:
        """The last look. None: nobody has looked."""
        data = _octets(self._place(node), "vitals.json", MOST_BYTES)
        try:
            return _record.decode(data) if data else None
        except (msgspec.MsgspecError, RecursionError):
            return None

    def events(self, node: NodeId) -> list[SeenEntry]:
        """The kept entries, in the order in which they were read."""
        return _lines(_octets(self._place(node), "events.jsonl", MOST_BYTES), _event)

    def readings(self, node: NodeId) -> list[Reading]:
        """Earlier values, the oldest first."""
        place = self._place(node)
        return [one for name in ("readings-1.jsonl", "readings.jsonl") for one in _lines(_octets(place, name, 2 * MOST_READINGS), _reading)]

    def put(self, node: NodeId, record: VitalRecord) -> None:
        """Keeps a look, and its values if the last ones are old enough. Raises OSError, and ValueError for a node that names no file."""
        place = self._made(node)
        replaced(place / "vitals.json", msgspec.json.encode(record))
        values = {one.name: one.value for one in record.signs.sensors if one.value is not None}
        last = place / "readings.jsonl"
        known = _lines(_octets(place, last.name, 2 * MOST_READINGS), _reading)
        if record.failed or not values or (known and 0 <= record.at - known[-1].at < KEPT_S):
            return
        line = msgspec.json.encode(Reading(at=record.at, values=values)) + b"\n"
        if last.exists() and last.stat().st_size + len(line) > MOST_READINGS:
            last.replace(place / "readings-1.jsonl")
        _append(last, line)

    def add(self, node: NodeId, entries: Sequence[SeenEntry]) -> list[SeenEntry]:
        """Keeps those that are not kept yet, and returns them. Raises as `put` does."""
        if not entries:
            return []
        place = self._made(node)
        known = self.events(node)
        keys = {_key(one) for one in known}
        new: list[SeenEntry] = []
        for one in entries:
            if (key := _key(one)) not in keys:
                keys.add(key)
                new.append(one)
        if not new:
            return []
        file = place / "events.jsonl"
        if len(known) + len(new) > MOST_EVENTS + MOST_EVENTS // 4:
            replaced(file, _encoded([*known, *new][-MOST_EVENTS:]))
        else:
            _append(file, _encoded(new))
        return new

    def all(self) -> Iterable[tuple[NodeId, VitalRecord]]:
        """Every machine that somebody has looked at, by its id."""
        try:
            names = sorted(os.listdir(self.folder))
        except OSError:
            return
        for name in names:
            if (record := self.of(name)) is not None:
                yield name, record

    def _place(self, node: NodeId) -> Path | None:
        return self.folder / node if is_node(node) else None

    def _made(self, node: NodeId) -> Path:
        place = self._place(node)
        if place is None:
            raise ValueError(f"{node!r:.40} names no file")
        for folder in (self.folder, place):
            folder.mkdir(exist_ok=True, mode=0o700)
        return place


def place_of(record: VitalRecord | None) -> tuple[LogPlace, ...]:
    return record.signs.places if record is not None else ()


def _key(one: SeenEntry) -> str:
    """A cleared log gives its numbers again, to other entries. A BMC may show an entry twice under one number."""
    entry: LogEntry = one.entry
    said = "\0".join((one.log, entry.id, entry.at, entry.sensor, entry.text, str(entry.asserted)))
    return blake2b(said.encode("utf-8", "replace"), digest_size=8).hexdigest()


def _encoded(entries: Iterable[SeenEntry]) -> bytes:
    return b"".join(msgspec.json.encode(one) + b"\n" for one in entries)


def _octets(place: Path | None, name: str, most: int) -> bytes:
    """The end of a file, from the beginning of a line. Empty: there is none."""
    if place is None:
        return b""
    try:
        with (place / name).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - most))
            data = file.read(most)
    except OSError:
        return b""
    return data if size <= most else data.partition(b"\n")[2]


def _lines(data: bytes, decoder: msgspec.json.Decoder[_T]) -> list[_T]:
    out: list[_T] = []
    for line in data.splitlines():
        try:
            out.append(decoder.decode(line))
        except (msgspec.MsgspecError, RecursionError):
            continue  # torn by a crash
    return out


def _append(file: Path, data: bytes) -> None:
    """A line that a crash tore is ended first, so that it costs only itself."""
    with open(file, "ab", opener=lambda path, flags: os.open(path, flags | os.O_CLOEXEC, 0o600)) as out:
        if out.tell() and not _ends_whole(file):
            out.write(b"\n")
        out.write(data)


def _ends_whole(file: Path) -> bool:
    with file.open("rb") as found:
        found.seek(-1, os.SEEK_END)
        return found.read(1) == b"\n"
