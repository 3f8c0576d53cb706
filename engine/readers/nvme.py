"""nvme-cli: `list`, `smart-log` and `id-ctrl`, as JSON (nvme-cli 1 and 2) and as text. Source: nvme-cli's nvme-print-*.c.

`smart-log` as JSON does not tell which drive it is of. Temperatures in JSON are kelvins.
"""

from __future__ import annotations

import re
from typing import Any

from engine.parts import Drive, Health, Parts
from engine.readers import plain
from engine.readers.plain import item
from engine.readers.report import MOST_ITEMS, Refused, told
from engine.readers.smart import NVME_WARNINGS

_ZERO_CELSIUS = 273
MOST_CONTROLLERS = 64
"""Of one subsystem."""


def looks_json(text: str) -> bool:
    if re.search(r'^\s*\{\s*"Devices"\s*:', text[:4000], re.MULTILINE):
        return bool(re.search(r'"Devices"\s*:\s*\[\s*\]', text)) or any(
            f'"{key}"' in text for key in ("DevicePath", "HostNQN", "SubsystemNQN")
        )
    health = plain.begins_json(text, "critical_warning") and '"smartctl"' not in text
    return health or plain.begins_json(text, "sn", "mn", "fr")


def looks_text(text: str) -> bool:
    head = text[:4000]
    return bool(
        re.search(r"^Node\s+(?:Generic\s+)?SN\s+Model\s", head, re.MULTILINE)
        or re.search(r"^Smart Log for NVME device:", head, re.MULTILINE | re.IGNORECASE)
        or re.search(r"^NVME Identify Controller:", head, re.MULTILINE | re.IGNORECASE)
    )


def read_json(text: str) -> Parts:
    """Raises Refused if it is no JSON of these commands."""
    top = plain.tree(text)
    if isinstance(item(top, "Devices"), list):
        return Parts(drives=tuple(_listed(top["Devices"]))[:MOST_ITEMS])
    if item(top, "critical_warning") is not None:
        return Parts(drives=(_health_log(top),))
    if told(item(top, "mn")):
        return Parts(drives=(_identity(top),))
    raise Refused(f"nvme printed JSON without a drive; its keys are: {', '.join(map(str, top))[:100] if isinstance(top, dict) else 'none'}")


def _listed(devices: list[Any]) -> list[Drive]:
    """A drive for each namespace, as version 1 has it; version 2 nests them in subsystems and controllers.

    A namespace that several controllers lead to is one drive.
    """
    out: list[Drive] = []
    for one in plain.many(devices):
        if item(one, "DevicePath"):
            out.append(_namespace(one, one, told(one.get("DevicePath"))))
        for system in plain.many(item(one, "Subsystems")):
            shared = plain.many(item(system, "Namespaces"))
            for controller in plain.many(item(system, "Controllers"))[:MOST_CONTROLLERS]:
                spaces = plain.many(item(controller, "Namespaces")) or shared
                found = [_namespace(controller, space, told(item(space, "NameSpace"))) for space in spaces]
                out += found or [_namespace(controller, {}, told(item(controller, "Controller")))]
            if len(out) > MOST_ITEMS:
                break
    return list({(one.name, one.serial): one for one in out}.values())


def _namespace(owner: Any, space: Any, path: str) -> Drive:
    return Drive(
        name=path.removeprefix("/dev/"),
        model=told(item(owner, "ModelNumber")),
        serial=told(item(owner, "SerialNumber")),
        firmware=told(item(owner, "Firmware")),
        place=told(item(owner, "Slot")),
        size=plain.size(item(space, "PhysicalSize")),
        block=plain.integer(item(space, "SectorSize"), 2**20),
        medium="ssd",
        protocol="nvme",
    )


def _health_log(top: dict[str, Any], name: str = "") -> Drive:
    """Version 2 has numbers, floats or text with digits, and the warning as an object."""
    warning = item(top, "critical_warning")
    bits = plain.maybe(item(warning, "value") if isinstance(warning, dict) else warning, 255)
    wear, spare, least = (plain.maybe(item(top, key), 1000) for key in ("percent_used", "avail_spare", "spare_thresh"))
    wear = plain.maybe(item(top, "percentage_used"), 1000) if wear is None else wear
    kelvins = plain.maybe(item(top, "temperature"), 1000)
    health, note = health_of(bits, spare, least)
    return Drive(
        name=name,
        medium="ssd",
        protocol="nvme",
        health=health,
        note=note,
        wear=wear,
        hours=plain.maybe(item(top, "power_on_hours")),
        temperature=kelvins - _ZERO_CELSIUS if kelvins and kelvins >= _ZERO_CELSIUS else None,
        media_errors=plain.maybe(item(top, "media_errors")),
    )


def health_of(bits: int | None, spare: int | None, least: int | None) -> tuple[Health, str]:
    """By the critical warning: a drive that is read only or unreliable has failed; the other bits are warnings."""
    if bits is None:
        return "", ""
    words = "; ".join(text for bit, text in enumerate(NVME_WARNINGS) if bits & 1 << bit)
    if bits & 0b1100:
        return "failed", words
    if words or (spare is not None and least is not None and spare < least):
        return "warning", words or NVME_WARNINGS[0]
    return "ok", ""


def _identity(top: dict[str, Any]) -> Drive:
    return Drive(
        model=told(item(top, "mn")),
        serial=told(item(top, "sn")),
        firmware=told(item(top, "fr")),
        size=plain.size(item(top, "tnvmcap")),
        medium="ssd",
        protocol="nvme",
    )


def read_text(text: str) -> Parts:
    """Raises Refused where none of the three commands speaks."""
    rows = plain.whole_lines(text)
    for at, row in enumerate(rows):
        if re.match(r"Node\s+(?:Generic\s+)?SN\s+Model\s", row):
            return Parts(drives=tuple(_table(rows[at:]))[:MOST_ITEMS])
        if found := re.match(r"Smart Log for NVME device:\s*(\S+)", row, re.IGNORECASE):
            return Parts(drives=(_health_text(plain.pairs(rows[at + 1 :]), found[1]),))
        if re.match(r"NVME Identify Controller:", row, re.IGNORECASE):
            one = plain.pairs(rows[at + 1 :])
            return Parts(drives=(_identity({**one, "tnvmcap": re.sub(r"[^\d].*", "", one.get("tnvmcap", ""))}),))
    raise Refused(f"nvme listed nothing; it said: {plain.first(rows)}")


def _table(rows: list[str]) -> list[Drive]:
    """The columns are as wide as the dashes below their titles. Sizes are rounded to two digits behind the point."""
    if len(rows) < 2 or not re.fullmatch(r"[- ]+", rows[1] or "x"):
        raise Refused("nvme list has no line of dashes below its titles")
    spans = [(m.start(), m.end()) for m in re.finditer(r"-+", rows[1])]
    titles = [rows[0][a:b].strip() for a, b in spans]
    out = []
    for row in rows[2:]:
        cells = dict(zip(titles, (row[a:b].strip() for a, b in spans), strict=True))
        if not cells.get("Node", "").startswith("/dev/"):
            continue
        usage = re.search(r"/\s*([\d.]+)\s*([kMGTP]?B)$", cells.get("Usage", ""))
        block = re.match(r"(\d+)\s*(K?i?B)\b", cells.get("Format", ""))
        out.append(
            Drive(
                name=cells["Node"].removeprefix("/dev/"),
                model=told(cells.get("Model", "")),
                serial=told(cells.get("SN", "")),
                firmware=told(cells.get("FW Rev", "")),
                size=plain.size(f"{usage[1]} {usage[2]}", binary=False) if usage else 0,
                block=plain.size(f"{block[1]} {block[2]}") if block else 0,
                medium="ssd",
                protocol="nvme",
            )
        )
    return out


def _health_text(one: dict[str, str], name: str) -> Drive:
    """Version 1 and 2 spell the keys differently (`power_on_hours`, `Power On Hours`), and count with commas."""
    said = {re.sub(r"[\s_]+", "_", key.lower()): value for key, value in one.items()}

    def count(*keys: str) -> int | None:
        for key in keys:
            if found := re.match(r"\d[\d,.' \u202f]*(?=%|$|\s|\()", said.get(key, "")):
                return plain.maybe(re.sub(r"\D", "", found[0]))
        return None

    warning = re.match(r"(0x)?([0-9a-f]{1,2})\b", said.get("critical_warning", ""))
    bits = int(warning[2], 16 if warning[1] else 10) if warning and (warning[1] or warning[2].isdigit()) else None
    degrees = re.match(r"(\d{1,3}) ?(?:°|º)? ?C\b", said.get("temperature", ""))
    health, note = health_of(bits, count("available_spare"), count("available_spare_threshold"))
    return Drive(
        name=name.split("/")[-1],
        medium="ssd",
        protocol="nvme",
        health=health,
        note=note,
        wear=count("percentage_used"),
        hours=count("power_on_hours"),
        temperature=int(degrees[1]) if degrees else None,
        media_errors=count("media_errors", "media_and_data_integrity_errors"),
    )
