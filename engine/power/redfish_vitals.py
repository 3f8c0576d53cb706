"""The health of a machine by Redfish: sensors, clock, and what is in its event logs (LogServices of system, managers and chassis).

Of the many logs of a service those are read that tell of parts (`quirks.HEALTH_LOGS`): logins, audits, dumps and lifecycle logs are not.

A service lists the entries of a log oldest first or newest first, written out or as links. Entries that are written out are handed over
as they are, because whoever keeps them knows each one. Links are followed only beyond the entry that was read last.

Bounded: LOGS logs, MOST_ENTRIES entries and MOST_FOLLOWED links of each in a look, PAGES pages. Of a longer log the newest are read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from ..parts import LogEntry
from ..quirks import HEALTH_LOGS
from ..vitals import Health, LogPlace, VitalSigns
from . import GaveWay, PowerState, SensorsRead, SessionFailed
from .redfish_body import Json, member, printable, rows
from .redfish_sensors import read_sensors
from .redfish_session import RedfishSession

LOGS, PAGES, MOST_ENTRIES, MOST_FOLLOWED = 2, 8, 512, 48
_HOLDERS, _SERVICES = 4, 16
_HEALTH: dict[str, Health] = {"Critical": "failed", "Warning": "warning"}
_SKIP = re.compile(r"(skip=)\d+")


def read_vitals(
    session: RedfishSession,
    path: str,
    system: dict[str, Json],
    state: PowerState | None,
    places: Sequence[LogPlace],
    now: Callable[[], float],
) -> VitalSigns:
    """Raises GaveWay. Whatever else cannot be read is left out, with the reason."""
    left_out: list[str] = []
    log: list[LogEntry] = []
    kept: list[LogPlace] = []
    known = {one.log: one for one in places}
    for where, about in _logs(session, system, left_out):
        try:
            entries, place = _read(session, about, known.get(where, LogPlace(log=where)))
        except GaveWay:
            raise
        except SessionFailed as error:
            left_out.append(f"event log {where}: {error.failed.message}")
            kept += [known[where]] if where in known else []
            continue
        log += entries
        kept.append(place)
    found = SensorsRead()
    try:
        found = read_sensors(session, path, system, now)
    except GaveWay:
        raise
    except SessionFailed as error:
        left_out.append(f"sensors: {error.failed.message}")
    return VitalSigns(
        on=None if state is None else state is PowerState.ON,
        sensors=found.sensors,
        log=tuple(log),
        places=tuple(kept),
        clock_off_s=found.clock.off_s if found.clock is not None else None,
        left_out=tuple(left_out[:20]),
    )


def _logs(session: RedfishSession, system: dict[str, Json], left_out: list[str]) -> list[tuple[str, dict[str, Json]]]:
    """The logs that tell of the machine's parts, the best first: path and resource."""
    links = member(system, "Links")
    holders = [system]
    for link in [*rows(links.get("ManagedBy"))[:_HOLDERS], *rows(links.get("Chassis"))[:_HOLDERS]]:
        try:
            holders.append(session.get(link).body)
        except GaveWay:
            raise
        except SessionFailed as error:
            left_out.append(f"event logs: {error.failed.message}")
    found: dict[str, tuple[int, dict[str, Json]]] = {}
    for holder in holders:
        for where, about in _services(session, holder, left_out):
            rank = _rank(where, about)
            if rank is not None and about.get("ServiceEnabled") is not False:
                found.setdefault(where, (rank, about))
    best = sorted(found.items(), key=lambda one: one[1][0])[:LOGS]
    return [(where, about) for where, (_, about) in best]


def _services(session: RedfishSession, holder: dict[str, Json], left_out: list[str]) -> list[tuple[str, dict[str, Json]]]:
    if not isinstance(holder.get("LogServices"), dict):
        return []
    out = []
    try:
        for link in session.members(holder["LogServices"], _SERVICES)[:_SERVICES]:
            where = session.path(link)
            if _rank(where, {"LogEntryType": "SEL"}) is not None:
                out.append((where, session.get(link).body))
    except GaveWay:
        raise
    except SessionFailed as error:
        left_out.append(f"event logs: {error.failed.message}")
    return out


def _rank(where: str, about: dict[str, Json]) -> int | None:
    """Place among the logs that are read. None: it is not read."""
    name = where.rstrip("/").rpartition("/")[2].lower()
    words = HEALTH_LOGS.value
    if name in words:
        return words.index(name)
    return len(words) if about.get("LogEntryType") == "SEL" and not re.search(r"audit|dump|journal|post|lc|security", name) else None


def _read(session: RedfishSession, about: dict[str, Json], before: LogPlace) -> tuple[list[LogEntry], LogPlace]:
    """Entries that may be new, the oldest first, and where the log stands. Raises SessionFailed."""
    members, many, backward = _members(session, about.get("Entries"))
    ordered = members[::-1] if backward else members
    ids = [_id(one) for one in ordered]
    first = ids.index(before.last) + 1 if before.last in ids and before.last else 0
    written_out = [isinstance(one, dict) and len(one) > 3 for one in ordered]
    start = max(0, len(ordered) - MOST_ENTRIES)
    followed = [i for i in range(max(first, start), len(ordered)) if not written_out[i]][-MOST_FOLLOWED:]
    found: list[LogEntry] = []
    for i in range(start, len(ordered)):
        if written_out[i]:
            found.append(_told(ordered[i], ids[i]))
        elif i in followed:
            found.append(_told(session.get(ordered[i]).body, ids[i]))
    limit = about.get("MaxNumberOfRecords")
    room = limit if about.get("OverWritePolicy") == "NeverOverWrites" and isinstance(limit, int) and limit > 0 else 0
    place = LogPlace(
        log=before.log,
        last=ids[-1] if ids else "",
        stamp=f"{many}/{ids[0] if ids else ''}/{ids[-1] if ids else ''}"[:200],
        content="",
        entries=many,
        full=min(1.0, many / room) if room else None,
    )
    return found, place


def _members(session: RedfishSession, entries: Json) -> tuple[list[Json], int, bool]:
    """Members of the log's collection, how many the service says that it has, and whether the newest come first."""
    path = session.path(entries)
    body = session.get_registry(path).body
    found = rows(body.get("Members"))
    said = body.get("Members@odata.count")
    many = max(said, len(found)) if isinstance(said, int) and 0 <= said < 10**9 else len(found)
    backward = _backward(found)
    onward = body.get("Members@odata.nextLink")
    if isinstance(onward, str) and not backward and many > MOST_ENTRIES and _SKIP.search(onward):
        onward, found = _SKIP.sub(rf"\g<1>{many - MOST_ENTRIES}", onward), []  # oldest first: its end is what we want
    pages = {path}
    while onward is not None and len(found) < MOST_ENTRIES and len(pages) < PAGES:
        path = session.path(onward)
        if path in pages:
            break
        pages.add(path)
        body = session.get_registry(path).body
        found = found + rows(body.get("Members"))
        onward = body.get("Members@odata.nextLink")
    return found, many, backward


def _backward(found: Sequence[Json]) -> bool:
    """True if the newest entries come first. An entry without a time says nothing of that where others have one."""
    dated = [one for one in found if isinstance(one, dict) and isinstance(one.get("Created"), str)]
    ends = dated if len(dated) > 1 else found
    return len(ends) > 1 and _order(ends[0]) > _order(ends[-1])


def _order(said: Json) -> tuple[str, int, str]:
    """Later entries are greater, by their time where it is told, else by the number of their id."""
    name = _id(said)
    created = said.get("Created") if isinstance(said, dict) else None
    digits = re.search(r"(\d{1,18})$", name)
    return (created if isinstance(created, str) else "", int(digits[1]) if digits else 0, name)


def _id(said: Json) -> str:
    """The last part of its path, which is its own, even where an `Id` is not."""
    link = said.get("@odata.id") if isinstance(said, dict) else said
    name = str(link or "").rstrip("/").rpartition("/")[2]
    if not name and isinstance(said, dict):
        name = str(said.get("Id") or "")
    return _text(name)


def _told(said: dict[str, Json], name: str) -> LogEntry:
    code, created = said.get("EntryCode"), said.get("Created")
    asserted = {"Assert": True, "Deassert": False}.get(str(code))
    words = next((said[one] for one in ("Message", "Description", "MessageId", "Name") if isinstance(said.get(one), str) and said[one]), "")
    sensor = next((said[one] for one in ("SensorType", "OemSensorType") if isinstance(said.get(one), str) and said[one]), "")
    severity = said.get("Severity") or said.get("MessageSeverity")
    return LogEntry(
        id=name,
        at=_text(created) if isinstance(created, str) else "",
        sensor=_text(sensor),
        text=printable(str(words))[:200],
        health="" if asserted is False else _HEALTH.get(str(severity), ""),
        asserted=asserted,
    )


def _text(said: str) -> str:
    return printable(said)[:80]
