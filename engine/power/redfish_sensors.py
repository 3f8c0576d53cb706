"""What a Redfish service measures: the `Sensor` resources of a chassis where it has them, else its older `Thermal` and `Power`.

Bounded: 8 chassis, 256 sensors each; a service with more gives a part. Sensors that are absent are left out, as with IPMI.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import Sensor, SensorsRead, SessionFailed
from .redfish_session import Json, RedfishSession

_CHASSIS, _SENSORS = 8, 256
_UNITS = {"Cel": "°C", "{rev}/min": "RPM", "RPM": "RPM", "%": "%", "V": "V", "W": "W", "A": "A", "Percent": "%"}
_OLD = (
    ("Thermal", "Temperatures", "Temperature", ("ReadingCelsius",), "°C"),
    ("Thermal", "Fans", "Fan", ("Reading",), ""),
    ("Power", "Voltages", "Voltage", ("ReadingVolts",), "V"),
    ("Power", "PowerControl", "Power", ("PowerConsumedWatts",), "W"),
    ("Power", "PowerSupplies", "Power Supply", ("PowerInputWatts", "LastPowerOutputWatts"), "W"),
)
"""Resource, list in it, kind, where the reading is, its unit (empty: said beside it)."""


def read_sensors(session: RedfishSession, system: dict[str, Json]) -> SensorsRead:
    """All that is measured in the chassis of this system. Raises `SessionFailed`."""
    links = system.get("Links")
    chassis = links.get("Chassis") if isinstance(links, dict) else None
    found: list[Sensor] = []
    for one in chassis[:_CHASSIS] if isinstance(chassis, list) else []:
        body = session.get(one).body
        found += _new(session, body["Sensors"]) if isinstance(body.get("Sensors"), dict) else _older(session, body)
    return SensorsRead(sensors=tuple(found))


def _new(session: RedfishSession, collection: Json) -> Iterator[Sensor]:
    members = session.get(collection).body.get("Members")
    for one in members[:_SENSORS] if isinstance(members, list) else []:
        about = session.get(one).body
        if not _absent(about):
            kind, units = about.get("ReadingType"), about.get("ReadingUnits")
            yield _sensor(about, str(kind or ""), about.get("Reading"), str(units or ""))


def _older(session: RedfishSession, chassis: dict[str, Json]) -> Iterator[Sensor]:
    bodies: dict[str, Any] = {}
    for resource, group, kind, readings, unit in _OLD:
        if not isinstance(chassis.get(resource), dict):
            continue
        if resource not in bodies:
            try:
                bodies[resource] = session.get(chassis[resource]).body
            except SessionFailed as error:
                if error.failed.kind != "unsupported":
                    raise
                bodies[resource] = {}  # a link to nothing: there are such chassis
        rows = bodies[resource].get(group)
        for about in rows[:_SENSORS] if isinstance(rows, list) else []:
            if isinstance(about, dict) and not _absent(about):
                value = next((about[name] for name in readings if about.get(name) is not None), None)
                yield _sensor(about, kind, value, unit or str(about.get("ReadingUnits") or ""))


def _absent(about: dict[str, Json]) -> bool:
    status = about.get("Status")
    return isinstance(status, dict) and status.get("State") in ("Absent", "Disabled")


def _sensor(about: dict[str, Json], kind: str, value: Json, units: str) -> Sensor:
    status = about.get("Status")
    health = status.get("Health") if isinstance(status, dict) else None
    name = about.get("Name") or about.get("FanName") or about.get("MemberId") or ""
    number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15 else None
    states = (_text(health),) if isinstance(health, str) and health != "OK" else ()
    return Sensor(name=_text(name), kind=_text(kind), value=number, units=_UNITS.get(units, _text(units)), states=states, ok=not states)


def _text(said: Json) -> str:
    return "".join(c for c in str(said)[:80] if c.isprintable())
