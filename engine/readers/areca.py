"""cli64 of Areca: `sys info`, `disk info [drv=N]`, `rsf info`, `vsf info`, `hw info`, `sys showcfg`. Drives have decimal sizes.

Source: Areca, "CLI Manual".
"""

from __future__ import annotations

import re

from ..parts import Controller, Drive, DriveState, Parts, RaidVolume, VolumeState
from .raid_words import bounded, degrees, health_of, level_of, lines_of, pair, protocol_of, size_of, worst
from .report import told

_DISK = re.compile(
    r"\s*(\d{1,3})\s+(?:(\d{1,3})\s+)?(?:(Slot#\S+|SLOT \d+|\d{1,3})\s+)?(\S.*?)\s+(\d{1,7}\.\d[GT]B)\s+(\S.*?)\s*", re.IGNORECASE
)
_VOLUME = re.compile(
    r"\s*(\d{1,3})\s+(\S.{0,40}?)\s{1,}(\S.{0,40}?)\s+(Raid\S{1,12}(?: JBOD)?|JBOD)"
    r"\s+(\d{1,7}\.\d[GT]B)\s+(\d{2}/\d{2}/\d{2})\s+(\S.{0,40}?)\s*",
    re.IGNORECASE,
)
_STATES: tuple[tuple[str, VolumeState], ...] = (
    ("normal", "optimal"), ("degraded", "degraded"), ("rebuilding", "rebuilding"), ("incomplete", "failed"),
    ("failed", "failed"), ("", "other"),
)  # fmt: skip


def looks(text: str) -> bool:
    """True for what cli64 writes: each of its answers ends with `GuiErrMsg<0x00>: Success.`"""
    return re.search(r"(?m)^[ \t]*GuiErrMsg<0x[0-9A-Fa-f]+>:|^Controller Name +: +ARC-", text[:200_000]) is not None


def read(text: str) -> Parts:
    """Controller, drives and volumes. Raises Refused for another text."""
    facts: dict[str, str] = {}
    drives: list[Drive] = []
    volumes: list[RaidVolume] = []
    odd: list[str] = []
    header = ""
    for line in lines_of(text):
        if re.match(r"\s*#\s", line):
            header = line.lower()
        elif "capacity" in header and (row := _VOLUME.fullmatch(line)) is not None and ("level" in header or "raid name" in header):
            volumes.append(_volume(row))
        elif "modelname" in header.replace(" ", "") and (disk := _DISK.fullmatch(line)) is not None:
            drives.append(_row(disk))
        elif (failed := re.match(r"\s*GuiErrMsg<0x(?!00>)[0-9A-Fa-f]+>: (.{1,150})", line)) is not None:
            odd.append(told(failed[1]))
        elif (found := pair(line)) is not None:
            facts.setdefault(found[1], found[2])
    drives = [one for one in drives if one.model or one.size]
    controller = _controller(facts)
    if "device location" in facts:
        drives.append(_disk(facts))
    record = Parts(
        controllers=(controller,) if controller is not None else (), drives=tuple(drives), volumes=tuple(volumes), odd=tuple(odd[:50])
    )
    return bounded(record, "cli64")


def _controller(facts: dict[str, str]) -> Controller | None:
    battery = re.match(r"(\d{1,3})%", facts.get("battery status", ""))
    mode = facts.get("jbod/raid configuration", "").lower()
    if "controller name" not in facts and battery is None and not mode:
        return None
    return Controller(
        model=told(facts.get("controller name")),
        serial=told(facts.get("serial number")) if "controller name" in facts else "",
        firmware=told(facts.get("firmware version")).partition(" ")[0].removeprefix("V"),
        cache=size_of(facts.get("system memory")),
        mode=mode,
        battery="" if battery is None else "ok" if int(battery[1]) >= 50 else "warning",
    )


def _drive_state(word: str) -> DriveState:
    low = word.lower()
    if "fail" in low:
        return "failed"
    if "hot spare" in low or "hotspare" in low:
        return "spare"
    if low in ("free", "unused"):
        return "unused"
    if low in ("jbod", "pass through", "passthrough"):
        return "jbod"
    return "online" if re.match(r"raid ?set|normal", low) is not None else "other" if word else ""


def _row(disk: re.Match[str]) -> Drive:
    """A row of `disk info`. Its last column is what the drive is used for: the name of a RAID set, or a state."""
    model = told(disk[4])
    usage = told(disk[6])
    state = _drive_state(usage)
    empty = model.upper().startswith("N.A")
    return Drive(
        place=f"{disk[2]}:{disk[1]}" if disk[2] else disk[1],
        model="" if empty else model,
        size=0 if empty else size_of(disk[5], decimal=True),
        state="online" if state == "other" else state,
        health=health_of(state) if state == "failed" else "",
        note="" if state in ("unused", "spare", "jbod", "failed", "online") else f"RAID set {usage}",
    )


def _disk(facts: dict[str, str]) -> Drive:
    """`disk info drv=N`."""
    at = re.search(r"Enclosure\s*#\s*(\d{1,3})\s+Slot\s*#?\s*(\d{1,4})", facts["device location"], re.IGNORECASE)
    word = told(facts.get("device state"))
    errors = facts.get("media error count", "")
    return Drive(
        place=f"{at[1]}:{at[2]}" if at is not None else told(facts["device location"], 40),
        model=told(facts.get("model name")),
        serial=told(facts.get("serial number")),
        firmware=told(facts.get("firmware rev.")),
        size=size_of(facts.get("disk capacity"), decimal=True),
        protocol=protocol_of(facts.get("device type", "").partition("(")[0]),  # type: ignore[arg-type]
        state="" if word == "NORMAL" else _drive_state(word),
        health=worst("ok" if word == "NORMAL" else "failed" if "FAIL" in word.upper() else ""),
        note="" if word == "NORMAL" else word,
        temperature=degrees(facts.get("device temperature")),
        media_errors=int(errors) if errors.isdecimal() and len(errors) < 12 else None,
    )


def _volume(row: re.Match[str]) -> RaidVolume:
    word = told(row[7])
    state = next(state for start, state in _STATES if word.lower().startswith(start))
    busy = re.search(r"\((\d{1,3})(?:\.\d+)?%", word)
    return RaidVolume(
        place=row[1],
        name=told(row[2]),
        level=level_of(row[4]),
        size=size_of(row[5], decimal=True),
        state=state,
        health=health_of(state),
        note="" if state == "optimal" else word,
        progress=int(busy[1]) if busy is not None and int(busy[1]) <= 100 else None,
    )
