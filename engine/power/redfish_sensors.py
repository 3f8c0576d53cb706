"""The sensors of a Redfish service, and its own clock.

The place of the readings depends on the age of a service: in the `Sensor` resources of a chassis; in its `ThermalSubsystem`,
`PowerSubsystem` and `EnvironmentMetrics` (DSP2046 since 2020.4); or in its `Thermal` and `Power`, which came first. Only the first of
these with readings is used, because they describe the same sensors.

Rules
* Each sensor that a service lists is a result, or is left out with a reason: absent, without a reading, unreadable, no time.
* A reading is in the schema's field, or in another field that services use for it; it may be a text.
* The chassis are those that the system names, or else those that name the system, or else all.

Bounded: 8 chassis, 256 sensors of a kind each. From a larger service only a part is read.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator
from contextlib import suppress

from ..vitals import Health
from . import Clock, LeftOut, Sensor, SensorsRead, SessionFailed
from .redfish_body import Json, member, rows
from .redfish_session import RedfishSession

_CHASSIS, _SENSORS, _MOST = 8, 256, 2048
_UNITS = {"Cel": "°C", "{rev}/min": "RPM", "RPM": "RPM", "%": "%", "V": "V", "W": "W", "A": "A", "Percent": "%"}
_CELSIUS = ("ReadingCelsius", "Reading", "CurrentReading", "TemperatureCelsius")
_FAN = ("Reading", "SpeedPercent", "ReadingRPM", "CurrentReading", "SpeedRPM")
_VOLTS = ("ReadingVolts", "Reading", "CurrentReading", "Voltage")
_WATTS = ("PowerConsumedWatts", "Reading", "PowerWatts")
_SUPPLY = ("PowerInputWatts", "InputPowerWatts", "PowerOutputWatts", "OutputPowerWatts", "LastPowerOutputWatts", "Reading")
_OLD = (
    ("Thermal", "Temperatures", "Temperature", _CELSIUS, "°C"),
    ("Thermal", "Fans", "Fan", _FAN, ""),
    ("Power", "Voltages", "Voltage", _VOLTS, "V"),
    ("Power", "PowerControl", "Power", _WATTS, "W"),
    ("Power", "PowerSupplies", "Power Supply", _SUPPLY, "W"),
)
"""Resource, its list, kind, fields of the reading, unit (empty: beside the reading)."""
_NAMES = ("Name", "FanName", "DeviceName", "MemberId", "Id")
_NOT_THERE = ("Absent", "Disabled", "UnavailableOffline")

Found = Sensor | LeftOut


def read_sensors(session: RedfishSession, path: str, system: dict[str, Json], now: Callable[[], float]) -> SensorsRead:
    """All sensors in the chassis of this system. Raises `SessionFailed` if nothing at all can be read."""
    found: list[Found] = []
    failure: SessionFailed | None = None
    for link in _chassis(session, path, system):
        try:
            chassis = session.get(link, path).body
            for way in (_sensors, _subsystems, _older):
                one = list(way(session, chassis))
                found += one
                if any(isinstance(each, Sensor) for each in one):
                    break
        except SessionFailed as error:
            failure = failure or error
            found.append(LeftOut(name="a chassis", why=error.failed.message))
    sensors = tuple(one for one in found if isinstance(one, Sensor))
    if failure is not None and not sensors:
        raise failure
    clock = None
    with suppress(SessionFailed):
        clock = read_clock(session, system, now)
    left_out = tuple(one for one in found if isinstance(one, LeftOut))
    return SensorsRead(sensors=sensors[:_MOST], left_out=left_out[:_MOST], clock=clock)


def read_clock(session: RedfishSession, system: dict[str, Json], now: Callable[[], float]) -> Clock | None:
    """The clock of the BMC from its `Manager`. None: not reported. Raises `SessionFailed`."""
    managers = rows(member(system, "Links").get("ManagedBy")) or session.members(session.root.get("Managers") or {"@odata.id": ""}, 2)
    for link in managers[:2]:
        before = now()
        manager = session.get(link).body
        shows = manager.get("DateTime")
        at = _moment(shows, manager.get("DateTimeLocalOffset"))
        if at is not None:
            return Clock(shows=_text(shows), off_s=round(at - (before + now()) / 2, 1))
    return None


def _moment(shows: Json, offset: Json) -> float | None:
    """Seconds since 1970 of a date and time (DSP0266 9.5.5: RFC 3339). Without an offset: the manager's offset, or else UTC."""
    if not isinstance(shows, str) or len(shows) > 40:
        return None
    try:
        at = datetime.datetime.fromisoformat(shows.strip().replace("Z", "+00:00"))
        if at.tzinfo is None:
            known = isinstance(offset, str) and re.fullmatch(r"[+-]\d\d:\d\d", offset)
            at = datetime.datetime.fromisoformat(at.isoformat() + (str(offset) if known else "+00:00"))
        return at.timestamp()
    except (ValueError, OverflowError):
        return None


def _chassis(session: RedfishSession, path: str, system: dict[str, Json]) -> list[Json]:
    named = rows(member(system, "Links").get("Chassis"))
    if named:
        return named[:_CHASSIS]
    with suppress(SessionFailed):  # then it has none
        every = session.members(session.root.get("Chassis") or {"@odata.id": ""}, _CHASSIS)[:_CHASSIS]
        return [one for one in every if _holds(session, one, path)] or every
    return []


def _holds(session: RedfishSession, chassis: Json, path: str) -> bool:
    with suppress(SessionFailed):
        systems = rows(member(session.get(chassis).body, "Links").get("ComputerSystems"))
        return any(session.path(one).rstrip("/") == path.rstrip("/") for one in systems)
    return False


# The three ways


def _sensors(session: RedfishSession, chassis: dict[str, Json]) -> Iterator[Found]:
    for name, about in _each(session, chassis.get("Sensors"), "Sensors"):
        if isinstance(about, LeftOut):
            yield about
            continue
        kind, units = about.get("ReadingType"), about.get("ReadingUnits")
        yield _sensor(about, str(kind or ""), ("Reading", "ReadingCelsius", "ReadingVolts"), str(units or ""), name)


def _subsystems(session: RedfishSession, chassis: dict[str, Json]) -> Iterator[Found]:
    thermal, power = _body(session, chassis.get("ThermalSubsystem")), _body(session, chassis.get("PowerSubsystem"))
    metrics = _body(session, thermal.get("ThermalMetrics"))
    for row in rows(metrics.get("TemperatureReadingsCelsius"))[:_SENSORS]:
        yield _row(row, "Temperature", ("Reading",), "°C")
    for name, about in _each(session, thermal.get("Fans"), "Fans"):
        yield about if isinstance(about, LeftOut) else _fan(about, name)
    for name, about in _each(session, power.get("PowerSupplies"), "PowerSupplies"):
        if isinstance(about, LeftOut):
            yield about
            continue
        read = _body(session, about.get("Metrics"))
        yield _sensor({**read, **about}, "Power Supply", _SUPPLY, "W", name)
    around = _body(session, chassis.get("EnvironmentMetrics"))
    for field, kind, unit in (("TemperatureCelsius", "Temperature", "°C"), ("PowerWatts", "Power", "W")):
        if isinstance(around.get(field), dict):
            yield _sensor(around[field], kind, ("Reading",), unit, field)


def _fan(about: dict[str, Json], name: str) -> Found:
    """A `Fan` has both in `SpeedPercent`: percent as its reading, and turns if known."""
    speed = member(about, "SpeedPercent")
    turns = _number(speed.get("SpeedRPM"))
    if turns is None:
        return _sensor(about, "Fan", _FAN, "%", name)
    return _sensor({**about, "Reading": turns}, "Fan", ("Reading",), "RPM", name)


def _older(session: RedfishSession, chassis: dict[str, Json]) -> Iterator[Found]:
    bodies = {name: _body(session, chassis.get(name)) for name in ("Thermal", "Power")}
    for resource, group, kind, readings, unit in _OLD:
        for about in rows(bodies[resource].get(group))[:_SENSORS]:
            yield _row(about, kind, readings, unit)


def _row(about: Json, kind: str, readings: tuple[str, ...], unit: str) -> Found:
    if not isinstance(about, dict):
        return LeftOut(name=kind, why="it is no object")
    return _sensor(about, kind, readings, unit or str(about.get("ReadingUnits") or about.get("Units") or ""), "")


def _body(session: RedfishSession, link: Json) -> dict[str, Json]:
    """The resource behind a link. Nothing if the link leads nowhere: some chassis have such links."""
    if not isinstance(link, dict):
        return {}
    try:
        return session.get(link).body
    except SessionFailed as error:
        if error.failed.kind != "unsupported":
            raise
        return {}


def _each(session: RedfishSession, collection: Json, what: str) -> Iterator[tuple[str, dict[str, Json] | LeftOut]]:
    """The members of a collection, each with the last part of its link, or why it could not be read."""
    if not isinstance(collection, dict):
        return
    try:
        links = session.members(collection, _SENSORS)
    except SessionFailed as error:
        yield what, LeftOut(name=what, why=error.failed.message)
        return
    for link in links[:_SENSORS]:
        written_out = isinstance(link, dict) and len(link) > 3  # a link has one member, some services add a title
        said = link.get("@odata.id") if isinstance(link, dict) else link
        name = _text(str(said).rstrip("/").rpartition("/")[2])
        try:
            yield name, link if written_out else session.get(link).body
        except SessionFailed as error:
            yield name, LeftOut(name=name, why=error.failed.message)


# One


def _sensor(about: dict[str, Json], kind: str, readings: tuple[str, ...], units: str, name: str) -> Found:
    status = member(about, "Status")
    name = _text(next((about[one] for one in _NAMES if isinstance(about.get(one), str) and about[one]), name or kind))
    if status.get("State") in _NOT_THERE:
        return LeftOut(name=name, why=f"its state is {status['State']}")
    value = next((number for one in readings if (number := _number(about.get(one))) is not None), None)
    health = status.get("Health")
    states = (_text(health),) if isinstance(health, str) and health != "OK" else ()
    if value is None and not states and not (kind == "Power Supply" and health):
        return LeftOut(name=name, why=_why_not(about, readings))
    bad: Health = "" if not states else "failed" if health == "Critical" else "warning"
    return Sensor(name=name, kind=_text(kind), value=value, units=_UNITS.get(units, _text(units)), states=states, ok=not states, health=bad)


def _why_not(about: dict[str, Json], readings: tuple[str, ...]) -> str:
    there = [one for one in readings if one in about]
    if there:
        return f"its {there[0]} is {'null' if about[there[0]] is None else 'no number'}"
    others = sorted(_text(one) for one in about if "eading" in one or "atts" in one)[:5]
    return "it has no reading" + (f" in a field that we know; it has {', '.join(others)}" if others else "")


def _number(said: Json) -> float | None:
    """The value of a number, of a text that is one, or of the `Reading` in an excerpt of a sensor (DSP2046)."""
    said = said.get("Reading") if isinstance(said, dict) else said
    if isinstance(said, str) and re.fullmatch(r"\s*[+-]?\d{1,12}(\.\d{1,12})?\s*", said):
        said = float(said)
    return float(said) if isinstance(said, int | float) and not isinstance(said, bool) and abs(said) < 1e15 else None


def _text(said: Json) -> str:
    return "".join(c for c in str(said)[:80] if c.isprintable())
