"""A BMC's sensors and event log, by ipmitool (`sdr`, `sdr elist`, `sensor`, `sel list`, `sel elist`, also with `-c`) and by FreeIPMI
(`ipmi-sensors`, `ipmimonitoring`, `ipmi-sel`, `ipmi-dcmi`). Source: ipmitool(1); FreeIPMI's manual pages.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime

from engine.parts import Health, LogEntry, Parts, SensorValue
from engine.readers import plain
from engine.readers.report import MOST_ITEMS, Refused, told

_STATES: dict[str, Health] = {"ok": "ok", "nc": "warning", "cr": "failed", "nr": "failed", "lnc": "warning", "unc": "warning"}
_STATES |= {"lcr": "failed", "ucr": "failed", "lnr": "failed", "unr": "failed", "nominal": "ok", "warning": "warning", "critical": "failed"}
_WORDS = re.compile(r"ok|ns|nc|cr|nr|lnc|unc|lcr|ucr|lnr|unr|na")
_VALUE = re.compile(r"(-?\d{1,9}(?:\.\d{1,6})?) (degrees [CFK]|RPM|Volts|Watts|Amps|percent|unspecified|[A-Za-z/%^0-9 ]{1,20})")
_HEAD_LINES = 30
"""In which a table begins: a login and ipmitool itself may have said something first."""
_ENTRY = re.compile(r"\s*([0-9a-f]{1,4})\s*[|,]")
_BAD = re.compile(r"non-recoverable|uncorrectable|(?<!non-)critical|failure detected|fault|failed|fatal|AC lost|IERR|Thermal Trip", re.I)
_POOR = re.compile(r"predictive|non-critical|correctable|degraded|redundancy lost|limit exceeded", re.I)


def looks_sdr(text: str) -> bool:
    return any(_sdr_cells(row) for row in text[:6000].splitlines()[:_HEAD_LINES])


def looks_sel(text: str) -> bool:
    return any(_sel_cells(row) for row in text[:6000].splitlines()[:_HEAD_LINES])


def looks_freeipmi(text: str) -> bool:
    return bool(re.search(r"^ID\s*[|,]\s*(?:Name|Date)\s*[|,]", text[:3000], re.MULTILINE))


def looks_dcmi(text: str) -> bool:
    return bool(re.search(r"^[ \t]*(?:Current Power|Instantaneous power reading)\s*:", text[:2000], re.MULTILINE))


def read_sdr(text: str) -> Parts:
    """A sensor a line. Where two have one name, the entity (`10.1`) is a part of it. Raises Refused without one."""
    rows = plain.lines(text)
    if rows[-1] and not _ends_whole(rows):
        rows.pop()
    found = [cells for row in rows if (cells := _sdr_cells(row))][:MOST_ITEMS]
    if not found:
        raise Refused(f"ipmitool listed no sensor; it said: {plain.first(plain.lines(text))}")
    often = Counter(name for name, *_ in found)
    return Parts(readings=tuple(_reading(f"{n} ({e})" if often[n] > 1 and e else n, state, value) for n, state, value, e in found))


def _ends_whole(rows: list[str]) -> bool:
    """Whether a last line without an end is of the form that has the state last, as those above it are."""
    return len(rows) > 1 and rows[-1].count("|") == rows[-2].count("|") == 2 and bool(re.search(r"\|\s*(?:ok|ns)$", rows[-1]))


def _sdr_cells(row: str) -> tuple[str, str, str, str] | None:
    """(name, state, reading, entity) of a line in one of the forms; None for other lines."""
    cells = [cell.strip() for cell in (row.split("|") if "|" in row else row.split(","))]
    if len(cells) == 10 and "|" in row:  # `sensor`: name, value, unit, state, six thresholds
        value = f"{cells[1]} {cells[2]}" if re.fullmatch(r"-?[\d.]+", cells[1]) else cells[1]
        return (cells[0], cells[3], value, "") if cells[0] and (_WORDS.fullmatch(cells[3]) or cells[3].startswith("0x")) else None
    if len(cells) == 5 and re.fullmatch(r"[0-9A-Fa-f]{2}h", cells[1]) and _WORDS.fullmatch(cells[2]):
        return cells[0], cells[2], cells[4], cells[3]
    if len(cells) == 3 and "|" in row and cells[0] and _WORDS.fullmatch(cells[2]):
        return cells[0], cells[2], cells[1], ""
    if len(cells) >= 4 and "|" not in row and cells[0] and _WORDS.fullmatch(cells[3]) and not re.fullmatch(r"[0-9A-Fa-f]{2}h", cells[1]):
        return cells[0], cells[3], f"{cells[1]} {cells[2]}".strip(), ""
    return None


def _reading(name: str, state: str, value: str) -> SensorValue:
    if found := _VALUE.fullmatch(value):
        return SensorValue(name=told(name), value=float(found[1]), unit=_unit(found[2]), health=_STATES.get(state, ""))
    silent = state in ("ns", "na") or value.lower() in ("no reading", "disabled", "na", "not readable", "")
    note = "no reading" if silent and not value else told(value) or value[:200]
    return SensorValue(name=told(name), health="" if silent else _STATES.get(state, ""), note=note)


def _unit(word: str) -> str:
    return {"degrees C": "C", "degrees F": "F", "degrees K": "K", "Volts": "V", "Watts": "W", "Amps": "A", "percent": "%"}.get(
        word.strip(), word.strip()
    )


def read_sel(text: str) -> Parts:
    """An event a line. Raises Refused where the text is none; an empty log is no refusal."""
    rows = plain.whole_lines(text)
    if any("SEL has no entries" in row for row in rows):
        return Parts()
    found = [cells for row in rows if (cells := _sel_cells(row))][:MOST_ITEMS]
    if not found:
        raise Refused(f"ipmitool listed no event; it said: {plain.first(rows)}")
    return Parts(log=tuple(_event(cells) for cells in found))


def _sel_cells(row: str) -> list[str] | None:
    """The cells of `id | date | time | sensor | event | Asserted`, or of `id | OEM record e0 | octets`, which has no time.

    A log before the clock was set has `Pre-Init` and seconds.
    """
    if not _ENTRY.match(row):
        return None
    cells = [cell.strip() for cell in (row.split("|") if "|" in row else row.split(","))]
    if len(cells) >= 3 and cells[1].startswith("OEM record"):
        return cells
    if len(cells) >= 4 and re.fullmatch(r"\d{2}/\d{2}/\d{2,4}|Pre-Init.*|Unknown|Unspecified", cells[1]):
        return cells
    return None


def _event(cells: list[str]) -> LogEntry:
    if cells[1].startswith("OEM record"):
        return LogEntry(id=cells[0], sensor=cells[1][:200], text=told(" ".join(cells[2:])))
    dated = bool(re.fullmatch(r"\d{2}/\d{2}/\d{2,4}", cells[1]))
    rest = cells[3:] if re.fullmatch(r"[\d:]+(?: [A-Z]{2,5})?|Time.*|", cells[2]) else cells[2:]
    asserted = next((way for word, way in (("Asserted", True), ("Deasserted", False)) if word in rest[2:]), None)
    event = rest[1] if len(rest) > 1 else ""
    text = told(" | ".join(word for word in rest[1:] if word not in ("Asserted", "Deasserted")))
    return LogEntry(
        id=cells[0],
        at=_moment(cells[1], re.sub(r" [A-Z]{2,5}$", "", cells[2])) if dated else "",
        sensor=told(rest[0] if rest else ""),
        text=text,
        health="" if asserted is False else _severity(f"{rest[0] if rest else ''} {event}"),
        asserted=asserted,
    )


def _severity(words: str) -> Health:
    """By the event's words (IPMI 2.0, table 42). What names no trouble is not judged."""
    if _POOR.search(words) and not re.search(r"uncorrectable|non-recoverable", words, re.I):
        return "warning"
    return "failed" if _BAD.search(words) else ""


def _moment(day: str, time: str) -> str:
    for form in ("%m/%d/%Y %H:%M:%S", "%m/%d/%y %H:%M:%S", "%b-%d-%Y %H:%M:%S"):
        try:
            return datetime.strptime(f"{day} {time}", form).isoformat()  # noqa: DTZ007  - the BMC's own time has no zone
        except ValueError:
            continue
    return ""


def read_freeipmi(text: str) -> Parts:
    """`ipmi-sel`, `ipmi-sensors` and `ipmimonitoring`: a table with its titles. Raises Refused without titles."""
    rows = plain.lines(text)
    at = next((n for n, row in enumerate(rows) if re.match(r"ID\s*[|,]\s*(?:Name|Date)\s*[|,]", row)), -1)
    if at < 0:
        raise Refused(f"no titles of a FreeIPMI table; the report begins with: {plain.first(rows)}")
    separator = "|" if "|" in rows[at] else ","
    titles = [cell.strip() for cell in rows[at].split(separator)]
    found = []
    if rows[-1] and not re.search(r"(?:'|N/A)$", rows[-1]):
        rows.pop()
    for row in rows[at + 1 :]:
        cells = [cell.strip() for cell in row.split(separator, len(titles) - 1)]
        if len(cells) == len(titles) and cells[0].isdigit():
            found.append(dict(zip(titles, cells, strict=True)))
    if "Date" in titles:
        return Parts(log=tuple(_freeipmi_event(one) for one in found[:MOST_ITEMS]))
    return Parts(readings=tuple(_freeipmi_reading(one) for one in found[:MOST_ITEMS]))


def _freeipmi_event(one: dict[str, str]) -> LogEntry:
    return LogEntry(
        id=one["ID"],
        at=_moment(one["Date"], one.get("Time", "")),
        sensor=told(one.get("Name", "")),
        text=told(one.get("Event", "")),
        health=_STATES.get(one.get("State", "").lower(), ""),
        asserted={"Assertion Event": True, "Deassertion Event": False}.get(one.get("Event Direction", "")),
    )


def _freeipmi_reading(one: dict[str, str]) -> SensorValue:
    """Without a column of states, only the event `OK` is a verdict."""
    event = told(one.get("Event", "").strip("'"))
    state = one.get("State", "Nominal" if event == "OK" else "")
    number = re.fullmatch(r"-?\d{1,9}(?:\.\d{1,6})?", one.get("Reading", ""))
    return SensorValue(
        name=told(one["Name"]),
        value=float(number[0]) if number else None,
        unit=told(one.get("Units", "")) if number else "",
        health=_STATES.get(state.lower(), ""),
        note="" if number and event == "OK" else event,
    )


def read_dcmi(text: str) -> Parts:
    """The machine's power now, in watts. A zero beside "not available" is no reading. Raises Refused without it."""
    one = plain.pairs(plain.lines(text))
    value = one.get("Current Power") or one.get("Instantaneous power reading") or ""
    found = re.fullmatch(r"(\d{1,6}) Watts", value, re.IGNORECASE)
    if not found:
        raise Refused(f"no power reading; the report says {told(value) or plain.first(plain.lines(text))}")
    return Parts(readings=(SensorValue(name="Current Power", value=float(found[1]), unit="W"),))
