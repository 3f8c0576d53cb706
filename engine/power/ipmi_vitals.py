"""The health of a machine by its IPMI BMC: sensors, and what is new in the event log (SEL). Numbers are sections of IPMI 2.0.

The log is read from where the last look ended. Its counts and times (31.2) say whether anything changed at all, which costs one command.
If the entry that was read last is not there any more, or another one has its number, the log was cleared or has wrapped, and is read from
its beginning. So each entry is read once, whatever the BMC does with its numbers.

Bounded: MOST_ENTRIES entries in a look. Of a log that is far longer the newest BACKLOG entries are read.
"""

from __future__ import annotations

import datetime
import struct
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any

from msgspec.structs import replace
from pyghmi.exceptions import PyghmiException
from pyghmi.ipmi.events import EventHandler

from ..parts import LogEntry
from ..vitals import LogPlace, Sensor, VitalSigns
from . import GaveWay, PowerFailed, SessionFailed
from .ipmi_sensors import Decoder, forget_old, health_of, plain, read_sensors
from .ipmi_session import BAD_PACKET, IpmiSession

LOG = "sel"
MOST_ENTRIES, BACKLOG, MOST_SENSORS = 512, 2048, 2048
_STORAGE, _SEL_INFO, _SEL_ENTRY, _SEL_TIME = 0x0A, 0x40, 0x43, 0x48
_FIRST, _LAST = 0x0000, 0xFFFF
_SET = 0x20000000
"""Times below are seconds since the BMC started (31.4.1): its clock was not set."""
_ENTRY_OCTETS = 16


def read_vitals(session: IpmiSession, on: bool, places: Sequence[LogPlace], now: Callable[[], float]) -> VitalSigns:
    """Raises GaveWay. Whatever else cannot be read is left out, with the reason."""
    left_out: list[str] = []
    off_s = _clock(session, now)
    before = next((one for one in places if one.log == LOG), LogPlace(log=LOG))
    raw: list[bytes] = []
    place: LogPlace | None = None
    try:
        raw, place = read_log(session, before)
    except GaveWay:
        raise
    except (SessionFailed, *BAD_PACKET) as error:
        left_out.append(f"event log: {_why(error)}")
    sensors: tuple[Sensor, ...] = ()
    named = False
    try:
        found = read_sensors(session)
        if isinstance(found, PowerFailed):
            left_out.append(f"sensors: {found.message}")
        else:
            sensors, named = found.sensors[:MOST_SENSORS], True
    except GaveWay:
        raise
    except SessionFailed as error:
        left_out.append(f"sensors: {_why(error)}")
    log = _decoded(session, raw, named) if raw else ()
    return VitalSigns(
        on=on,
        sensors=sensors,
        log=log,
        places=(place,) if place is not None else tuple(places),
        clock_off_s=off_s,
        left_out=tuple(left_out),
    )


def _why(error: Exception) -> str:
    return error.failed.message if isinstance(error, SessionFailed) else f"it makes no sense ({type(error).__name__})"


def _clock(session: IpmiSession, now: Callable[[], float]) -> float | None:
    """Section 31.10. None: it has no clock, or has never set it."""
    before = now()
    try:
        (at,) = struct.unpack_from("<I", session.command(_STORAGE, _SEL_TIME))
    except GaveWay:
        raise
    except (SessionFailed, struct.error):
        return None
    return None if at == 0xFFFFFFFF else round(float(at) - (before + now()) / 2, 1)


def read_log(session: IpmiSession, before: LogPlace) -> tuple[list[bytes], LogPlace]:
    """New entries as they came, and where the log stands now. Raises SessionFailed, struct.error."""
    info = session.command(_STORAGE, _SEL_INFO)
    entries, free = struct.unpack_from("<HH", info, 1)
    flags = info[13] if len(info) > 13 else 0
    stamp = info[1:13].hex()
    known = LogPlace(
        log=LOG,
        last=before.last,
        content=before.content,
        stamp=stamp,
        entries=entries,
        full=None if free == 0xFFFF else entries * _ENTRY_OCTETS / max(1, entries * _ENTRY_OCTETS + free),
        lost=bool(flags & 0x80),
    )
    if not entries:
        return [], replace(known, last="", content="")
    if stamp == before.stamp and before.last and not before.behind:
        return [], known
    start = _next(session, before) if before.last else None
    if start == _LAST:
        return [], known
    return _walked(session, _backlog(session, entries) if start is None else start, known)


def _next(session: IpmiSession, before: LogPlace) -> int | None:
    """The record after the one that was read last; FFFFh: none. None: that one is gone."""
    following, entry = _entry(session, int(before.last, 16))
    return following if entry and _digest(entry) == before.content else None


def _backlog(session: IpmiSession, entries: int) -> int:
    """Where to begin: at the first entry, or in a very long log near its end."""
    if entries <= BACKLOG:
        return _FIRST
    _, newest = _entry(session, _LAST)
    if len(newest) < 2:
        return _FIRST
    near = int.from_bytes(newest[:2], "little") - BACKLOG + 1
    return near if near > 0 and _entry(session, near)[1] else _FIRST


def _walked(session: IpmiSession, at: int, place: LogPlace) -> tuple[list[bytes], LogPlace]:
    found: list[bytes] = []
    seen: set[int] = set()
    while at != _LAST and at not in seen and len(found) < MOST_ENTRIES:
        seen.add(at)
        try:
            following, entry = _entry(session, at)
        except GaveWay:
            break  # what was read is kept; the next look goes on
        if not entry:
            break
        number = int.from_bytes(entry[:2], "little")
        seen.add(number)
        found.append(entry)
        place = replace(place, last=f"{number:04x}", content=_digest(entry))
        at = following
    behind = at != _LAST and at not in seen
    return found, replace(place, behind=behind)


def _entry(session: IpmiSession, record: int) -> tuple[int, bytes]:
    """Section 31.5: the number of the next record, and the entry. No octets: it is not there."""
    answer = session.raw_command(_STORAGE, _SEL_ENTRY, data=[0, 0, record & 0xFF, record >> 8, 0, 0xFF])
    code, data = answer["code"], bytes(answer["data"])
    if code or len(data) < 2 + _ENTRY_OCTETS:
        return _LAST, b""
    return int.from_bytes(data[:2], "little"), data[2 : 2 + _ENTRY_OCTETS]


def _digest(entry: bytes) -> str:
    return blake2b(entry, digest_size=6).hexdigest()


def _decoded(session: IpmiSession, raw: Sequence[bytes], named: bool) -> tuple[LogEntry, ...]:
    """`named`: the sensor records could be read, so that their names are known."""
    decoder = Decoder(session)
    handler = EventHandler(_NoRecords(), decoder)
    if named:
        try:
            handler = EventHandler(decoder.records, decoder)
        except GaveWay:
            raise
        except (PyghmiException, NotImplementedError, SessionFailed, *BAD_PACKET):
            pass  # the repository changed meanwhile, or is none
        finally:
            forget_old()
    return tuple(_told(handler, one) for one in raw)


class _NoRecords:
    sensors: dict[str, Any] = {}
    fru: dict[str, Any] = {}


def _told(handler: EventHandler, raw: bytes) -> LogEntry:
    number, kind = int.from_bytes(raw[:2], "little"), raw[2]
    try:
        event = handler._sel_decode(raw)
    except (PyghmiException, *BAD_PACKET):
        event = {}
    words = [plain(event[name]) for name in ("event", "event_data") if event.get(name) and not isinstance(event[name], bytes | bytearray)]
    text = ", ".join(word for word in words if word)
    asserted = None if kind >= 0xC0 else not raw[12] & 0x80
    return LogEntry(
        id=f"{number:04x}",
        at=_moment(int.from_bytes(raw[3:7], "little")) if kind < 0xE0 else "",
        sensor=plain(event.get("component") or "")
        or plain(event.get("component_type") or "")
        or ("" if kind < 0xC0 else f"record of type {kind:02X}h"),
        text=text or f"octets {raw[7:16].hex(' ')}",
        health=health_of(int(event.get("severity") or 0)) if asserted is not False else "",
        asserted=asserted,
    )


def _moment(seconds: int) -> str:
    """ISO 8601, without a zone: IPMI says neither local time nor UTC. Empty: the clock was not set."""
    if seconds < _SET or seconds == 0xFFFFFFFF:
        return ""
    return datetime.datetime.fromtimestamp(seconds, tz=datetime.UTC).replace(tzinfo=None).isoformat()
