"""What a simulated BMC shows of its machine's health by Redfish: the same sensors, event log and clock as by IPMI (`sim_vitals`).

    Chassis/1/Thermal   Chassis/1/Power   Managers/1/LogServices/SEL, SEL/Entries   Managers/1 DateTime

A machine without sensors and events shows none of these. Entries are read-only, and the log is cleared by IPMI alone.

Schemas: DSP2046 Thermal, Power, LogService, LogEntry; event records: IPMI 2.0 table 32-1.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable

from .commands import Commands
from .redfish_reply import ROOT, Json, collection, link
from .sim_vitals import FAN, SUPPLY, TEMPERATURE, SimSensor

CHASSIS, MANAGER = f"{ROOT}/Chassis/1", f"{ROOT}/Managers/1"
THERMAL, POWER = f"{CHASSIS}/Thermal", f"{CHASSIS}/Power"
LOGS = f"{MANAGER}/LogServices"
SEL = f"{LOGS}/SEL"
ENTRIES = f"{SEL}/Entries"
_BEYOND = {"": "OK", "upper non-critical": "Warning", "upper critical": "Critical", "lower critical": "Critical"}
_PRESENT, _FAILED, _NO_INPUT = 0x01, 0x02, 0x08
_TYPES = {TEMPERATURE: "Temperature", FAN: "Fan", SUPPLY: "Power Supply / Converter", 0x0C: "Memory"}
_DEASSERTED = 0x80


def health(commands: Commands) -> Callable[[str], dict[str, Json] | None]:
    """`Tree.more` of a BMC: members of a resource that it has, or a resource."""

    def more(path: str) -> dict[str, Json] | None:
        vitals = commands.vitals
        if not vitals.sensors and not commands.events:
            return None
        if path.startswith(f"{ENTRIES}/"):
            return _entry(commands, path.rpartition("/")[2])
        make = _RESOURCES.get(path)
        return make(commands) if make is not None else None

    return more


def _status(health: str, state: str = "Enabled") -> Json:
    return {"State": state, "Health": health}


def _of(commands: Commands, kind: int) -> list[SimSensor]:
    return [one for one in commands.vitals.sensors if one.type == kind]


def _thermal(commands: Commands) -> dict[str, Json]:
    warm = [
        {"@odata.id": f"{THERMAL}#/Temperatures/{n}", "MemberId": str(n), "Name": one.name, "ReadingCelsius": one.value,
         "Status": _status(_BEYOND[one.beyond])}
        for n, one in enumerate(_of(commands, TEMPERATURE))
    ]  # fmt: skip
    fans = [
        {"@odata.id": f"{THERMAL}#/Fans/{n}", "MemberId": str(n), "Name": one.name, "Reading": one.value * 60, "ReadingUnits": "RPM",
         "Status": _status(_BEYOND[one.beyond])}
        for n, one in enumerate(_of(commands, FAN))
    ]  # fmt: skip
    about = {"@odata.type": "#Thermal.v1_6_0.Thermal", "@odata.id": THERMAL, "Id": "Thermal", "Name": "Thermal"}
    return {**about, "Temperatures": warm, "Fans": fans}


def _power(commands: Commands) -> dict[str, Json]:
    rows: list[Json] = []
    for n, one in enumerate(_of(commands, SUPPLY)):
        state = "Enabled" if one.states & _PRESENT else "Absent"
        grade = "Critical" if one.states & (_FAILED | _NO_INPUT) else "OK"
        about = {"@odata.id": f"{POWER}#/PowerSupplies/{n}", "MemberId": str(n), "Name": one.name, "Status": _status(grade, state)}
        rows.append(about | {"PowerInputWatts": 0 if one.states & _NO_INPUT else 180})
    return {"@odata.type": "#Power.v1_6_0.Power", "@odata.id": POWER, "Id": "Power", "Name": "Power", "PowerSupplies": rows}


def _log(commands: Commands) -> dict[str, Json]:
    return {
        "@odata.type": "#LogService.v1_1_0.LogService", "@odata.id": SEL, "Id": "SEL", "Name": "System Event Log", "LogEntryType": "SEL",
        "OverWritePolicy": "NeverOverWrites", "MaxNumberOfRecords": commands.vitals.room, "ServiceEnabled": True, "Entries": link(ENTRIES),
        "Status": _status("OK"),
    }  # fmt: skip


def _entries(commands: Commands) -> dict[str, Json]:
    first = commands.vitals.first
    rows = [one for n in range(len(commands.events)) if (one := _entry(commands, str(first + n))) is not None]
    return {**collection(ENTRIES, "LogEntryCollection", []), "Members": rows, "Members@odata.count": len(rows)}


def _entry(commands: Commands, number: str) -> dict[str, Json] | None:
    at = int(number) - commands.vitals.first if number.isdecimal() and len(number) < 7 else -1
    if not 0 <= at < len(commands.events):
        return None
    event = commands.events[at]
    if event[0] != 0x02:  # a record of somebody else's kind, such as a challenge
        about = {"@odata.type": "#LogEntry.v1_4_0.LogEntry", "@odata.id": f"{ENTRIES}/{number}", "Id": number, "Name": f"Entry {number}"}
        return {**about, "EntryType": "SEL", "Severity": "OK", "Message": f"record of type {event[0]:02X}h"}
    kind, sensor, direction = event[8], event[9], event[10]
    named = next((one.name for n, one in enumerate(commands.vitals.sensors, 2) if n == sensor), f"sensor {sensor}")
    created = datetime.datetime.fromtimestamp(int.from_bytes(event[1:5], "little"), datetime.UTC)
    ended = bool(direction & _DEASSERTED)
    return {
        "@odata.type": "#LogEntry.v1_4_0.LogEntry", "@odata.id": f"{ENTRIES}/{number}", "Id": number, "Name": f"Entry {number}",
        "EntryType": "SEL", "EntryCode": "Deassert" if ended else "Assert", "Created": created.isoformat(timespec="seconds"),
        "SensorType": _TYPES.get(kind, f"Type {kind:02X}h"), "SensorNumber": sensor, "Severity": "OK" if ended else "Critical",
        "Message": f"{named}: event {event[11] & 0xF:X}h",
    }  # fmt: skip


def _clock(commands: Commands) -> str:
    at = datetime.datetime.fromtimestamp(time.time() + commands.vitals.clock_off_s, datetime.UTC)
    return at.isoformat(timespec="seconds")


_RESOURCES: dict[str, Callable[[Commands], dict[str, Json]]] = {
    CHASSIS: lambda _: {"Thermal": link(THERMAL), "Power": link(POWER)},
    MANAGER: lambda commands: {"LogServices": link(LOGS), "DateTime": _clock(commands), "DateTimeLocalOffset": "+00:00"},
    THERMAL: _thermal,
    POWER: _power,
    LOGS: lambda _: collection(LOGS, "LogServiceCollection", [SEL]),
    SEL: _log,
    ENTRIES: _entries,
}
