"""tw_cli of 3ware and LSI: `show`, `/cX show [all]`, `/cX/pX show all`, `/cX/uX show`. Sizes are binary; a drive's blocks are exact.

Source: 3ware, "SAS/SATA RAID Software User Guide".
"""

from __future__ import annotations

import re

from ..parts import Controller, Drive, DriveState, Health, Parts, RaidVolume, VolumeState
from .raid_words import bounded, degrees, exact_size, health_of, level_of, lines_of, link_of, number, protocol_of, size_of
from .report import told

_CONTROLLER = re.compile(r"c(\d{1,3})\s+(\d{4}\S{0,12})\s+(?:\((\d{1,3})\)\s+)?(\d{1,3})\s+(\d{1,3})\s+(\d{1,3})\s+(\d{1,3}).*")
_UNIT = re.compile(
    r"u(\d{1,4})\s+(RAID-\d{1,2}|SINGLE|JBOD|SPARE|TWINSTOR|CBOD)\s+([A-Z][A-Z -]{0,30}?)\s+(\S+)\s+(?:(\S+)\s+)?"
    r"(\d{1,4}K|-)\s+(\d[\d.]*)\s.*"
)
_PORT = re.compile(
    r"p(\d{1,4})\s+([A-Z][A-Z-]{0,30})\s+(u\d{1,4}|-|\?)\s+(\d[\d.]* [GTM]B|-)\s+(?:(SATA|SAS|PATA)\s+)?"
    r"(\d{1,4}|-)?\s*(?:(/c\d+/e\d+/slt\d+|-)\s+)?(\S.*?)?\s*"
)
_OLD_PORT = re.compile(r"p(\d{1,4})\s+([A-Z][A-Z-]{0,30})\s+(u\d{1,4}|-|\?)\s+(\d[\d.]* [GTM]B)\s+(\d{6,15})\s+(\S{1,40})\s*")
_FACT = re.compile(r"/c(\d{1,3})(?:/(p|u)(\d{1,4}))? (.{1,40}?)(?: =\s?|\s*=\s*)(.*)")
_VOLUME_STATES: tuple[tuple[str, VolumeState], ...] = (
    ("OK", "optimal"), ("VERIFYING", "optimal"), ("INITIALIZING", "other"), ("REBUILD", "rebuilding"), ("DEGRADED", "degraded"),
    ("INOPERABLE", "failed"), ("", "other"),
)  # fmt: skip
_BATTERY: dict[str, Health] = {
    "ok": "ok",
    "charging": "ok",
    "testing": "ok",
    "-": "",
    "notpresent": "",
    "weakbat": "warning",
    "fault": "failed",
}


def looks(text: str) -> bool:
    """True for what tw_cli writes."""
    return (
        re.search(r"(?m)^Ctl\s+Model\s|^Unit\s+UnitType\s+Status|^V?Port\s+Status\s+Unit|^/c\d+(?:/[pu]\d+)? [A-Z].{1,40} = ", text[:20000])
        is not None
    )


def read(text: str) -> Parts:
    """Controllers, drives and volumes. Raises Refused for another text."""
    controllers: dict[str, dict[str, str]] = {}
    units: list[tuple[str, re.Match[str]]] = []
    ports: list[tuple[str, re.Match[str]]] = []
    facts: dict[tuple[str, str], dict[str, str]] = {}
    batteries: dict[str, str] = {}
    here = ""
    for line in lines_of(text):
        if (fact := _FACT.fullmatch(line)) is not None:
            here = fact[1]
            of = facts.setdefault((here, f"{fact[2]}{fact[3]}"), {}) if fact[2] else controllers.setdefault(here, {})
            of.setdefault(fact[4].strip().lower(), fact[5].strip())
        elif (asked := re.match(r".*/c(\d{1,3})(?:/\S+)? show", line)) is not None:
            here = asked[1]
        elif (row := _CONTROLLER.fullmatch(line)) is not None:
            controllers.setdefault(row[1], {}).setdefault("model", row[2])
        elif (row := _UNIT.fullmatch(line)) is not None:
            units.append((here, row))
        elif (row := _OLD_PORT.fullmatch(line) or _PORT.fullmatch(line)) is not None:
            ports.append((here, row))
        elif (battery := re.match(r"bbu\s+\S+\s+\S+\s+(\S+)", line)) is not None:
            batteries[here] = battery[1].lower()
    known = {*controllers, *(at for at, _ in facts)}
    only = next(iter(known)) if len(known) == 1 else ""  # rows before the first line that names a controller
    units, ports = [(at or only, row) for at, row in units], [(at or only, row) for at, row in ports]
    found = [_controller(place, one, batteries.get(place, "")) for place, one in controllers.items()]
    drives = [_drive(at, row, facts.pop((at, f"p{row[1]}"), {})) for at, row in ports if row[2] != "NOT-PRESENT"]
    drives += [
        _alone(at, name, one) for (at, name), one in facts.items() if name.startswith("p") and one.get("status", "") != "NOT-PRESENT"
    ]
    volumes = [_volume(at, row, [d for d in drives if d.controller == at]) for at, row in units if row[2] != "SPARE"]
    controllers_told = tuple(one for one in found if one.model or one.serial or one.firmware)
    return bounded(Parts(controllers=controllers_told, drives=tuple(drives), volumes=tuple(volumes)), "tw_cli")


def _controller(place: str, one: dict[str, str], battery: str) -> Controller:
    return Controller(
        place=place,
        model=told(one.get("model")),
        serial=told(one.get("serial number")),
        firmware=told(one.get("firmware version")).removeprefix("FE9X ").removeprefix("FH9X "),
        driver=told(one.get("driver version")) and "3w-xxxx",
        cache=size_of(one.get("memory installed") or one.get("available memory")),
        battery=_BATTERY.get(battery, "warning" if battery else ""),
        drives=number(one.get("number of drives") or one.get("drives", "").partition(" ")[0]),
        volumes=number(one.get("number of units") or one.get("units", "").partition(" ")[0]),
    )


def _state(word: str, unit: str) -> DriveState:
    if word == "OK" or word in ("VERIFYING", "SMART-FAILURE", "ECC-ERROR"):
        return "online" if unit.startswith("u") else "unused"
    if word.startswith("REBUILD"):
        return "rebuilding"
    if word in ("DEGRADED", "DEVICE-ERROR", "DRIVE-REMOVED", "OFFLINE"):
        return "missing" if word == "DRIVE-REMOVED" else "failed"
    return "other"


def _drive(at: str, row: re.Match[str], facts: dict[str, str]) -> Drive:
    state = _state(row[2], row[3])
    warned = row[2] in ("SMART-FAILURE", "ECC-ERROR")
    old = row.re is _OLD_PORT  # it has blocks and the serial number, and no model
    size, block = exact_size(row[4], int(row[5])) if old else _size(facts["capacity"]) if "capacity" in facts else (size_of(row[4]), 0)
    return Drive(
        place=f"p{row[1]}",
        controller=at,
        model=told(facts.get("model")) or ("" if old else told(row[8])),
        serial=told(facts.get("serial")) or (told(row[6]) if old else ""),
        firmware=told(facts.get("firmware version")),
        size=size,
        block=block,
        protocol=protocol_of(facts.get("drive type") or ("" if old else row[5])),  # type: ignore[arg-type]
        state=state,
        volume=row[3] if row[3].startswith("u") else "",
        health="warning"
        if warned
        else health_of(state)
        if state in ("failed", "missing", "rebuilding")
        else "ok"
        if row[2] == "OK"
        else "",
        note="" if row[2] == "OK" else row[2],
        temperature=degrees(facts.get("temperature", "").replace(" deg", "")),
        link=link_of(facts.get("link speed")),
    )


def _alone(at: str, name: str, one: dict[str, str]) -> Drive:
    """`/cX/pX show all` without the table of ports."""
    size, block = _size(one.get("capacity", ""))
    word = one.get("status", "")
    return Drive(
        place=name,
        controller=at,
        model=told(one.get("model")),
        serial=told(one.get("serial")),
        firmware=told(one.get("firmware version")),
        size=size,
        block=block,
        protocol=protocol_of(one.get("drive type")),  # type: ignore[arg-type]
        volume=one["belongs to unit"] if re.fullmatch(r"u\d{1,4}", one.get("belongs to unit", "")) else "",
        health="ok" if word == "OK" else "",
        note="" if word == "OK" else told(word),
        temperature=degrees(one.get("temperature", "").replace(" deg", "")),
        link=link_of(one.get("link speed")),
    )


def _size(text: str) -> tuple[int, int]:
    """`931.51 GB (1953525168 Blocks)`."""
    blocks = re.search(r"\((\d{1,15}) Blocks\)", text)
    return exact_size(text, int(blocks[1])) if blocks is not None else (size_of(text), 0)


def _volume(at: str, row: re.Match[str], drives: list[Drive]) -> RaidVolume:
    word = row[3].strip()
    state = next(state for start, state in _VOLUME_STATES if word.startswith(start))
    done = re.match(r"(\d{1,3})%", row[4])
    place = f"u{row[1]}"
    return RaidVolume(
        place=place,
        controller=at,
        level="jbod" if row[2] in ("SINGLE", "JBOD", "CBOD") else level_of(row[2]),
        size=size_of(f"{row[7]} GB"),
        stripe=int(row[6][:-1]) * 1024 if row[6].endswith("K") else 0,
        state=state,
        health=health_of(state),
        note="" if word == "OK" else word,
        progress=int(done[1]) if done is not None and int(done[1]) <= 100 else None,
        members=tuple(one.place for one in drives if one.volume == place and one.state != "missing"),
    )
