"""MegaCli and MegaCli64 of LSI: `-PDList`, `-LDInfo`, `-LdPdInfo`, `-AdpAllInfo`, `-AdpBbuCmd`, `-CfgDsply`. One report may hold several.

Sizes are binary. Where sectors are told, the size is exact. Source: LSI, "MegaRAID SAS Software User Guide", MegaCLI.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ..parts import Controller, Drive, DriveState, Health, Parts, RaidVolume, VolumeState
from .raid_words import (
    bounded,
    counted,
    degrees,
    exact_size,
    health_of,
    last_block,
    level_of,
    lines_of,
    link_of,
    medium_of,
    number,
    pair,
    protocol_of,
    size_of,
    spanned,
    worst,
    wwn_of,
)
from .report import told

_STATES: tuple[tuple[str, DriveState], ...] = (
    ("online", "online"), ("hotspare", "spare"), ("unconfigured(good)", "unused"), ("unconfigured(bad)", "failed"), ("jbod", "jbod"),
    ("rebuild", "rebuilding"), ("copyback", "rebuilding"), ("failed", "failed"), ("missing", "missing"), ("", "other"),
)  # fmt: skip
_VOLUME_STATES: dict[str, VolumeState] = {
    "optimal": "optimal", "degraded": "degraded", "partially degraded": "degraded", "offline": "failed", "failed": "failed",
}  # fmt: skip
_ADAPTER = re.compile(
    r"\s*(?:Adapter #?(\d+)(?: --.*)?|Adapter: (\d+)|(?:BBU status for|Adapter:? ?)\s*Adapter:? ?(\d+)"
    r"|Number of enclosures on adapter (\d+).*)\s*"
)
_PLACE = re.compile(r"Adapter #|Adapter \d+ -- |BBU status for Adapter|Enclosure Device ID|Virtual (?:Drive|Disk): \d+|Product Name +:")
_MARK = re.compile(
    r"Firmware state *:|RAID Level *: *Primary|BatteryType *:|FW Package Build *:|Exit Code: 0x|Number of (?:Virtual|enclosures)"
)
_BATTERY = ("battery state", "battery replacement required", "battery pack missing", "remaining capacity low")
Part = dict[str, str]


def looks(text: str) -> bool:
    """True for what MegaCli writes."""
    head = text[:20000]
    return (_PLACE.search(head) and _MARK.search(head)) is not None or re.search(r"(?m)^Exit Code: 0x[0-9a-f]+\s*$", head) is not None


def read(text: str) -> Parts:
    """Controllers, drives and volumes. Raises Refused for another text."""
    pile = _Pile(lines_of(text))
    drives = [_drive(one) for one in pile.drives if re.fullmatch(r"\d{1,4}", one.get("slot number", ""))]
    volumes = [_volume(one, pile.drives) for one in pile.volumes]
    controllers = [found for place, one in pile.adapters.items() if (found := _controller(place, one)) is not None]
    odd = pile.odd[:50]
    if len(drives) != len(pile.drives):
        odd = [*odd[:49], "a drive without a slot number"]
    record = Parts(controllers=tuple(controllers), drives=tuple(drives), volumes=tuple(volumes), odd=tuple(odd))
    return bounded(_placed(record), "MegaCli")


class _Pile:
    """The lines in heaps: of adapters, of drives and of volumes. Each knows its adapter, and a drive inside a volume knows that."""

    def __init__(self, lines: list[str]) -> None:
        self.adapters: dict[str, Part] = {}
        self.drives: list[Part] = []
        self.volumes: list[Part] = []
        self.odd: list[str] = []
        self.adapter = ""
        self.here: Part = {}
        for line in lines:
            if (named := _ADAPTER.fullmatch(line)) is not None:
                self.adapter = next(one for one in named.groups() if one is not None)
                self.here = self.adapters.setdefault(self.adapter, {})
                continue
            if (failed := re.fullmatch(r"\s*Adapter (\d+): (.*(?:Failed|fail|not |No ).*)", line)) is not None:
                self.odd.append(told(failed[2]))
            if (found := pair(line, tight=True)) is not None:
                self._put(found[1], found[2], line)

    def _put(self, key: str, value: str, line: str) -> None:
        if key in ("virtual drive", "virtual disk", "cachecade virtual drive") and re.match(r"\d{1,4}", value):
            self.here = {"place": str(number(value)), "adapter": self.adapter}
            self.volumes.append(self.here)
        elif key == "enclosure device id":
            of = self.volumes[-1]["place"] if self.volumes and self.volumes[-1].get("spans") and "pd" in self.here else ""
            self.here = {"enclosure device id": value, "adapter": self.adapter, "volume": of}
            self.drives.append(self.here)
        elif re.fullmatch(r"pd", key) and "Information" in value and self.volumes:
            self.here = {"pd": value}
        elif key == "number of spans" and self.volumes:
            self.volumes[-1]["spans"] = value
        elif key in _BATTERY:
            if value:
                self.adapters.setdefault(self.adapter, {}).setdefault(key, value)
        else:
            value = line[line.index(":") + 1 :].removeprefix(" ") if key == "inquiry data" and ":" in line else value
            self.here.setdefault(key, value)


def _placed(record: Parts) -> Parts:
    """Each drive once: `-LdPdInfo` and `-PDList` in one report tell it twice. The first one knows its volume."""
    seen: dict[tuple[str, str], Drive] = {}
    for one in record.drives:
        seen.setdefault((one.controller, one.place), one)
    return msgspec.structs.replace(record, drives=tuple(seen.values()))


def _drive(one: Part) -> Drive:
    word = told(one.get("firmware state"))
    state = next(found for start, found in _STATES if word.lower().replace(" (", "(").startswith(start)) if word else ""
    if state == "unused" and told(one.get("foreign state")).lower() == "foreign":
        state = "foreign"
    size, block = _size(one)
    vendor, model, serial, firmware = _inquiry(one.get("inquiry data", ""), one.get("pd type", ""))
    alert = one.get("drive has flagged a s.m.a.r.t alert", "").lower()
    failing = counted(one.get("predictive failure count"))
    bad: Health = "warning" if alert == "yes" or (failing or 0) > 0 else "ok" if alert == "no" else ""
    enclosure = one.get("enclosure device id", "")
    return Drive(
        place=f"{enclosure}:{one['slot number']}" if enclosure.isdecimal() else f":{one['slot number']}",
        controller=one.get("adapter", ""),
        vendor=vendor,
        model=model,
        serial=serial,
        wwn=wwn_of(one.get("wwn")),
        firmware=firmware or told(one.get("device firmware level")),
        size=size,
        block=block,
        medium=medium_of(one.get("media type")),  # type: ignore[arg-type]
        protocol=protocol_of(one.get("pd type")),  # type: ignore[arg-type]
        state=state,
        volume=one.get("volume", ""),
        health=worst(health_of(state) if state in ("failed", "missing", "rebuilding") else "", bad),
        note=word if state in ("failed", "missing", "rebuilding", "other") else "SMART alert" if bad == "warning" else "",
        temperature=degrees(one.get("drive temperature")),
        media_errors=counted(one.get("media error count")),
        link=link_of(one.get("link speed")),
        encrypts={"capable": True, "not capable": False}.get(one.get("fde capable", "").lower()),
    )


def _size(one: Part) -> tuple[int, int]:
    raw = one.get("raw size", "")
    found = re.search(r"\[0x([0-9a-f]{1,13}) Sectors\]", raw, re.IGNORECASE)
    told_block = number(one.get("sector size") or one.get("logical sector size"))
    block = told_block if told_block in (512, 4096) else 0
    if found is None:
        return size_of(raw), block
    size, fits = exact_size(raw, last_block(int(found[1], 16)), 2 << 20)
    return size, fits or block


def _inquiry(data: str, kind: str) -> tuple[str, str, str, str]:
    """Vendor, model, serial number and firmware of `Inquiry Data`, which has fields of fixed width and no spaces between them.

    Of a SATA drive behind an expander these are serial (20 characters), model (40) and firmware (8). Otherwise it is SCSI's INQUIRY:
    vendor (8), model (16), revision (4), serial. IBM's drives have more than a serial number there, so theirs is not told.
    """
    data = data.rstrip()
    if kind.strip().upper() == "SATA" and len(data) > 60 and not data.startswith("ATA     "):
        return "", told(data[20:60]), told(data[:20]), told(data[60:68])
    if len(data) < 25 or data[:8].strip() == "" or (kind.strip().upper() == "SATA" and not data.startswith("ATA     ")):
        return "", "", "", ""
    vendor = told(data[:8])
    serial = "" if vendor == "IBM-ESXS" else told(data[28:48])
    return "" if vendor == "ATA" else vendor, told(data[8:24]), serial, told(data[24:28])


def _volume(one: Part, drives: list[Part]) -> RaidVolume:
    word = told(one.get("state"))
    state: VolumeState = _VOLUME_STATES.get(word.lower(), "other") if word else ""
    inside = [d for d in drives if d.get("volume") == one["place"] and d["adapter"] == one["adapter"]]
    busy = re.search(r"Completed (\d{1,3})%", " ".join(one.values()))
    return RaidVolume(
        place=one["place"],
        controller=one["adapter"],
        name=told(one.get("name")),
        level=_level(one),
        size=size_of(one.get("size")),
        stripe=size_of(one.get("strip size") or one.get("stripe size")),
        state=state,
        health=health_of(state),
        note="" if state == "optimal" else word,
        progress=int(busy[1]) if busy is not None and int(busy[1]) <= 100 else None,
        members=tuple(f"{d['enclosure device id']}:{d['slot number']}" for d in inside if "slot number" in d),
    )


def _level(one: Part) -> Any:
    """`Primary-1, Secondary-3, RAID Level Qualifier-0` with several spans is RAID 10. MegaCli tells the same for RAID 1 of many drives."""
    found = re.match(r"Primary-(\d+), Secondary-(\d+)", one.get("raid level", ""))
    if found is None:
        return level_of(one.get("raid level"))
    spans = number(one.get("span depth"))
    return spanned(level_of(found[1]), 2 if (found[2] in ("3", "1") and spans != 1) or spans > 1 else 1)


def _controller(place: str, one: Part) -> Controller | None:
    battery = _battery(one)
    if not battery and not one.get("product name"):
        return None
    return Controller(
        place=place,
        model=told(one.get("product name")),
        serial=told(one.get("serial no")),
        firmware=told(one.get("fw package build")),
        cache=size_of(one.get("memory size")),
        battery=battery,
        drives=number(one.get("disks")),
        volumes=number(one.get("virtual drives")),
    )


def _battery(one: Part) -> Health:
    """From the state, where it is told, and from the flags. Old versions leave the state empty."""
    state = one.get("battery state", "").lower()
    flags = [one.get(key, "").lower() for key in _BATTERY[1:]]
    if "yes" in flags[:2] or "fail" in state or state == "non operational":
        return "failed"
    if state in ("optimal", "operational"):
        return "warning" if flags[2] == "yes" else "ok"
    if state:
        return "warning"
    return "warning" if flags[2] == "yes" else "ok" if flags[0] == "no" else ""
