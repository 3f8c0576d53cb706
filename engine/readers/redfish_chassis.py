"""Redfish: power supplies, readings, the event log, and PCIe devices (DSP2046, old and new schemas).

Traps
* A reading of an absent sensor is no reading. Of HPE's absent ones the value is 0.
* iDRAC's 255 for a temperature that it cannot read is not a temperature.
* The log of an audit is a LogEntry too; here it is read like any other, and the walk over a tree does not ask for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..parts import Card, Firmware, Health, LogEntry, Parts, PowerSupply, SensorValue
from .redfish_json import (
    Body,
    as_number,
    first,
    health_of,
    inner,
    is_absent,
    label,
    moment_of,
    name_of,
    note_of,
    oem,
    parent_of,
    path_of,
    rows,
    state_of,
    text,
    whole,
)
from .report import told

_UNITS = {"cel": "°C", "{rev}/min": "RPM", "rpm": "RPM", "%": "%", "percent": "%", "v": "V", "w": "W", "a": "A", "j": "J", "kw.h": "kWh"}
_SEVERITY: dict[str, Health] = {"ok": "ok", "informational": "ok", "warning": "warning", "caution": "warning", "critical": "failed"}
_CLASSES = {
    "networkcontroller": "network controller",
    "massstoragecontroller": "mass storage controller",
    "displaycontroller": "display controller",
    "processingaccelerators": "processing accelerator",
    "coprocessor": "coprocessor",
    "bridge": "bridge",
    "serialbuscontroller": "serial bus controller",
    "wirelesscontroller": "wireless controller",
    "encryptioncontroller": "encryption controller",
    "multimediacontroller": "multimedia controller",
}


# -- power --


def power(body: Body) -> Parts:
    """The older Power: supplies, voltages, and what the machine takes."""
    supplies = [_supply(one) for one in rows(body, "PowerSupplies")]
    firmware = [(made, version) for made, version in supplies if made is not None and version]
    readings = [
        *_readings(rows(body, "Voltages"), ("ReadingVolts",), "V"),
        *_readings(rows(body, "PowerControl"), ("PowerConsumedWatts",), "W"),
    ]
    watts = as_number(body.get("PowerConsumedWatts"))
    if watts is not None and not rows(body, "PowerControl"):
        readings.append(SensorValue(name="Power consumed", value=float(watts), unit="W"))
    return Parts(
        supplies=tuple(made for made, _ in supplies if made is not None),
        firmware=tuple(Firmware(part="psu", version=version, place=made.place, name=made.model) for made, version in firmware),
        readings=tuple(readings),
    )


def power_supply(body: Body) -> Parts:
    made, version = _supply(body)
    if made is None:
        return Parts()
    firmware = (Firmware(part="psu", version=version, place=made.place, name=made.model),) if version else ()
    return Parts(supplies=(made,), firmware=firmware)


def _supply(body: Body) -> tuple[PowerSupply | None, str]:
    here = not is_absent(body)
    version = text(body, "FirmwareVersion")
    output = next(
        (
            as_number(body[one])
            for one in ("PowerOutputWatts", "OutputPowerWatts", "LastPowerOutputWatts")
            if as_number(body.get(one)) is not None
        ),
        None,
    )
    made = PowerSupply(
        place=_supply_place(body),
        present=here,
        vendor=text(body, "Manufacturer"),
        model=text(body, "Model"),
        number=text(body, "PartNumber") or text(body, "SparePartNumber"),
        serial=text(body, "SerialNumber"),
        watts=round(watts) if (watts := as_number(body.get("PowerCapacityWatts"))) is not None and 0 < watts < 100_000 else 0,
        output=float(output) if here and output is not None and 0 <= output < 100_000 else None,
        firmware=version,
        health=health_of(body) if here else "",
        note=(note_of(body) or _hpe_note(body)) if here and health_of(body) not in ("", "ok") else "",
    )
    known = made.model or made.serial or made.watts or made.health or inner(body, "Status")
    return (made if known else None), version if here else ""


def _supply_place(body: Body) -> str:
    bay = whole(oem(body, "Hpe", "Hp"), "BayNumber", most=100)
    member = text(body, "MemberId", "Id")
    name = text(body, "Name")
    generic = re.fullmatch(r"(?i)(hpe?server)?power ?supply( bay)?|nil", name)
    numbered = f"PSU {member}" if member else ""
    return first(
        (label(body), f"Bay {bay}" if bay else "", member if not member.isdigit() else "", "" if generic else name, numbered, name_of(body))
    )


def _hpe_note(body: Body) -> str:
    return text(inner(oem(body, "Hpe", "Hp"), "PowerSupplyStatus"), "State")


# -- readings --


def thermal(body: Body) -> Parts:
    """The older Thermal: temperatures and fans."""
    fans = [
        reading
        for one in rows(body, "Fans")
        for reading in _readings([one], ("Reading", "CurrentReading", "ReadingRPM"), text(one, "ReadingUnits", "Units"))
    ]
    heat = _readings(rows(body, "Temperatures"), ("ReadingCelsius", "CurrentReading", "Reading"), "Cel")
    return Parts(readings=(*heat, *fans))


def _readings(found: list[Body], names: tuple[str, ...], unit: str) -> Iterator[SensorValue]:
    for one in found:
        if is_absent(one) or state_of(one) in ("disabled", "unavailableoffline"):
            continue
        value = next((number for name in names if (number := as_number(one.get(name))) is not None), None)
        made = _reading(one, value, unit)
        if made is not None:
            yield made


def _reading(body: Body, value: float | None, unit: str, name: str = "") -> SensorValue | None:
    name = name or text(body, "Name", "FanName", "DeviceName") or _numbered(body, unit)
    unit = _UNITS.get(unit.lower(), unit)
    if unit == "°C" and value is not None and not -60 <= value < 200:
        value = None
    if not name or (value is None and health_of(body) in ("", "ok")):
        return None
    note = note_of(body) or ("" if value is not None else "no value")
    return SensorValue(name=name, value=None if value is None else float(value), unit=unit, health=health_of(body), note=note)


def _numbered(body: Body, unit: str) -> str:
    """A name for a reading that has only a number: HPE's power control is `0`."""
    own = text(body, "MemberId", "Id")
    return own if not own.isdigit() else f"{'power' if unit == 'W' else 'sensor'} {own}"


def sensor(body: Body) -> Parts:
    if is_absent(body):
        return Parts()
    made = _reading(body, as_number(body.get("Reading")), text(body, "ReadingUnits"))
    return Parts(readings=(made,) if made else ())


def fan(body: Body) -> Parts:
    """Of the newer ThermalSubsystem: turns where they are told, else per cent."""
    if is_absent(body):
        return Parts()
    speed = inner(body, "SpeedPercent")
    turns = as_number(speed.get("SpeedRPM"))
    made = _reading(body, turns, "RPM") if turns is not None else _reading(body, as_number(speed.get("Reading")), "%")
    return Parts(readings=(made,) if made else ())


def metrics(body: Body) -> Parts:
    """ThermalMetrics, EnvironmentMetrics and PowerSupplyMetrics: excerpts of sensors."""
    found: list[SensorValue | None] = []
    for one in rows(body, "TemperatureReadingsCelsius"):
        found.append(_reading(one, as_number(one.get("Reading")), "Cel", text(one, "DeviceName", "Name", "PhysicalContext")))
    path = path_of(body)
    owner = first(parent_of(path, one) for one in ("PowerSupplies", "Drives", "Memory", "Processors", "NetworkAdapters", "Chassis"))
    for name, unit in (("TemperatureCelsius", "Cel"), ("PowerWatts", "W"), ("OutputPowerWatts", "W"), ("InputVoltage", "V")):
        if inner(body, name):
            words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", re.sub("Celsius|Watts", "", name)).lower()
            found.append(_reading({}, as_number(body[name]), unit, f"{owner} {words}".strip()))
    return Parts(readings=tuple(one for one in found if one is not None))


# -- the event log --


def log_entry(body: Body) -> Parts:
    own = text(body, "Id", "RecordId") or name_of(body)
    said = first((text(body, "Message", most=500), text(body, "Name")))
    code = text(body, "EntryCode").lower()
    kind, number = text(body, "SensorType"), whole(body, "SensorNumber", most=1 << 16)
    repaired = oem(body, "Hpe", "Hp").get("Repaired")
    if not own:
        return Parts()
    made = LogEntry(
        id=own,
        at=moment_of(body.get("Created") or body.get("EventTimestamp")),
        sensor=first((kind, f"sensor {number}" if number else "")),
        text=said,
        health=_SEVERITY.get(text(body, "Severity", "MessageSeverity").lower(), ""),
        asserted={"assert": True, "deassert": False}.get(code, False if repaired is True else None),
    )
    return Parts(log=(made,))


# -- PCIe --


def pcie_device(body: Body) -> Parts:
    """A PCIeDevice, or HPE's `HpeServerPciDevice` and `HpeServerDevice`."""
    if is_absent(body):
        return Parts()
    slot = inner(body, "Slot")
    name = text(body, "Name")
    place = first((label(slot), label(body), text(body, "LocationString", "DeviceLocation", "Location"), _slot_of(body), name_of(body)))
    model = first((text(body, "Model"), "" if re.match("(?i)pcie ?device", name) else name, text(body, "Description")))
    version = first((text(body, "FirmwareVersion"), text(inner(body, "FirmwareVersion", "Current"), "VersionString")))
    kind = _class_of(body)
    card = Card(
        place=place,
        id=_pair(body.get("VendorID"), body.get("DeviceID")),
        subsystem=_pair(body.get("SubsystemVendorID"), body.get("SubsystemDeviceID")),
        kind=kind,
        vendor=text(body, "Manufacturer"),
        model=model,
        number=text(body, "PartNumber", "ProductPartNumber"),
        serial=text(body, "SerialNumber"),
        health=health_of(body),
        note=note_of(body),
    )
    part = {"GPU": "gpu", "network controller": "nic", "mass storage controller": "controller"}.get(kind, "card")
    return Parts(cards=(card,), firmware=(Firmware(part=part, version=version, place=place, name=model),) if version else ())


def _slot_of(body: Body) -> str:
    return text(inner(oem(body, "Dell"), "DellPCIeDevice"), "SlotType") if "Slot" in name_of(body) else ""


def _class_of(body: Body) -> str:
    said = first((text(body, "DeviceType", "DeviceClass"), *(text(one, "DeviceClass") for one in rows(body, "PCIeFunctions"))))
    if "gpu" in f"{said} {text(body, 'Name', 'Id')}".lower():
        return "GPU"
    return "" if said in ("SingleFunction", "MultiFunction", "Simulated", "Retimer") else class_words(said)


def class_words(said: str) -> str:
    return _CLASSES.get(said.lower().replace(" ", ""), re.sub(r"(?<=[a-z])(?=[A-Z])", " ", said).lower())


def _pair(vendor: object, device: object) -> str:
    found = [f"{one:04x}" if isinstance(one, int) and 0 < one < 65536 else told(one).lower().removeprefix("0x") for one in (vendor, device)]
    good = all(re.fullmatch("[0-9a-f]{4}", one) for one in found)
    return ":".join(found) if good and found[0] not in ("0000", "ffff") else ""


def pcie_function(body: Body) -> Parts:
    if is_absent(body):
        return Parts()
    card = Card(
        place=parent_of(path_of(body), "PCIeDevices") or name_of(body),
        id=_pair(body.get("VendorId"), body.get("DeviceId")),
        subsystem=_pair(body.get("SubsystemVendorId"), body.get("SubsystemId")),
        kind=class_words(text(body, "DeviceClass")),
        health=health_of(body),
        note=note_of(body),
    )
    return Parts(cards=(card,)) if card.id or card.kind else Parts()
