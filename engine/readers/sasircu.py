"""sas2ircu and sas3ircu of LSI, Avago and Broadcom: `LIST`, `N DISPLAY` and `N STATUS`.

Sizes are binary MB; `in sectors` is the number of the last sector. Source: LSI, "SAS-2 Integrated RAID Configuration Utility User Guide".
"""

from __future__ import annotations

import re

import msgspec

from ..parts import Controller, Drive, DriveState, Health, Parts, RaidVolume, VolumeState
from .raid_words import (
    bounded,
    exact_size,
    health_of,
    last_block,
    level_of,
    lines_of,
    medium_of,
    pair,
    pci_of,
    protocol_of,
    size_of,
    with_volumes,
    wwn_of,
)
from .report import told

_DRIVE_STATES: dict[str, DriveState] = {
    "OPT": "online", "RDY": "unused", "HSP": "spare", "DGD": "other", "RBLD": "rebuilding", "FLD": "failed",
    "MIS": "missing", "ONL": "online", "AVL": "unused", "SBY": "other",
}  # fmt: skip
_VOLUME_STATES: dict[str, VolumeState] = {
    "OKY": "optimal", "DGD": "degraded", "FLD": "failed", "MIS": "failed", "INIT": "other", "ONL": "optimal",
    "OPT": "optimal", "RBLD": "rebuilding",
}  # fmt: skip
_ROW = re.compile(
    r"\s*(\d{1,3})\s+(\S{1,20})\s+([0-9a-f]{1,4})h\s+([0-9a-f]{1,4})h\s+([0-9a-f]{1,4}h:[0-9a-f]{1,2}h:[0-9a-f]{1,2}h:[0-9a-f]{1,2}h)"
    r"\s+([0-9a-f]{1,4})h\s+([0-9a-f]{1,4})h\s*",
    re.IGNORECASE,
)
Part = dict[str, str]


def looks(text: str) -> bool:
    """True for what sas2ircu or sas3ircu writes."""
    return re.search(r"SAS-?[23] ?IR Configuration Utility|SAS[23]IRCU:", text[:20000]) is not None


def read(text: str) -> Parts:
    """Controllers, drives and volumes. Raises Refused for another text."""
    pile = _Pile()
    for line in lines_of(text):
        pile.put(line)
    controllers = tuple(pile.listed) + tuple(_controller(one) for one in pile.controllers if "controller type" in one)
    volumes = [_volume(one) for one in pile.volumes]
    drives = with_volumes([_drive(one) for one in pile.drives if "slot #" in one], volumes)
    drives = [msgspec.structs.replace(one, state="online") if one.volume and one.state == "unused" else one for one in drives]
    record = Parts(controllers=controllers, drives=tuple(drives), volumes=tuple(volumes), odd=tuple(pile.odd[:50]))
    return bounded(record, "sas2ircu")


class _Pile:
    """The lines in heaps: of controllers, volumes and drives."""

    def __init__(self) -> None:
        self.listed: list[Controller] = []
        self.controllers: list[Part] = []
        self.volumes: list[Part] = []
        self.drives: list[Part] = []
        self.odd: list[str] = []
        self.here: Part = {}
        self.place = ""

    def put(self, line: str) -> None:
        clean = line.strip()
        if (row := _ROW.fullmatch(line)) is not None:
            self.listed.append(Controller(place=row[1], model=row[2], pci=pci_of(row[5])))
        elif (asked := re.search(r"(?:initiated|progress status) for controller (\d{1,3})", clean)) is not None:
            self.place = asked[1]
        elif clean == "Controller information":
            self.here = {"place": self.place}
            self.controllers.append(self.here)
        elif (volume := re.fullmatch(r"IR volume (\d{1,3})", clean, re.IGNORECASE)) is not None:
            self.here = {"place": volume[1], "controller": self.place, "members": ""}
            self.volumes.append(self.here)
        elif (device := re.match(r"Device is an? (.{1,60})", clean)) is not None:
            self.here = {"controller": self.place}
            if re.search(r"hard disk|ssd|solid|disk", device[1], re.IGNORECASE):
                self.drives.append(self.here)
        elif clean.endswith("information") or clean.startswith("Enclosure#"):
            self.here = {}
        elif clean.startswith(("SAS2IRCU: ", "SAS3IRCU: ")) and "ompleted Successfully" not in clean:
            self.odd.append(told(clean.partition(": ")[2]))
        elif (member := re.match(r"PHY\[\d+\] Enclosure#/Slot#\s*:\s*(\d{1,5}:\d{1,4})", clean)) is not None and "members" in self.here:
            self.here["members"] += f" {member[1]}"
        elif (found := pair(line)) is not None:
            self.here.setdefault(found[1], found[2])


def _code(text: str) -> str:
    """`Optimal (OPT)` -> `OPT`."""
    found = re.search(r"\(([A-Z]{2,5})\)", text)
    return found[1] if found is not None else ""


def _controller(one: Part) -> Controller:
    at = [one.get(key, "") for key in ("segment", "bus", "device", "function")]
    pci = f"{int(at[0]):04x}:{int(at[1]):02x}:{int(at[2]):02x}.{int(at[3])}" if all(re.fullmatch(r"\d{1,3}", part) for part in at) else ""
    return Controller(
        place=one["place"], model=told(one.get("controller type")), firmware=told(one.get("firmware version")), pci=pci_of(pci)
    )


def _drive(one: Part) -> Drive:
    word = told(one.get("state"))
    state = _DRIVE_STATES.get(_code(word), "other") if word else ""
    size, block = _size(one.get("size (in mb)/(in sectors)", ""))
    kind = one.get("drive type", "")
    health: Health = "failed" if state in ("failed", "missing") else "warning" if state == "rebuilding" or _code(word) == "DGD" else ""
    vendor = told(one.get("manufacturer"))
    return Drive(
        place=f"{one.get('enclosure #', '')}:{one['slot #']}",
        controller=one["controller"],
        vendor="" if vendor == "ATA" else vendor,
        model=told(one.get("model number")),
        serial=told(one.get("unit serial no(vpd)")) or told(one.get("serial no")),
        wwn=wwn_of(one.get("guid")),
        firmware=told(one.get("firmware revision")),
        size=size,
        block=block,
        medium=medium_of(kind),  # type: ignore[arg-type]
        protocol=protocol_of(one.get("protocol")) or protocol_of(kind),  # type: ignore[arg-type]
        state=state,
        health=health,
        note=word if health or state == "other" else "",
    )


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,12})/(\d{1,18})", text)
    if found is None:
        return (size_of(f"{text} MB"), 0) if re.fullmatch(r"\d{1,12}", text) else (0, 0)
    return exact_size(f"{found[1]} MB", last_block(int(found[2])), 2 << 20)


def _volume(one: Part) -> RaidVolume:
    word = told(one.get("status of volume") or one.get("volume state"))
    state: VolumeState = _VOLUME_STATES.get(_code(word) or word[:3].upper().replace("OKA", "OKY"), "other") if word else ""
    boot = one.get("boot", "").lower()
    done = re.search(r"(\d{1,3})(?:\.\d+)? ?%", one.get("percentage complete", ""))
    return RaidVolume(
        place=one["place"],
        controller=one["controller"],
        name=told(one.get("volume name")),
        serial=told(one.get("volume wwid")),  # the kernel's name of the volume is made of it, and is another one
        level=level_of(one.get("raid level")),
        size=size_of(f"{one.get('size (in mb)', '')} MB"),
        state=state,
        health=health_of(state),
        note="" if state == "optimal" else word,
        progress=int(done[1]) if done is not None and int(done[1]) <= 100 else None,
        members=tuple(dict.fromkeys(one["members"].split())),
        boot=True if boot in ("primary", "alternate") else None,
    )
