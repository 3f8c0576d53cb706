"""`smartctl --json`: a drive, or the drives that a scan found. Source: smartmontools' JSON output, format 1.0.

Wear of a SATA drive is its endurance indicator (ACS-4 9.5.8.4, or `endurance_used` since smartmontools 7.4). Where it has none, it is an
attribute of Intel, Micron or Samsung whose normalized value is what is left, in per cent. Attributes of other makers count otherwise: a
Kingston with `SSD_Life_Left` 100 has 74 in the raw value.
"""

from __future__ import annotations

import re
from typing import Any

from engine.parts import Drive, DriveMedium, Health, Parts, Protocol
from engine.readers import plain
from engine.readers.plain import item
from engine.readers.report import Refused, told

NVME_WARNINGS = (
    "spare below the threshold",
    "temperature beyond a threshold",
    "reliability degraded",
    "media read only",
    "volatile memory backup failed",
    "persistent memory unreliable",
)
"""Bits of the critical warning (NVMe base specification, SMART / Health log)."""
_MEDIA: dict[str, DriveMedium] = {"tape": "tape", "CD/DVD": "optical", "optical disk(4)": "optical", "optical disk(7)": "optical"}
_NO_DRIVES = (
    "enclosure",
    "processor",
    "printer",
    "scanner",
    "medium changer",
    "storage array",
    "communications",
    "well known logical unit",
)
"""Types of SCSI devices, as smartctl's `scsiprint.cpp` spells them."""
MOST_BLOCK = 65536
_LEFT = {
    "Media_Wearout_Indicator": ("INTEL",),
    "Wear_Leveling_Count": ("SAMSUNG",),
    "Percent_Lifetime_Remain": ("MICRON", "MTFD", "CT", "CRUCIAL"),
}
"""Attributes -> how models begin at which the normalized value is what is left."""
_RAID_TYPE = re.compile(r"(?:sat\+)?(megaraid|cciss|areca|3ware|aacraid|hpt|sssraid),?")


def looks(text: str) -> bool:
    return plain.begins_json(text, "smartctl", "json_format_version")


def read(text: str) -> Parts:
    """One drive, or the names of a scan. Raises Refused where smartctl could not open a device."""
    top = plain.tree(text)
    said = [told(one.get("string")) for one in plain.many(item(top, "smartctl", "messages")) if isinstance(one, dict)]
    if isinstance(item(top, "devices"), list):
        return Parts(drives=tuple(_found(one) for one in plain.many(top["devices"]) if told(item(one, "name"))))
    if not any(item(top, key) for key in ("model_name", "serial_number", "scsi_product", "user_capacity", "wwn")):
        raise Refused(f"smartctl read no drive; it said: {'; '.join(said)[:160] or 'nothing'}")
    refuse_no_drive(told(item(top, "device_type", "name")))
    return Parts(drives=(_drive(top),), odd=tuple(said[:50]))


def refuse_no_drive(type: str) -> None:
    """Raises Refused for the type of a SCSI device that has no medium."""
    if type in _NO_DRIVES:
        raise Refused(f"the device is no drive: {type}")


def medium_of(type: str, protocol: Protocol, rotation: int | None) -> DriveMedium:
    """By the type of a SCSI device, or by the rotation rate; 0 is what solid state drives say."""
    return _MEDIA.get(type) or ("ssd" if protocol == "nvme" or rotation == 0 else "hdd" if rotation else "")


def device_name(path: str) -> str:
    """The kernel's name of a device that is one drive; empty for one behind a RAID controller (`/dev/bus/0`)."""
    return "" if path.startswith("/dev/bus/") else path.removeprefix("/dev/")


def _found(one: Any) -> Drive:
    name, kind = told(one.get("name")), told(one.get("type"))
    raid = _RAID_TYPE.match(kind)
    return Drive(name="" if raid else device_name(name), place=kind if raid else "", protocol=_protocol_of(told(one.get("protocol")), True))


def _protocol_of(word: str, serial_ata: bool) -> Protocol:
    return "nvme" if word == "NVMe" else "sata" if word == "ATA" and serial_ata else ""


def scsi_transport(word: str) -> Protocol:
    """Of a name like `SAS (SPL-4)`."""
    names: dict[str, Protocol] = {
        "SAS": "sas",
        "Parallel SCSI": "scsi",
        "Fibre": "fc",
        "iSCSI": "iscsi",
        "USB": "usb",
        "UAS": "usb",
        "SATA": "sata",
        "ATA": "sata",
    }
    return next((protocol for name, protocol in names.items() if word.startswith(name)), "")


def _drive(top: dict[str, Any]) -> Drive:
    kind = told(item(top, "device", "type"))
    raid = bool(_RAID_TYPE.match(kind))
    log = item(top, "nvme_smart_health_information_log") or {}
    rotation = plain.maybe(item(top, "rotation_rate"), 100_000)
    protocol = scsi_transport(told(item(top, "scsi_transport_protocol", "name")))
    protocol = protocol or _protocol_of(told(item(top, "device", "protocol")), bool(item(top, "sata_version")))
    health, note = _health(top)
    spare = next(iter(plain.many(item(top, "nvme_namespaces"))), None)
    return Drive(
        place=kind if raid else "",
        name="" if raid else device_name(told(item(top, "device", "name"))),
        vendor=told(item(top, "scsi_vendor") or item(top, "vendor")),
        model=told(item(top, "model_name") or item(top, "scsi_product") or item(top, "product")),
        serial=told(item(top, "serial_number")),
        wwn=_wwn(top),
        size=plain.integer(item(top, "user_capacity", "bytes"), plain.MOST_BYTES)
        or plain.integer(item(top, "nvme_total_capacity"), plain.MOST_BYTES),
        block=plain.integer(item(top, "logical_block_size") or item(spare, "formatted_lba_size"), MOST_BLOCK),
        medium=medium_of(told(item(top, "device_type", "name")), protocol, rotation),
        protocol=protocol,
        rpm=rotation or 0,
        firmware=told(item(top, "firmware_version") or item(top, "scsi_revision") or item(top, "revision")),
        health=health,
        note=note,
        wear=_wear(top, log),
        hours=plain.maybe(item(top, "power_on_time", "hours"), 10**7),
        temperature=plain.maybe(item(top, "temperature", "current"), 200),
        reallocated=_raw(top, 5, "Reallocated", "Retired_Block")
        if item(top, "ata_smart_attributes")
        else plain.maybe(item(top, "scsi_grown_defect_list")),
        pending=_raw(top, 197, "Pending"),
        media_errors=plain.maybe(log.get("media_errors")) if log else _uncorrected(top),
        link=_link(top),
    )


def _wwn(top: dict[str, Any]) -> str:
    naa, oui, rest = (plain.integer(item(top, "wwn", key)) for key in ("naa", "oui", "id"))
    if naa and oui < 2**24 and rest < 2**36:
        return plain.wwn(f"{naa:x}{oui:06x}{rest:09x}")
    space = next(iter(plain.many(item(top, "nvme_namespaces"))), None)
    oui, rest = (plain.integer(item(space, "eui64", key)) for key in ("oui", "ext_id"))
    if oui and oui < 2**24 and rest < 2**40:
        return f"{oui:06x}{rest:010x}"
    return plain.wwn(item(top, "logical_unit_id"))


def _attributes(top: dict[str, Any]) -> list[Any]:
    return plain.many(item(top, "ata_smart_attributes", "table"))


def _raw(top: dict[str, Any], number: int, *names: str) -> int | None:
    """The raw count of an attribute, if it has one of the words in its name: makers give some numbers another meaning."""
    for one in _attributes(top):
        if item(one, "id") == number and any(name in told(item(one, "name")) for name in names):
            leading = re.match(r"\d{1,15}(?![\d/h:])", told(item(one, "raw", "string")))
            return int(leading[0]) if leading else None
    return None


def _uncorrected(top: dict[str, Any]) -> int | None:
    log = item(top, "scsi_error_counter_log")
    counts = [plain.maybe(item(log, way, "total_uncorrected_errors")) for way in ("read", "write", "verify")]
    told_counts = [one for one in counts if one is not None]
    return sum(told_counts) if told_counts else None


def _wear(top: dict[str, Any], log: dict[str, Any]) -> int | None:
    for value in (
        log.get("percentage_used"),
        item(top, "endurance_used", "current_percent"),
        item(top, "scsi_percentage_used_endurance_indicator"),
    ):
        if (found := plain.maybe(value, 1000)) is not None:
            return found
    for page in plain.many(item(top, "ata_device_statistics", "pages")):
        for one in plain.many(item(page, "table")):
            if "Percentage Used Endurance" in told(item(one, "name")) and item(one, "flags", "valid") is not False:
                return plain.maybe(item(one, "value"), 255)
    model = told(item(top, "model_name"))
    left = (wear_of(model, told(item(one, "name")), plain.integer(item(one, "value"), 100)) for one in _attributes(top))
    return next((one for one in left if one is not None), None)


def wear_of(model: str, attribute: str, left: int) -> int | None:
    """Per cent that are used, by an attribute; None where its maker counts otherwise."""
    return 100 - left if left and model.upper().startswith(_LEFT.get(attribute, ("?",))) else None


def _health(top: dict[str, Any]) -> tuple[Health, str]:
    """The drive's own verdict; `warning` where it passed and an attribute is or was below its threshold."""
    passed = item(top, "smart_status", "passed")
    bits = plain.integer(item(top, "nvme_smart_health_information_log", "critical_warning"), 255)
    words = "; ".join(text for bit, text in enumerate(NVME_WARNINGS) if bits & 1 << bit)
    failed = [one for one in _attributes(top) if matters(told(item(one, "when_failed")), item(one, "flags", "prefailure") is True)]
    names = "; ".join(f"{told(item(one, 'name'))} below its threshold: {told(item(one, 'when_failed'))}" for one in failed)[:200]
    if passed is False:
        return "failed", words or names or "SMART overall health: failed"
    if words or names:
        return "warning", words or names
    return ("ok", "") if passed is True else ("", "")


def matters(when: str, prefail: bool) -> bool:
    """An attribute of age that once was below its threshold (a warm summer) says nothing of the drive now."""
    return when.lower() in ("now", "failing_now") or (prefail and when not in ("", "-"))


def _link(top: dict[str, Any]) -> int:
    """Mbit/s."""
    now = item(top, "interface_speed", "current")
    units, bits = plain.integer(item(now, "units_per_second")), plain.integer(item(now, "bits_per_unit"))
    if units and bits:
        return units * bits // 10**6
    for key, port in top.items():
        if key.startswith("scsi_sas_port_"):
            for phy, one in port.items() if isinstance(port, dict) else ():
                speed = re.search(r"(\d{1,3}(?:\.\d)?) Gbps", told(item(one, "negotiated_logical_link_rate")))
                if phy.startswith("phy_") and speed:
                    return int(float(speed[1]) * 1000)
    return 0
