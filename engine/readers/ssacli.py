"""ssacli, hpssacli and hpacucli of HPE: `ctrl all show [config] [detail|status]`, and `ld` or `pd` `all show [detail|status]`.

Drives have decimal sizes, volumes binary ones. Source: HPE, "Smart Storage Administrator User Guide".
"""

from __future__ import annotations

import re

import msgspec

from ..parts import Controller, Drive, DriveState, Health, Parts, RaidVolume, VolumeState
from .raid_words import (
    bounded,
    degrees,
    health_of,
    level_of,
    lines_of,
    link_of,
    medium_of,
    number,
    pci_of,
    protocol_of,
    size_of,
    vendor_and_model,
    worst,
    wwn_of,
)
from .report import told

_CONTROLLER = re.compile(
    r"(?P<model>(?:HPE? |Compaq )?(?:Smart (?:Array|HBA)|Dynamic Smart Array|MSA\d|SR\d|MR\d|StorageWorks|RA4\d|P\d{3,4}\b)[^()]{0,60}?)"
    r" in (?P<place>Slot [A-Za-z0-9_]{1,40}|[A-Z][A-Za-z0-9 _-]{0,40}?)\s*(?P<more>\(.*\))?\s*"
)
_LOGICAL = re.compile(
    r"(?:logicaldrive|ld) (\d+) \(([^,]{1,20}), (RAID [^,()]{1,20}(?:\([^)]*\))?)(?:, (.{1,80}))?\)(?:: (.{1,60}))?", re.IGNORECASE
)
_PHYSICAL = re.compile(
    r"physicaldrive ([A-Za-z0-9]{1,6}:\d{1,3}:\d{1,4}|\d{1,3}:\d{1,4})(?: \(([^()]*(?:\([^)]*\)[^()]*)*)\))?(?:: (.{1,60}))?", re.IGNORECASE
)
_BAY = re.compile(r"port [^,]*?bay \d+|port [^,]*?(?:bus|id) \d+(?::.*?\d+)?")
_DRIVE_FAILED = re.compile(r"fail|erase in progress", re.IGNORECASE)
_VOLUME_STATES: tuple[tuple[str, VolumeState], ...] = (
    ("ok", "optimal"), ("interim recovery", "degraded"), ("ready for recovery", "degraded"), ("ready for rebuild", "degraded"),
    ("degraded", "degraded"), ("recovering", "rebuilding"), ("rebuilding", "rebuilding"), ("failed", "failed"), ("", "other"),
)  # fmt: skip
_TITLE = re.compile(
    r"(array)(?:: | )([A-Z]{1,3})\b.*|(logical drive): (\d{1,4})\s*|(unassigned|unassigned drives|hba drives)\s*", re.IGNORECASE
)
Part = dict[str, str]


def looks(text: str) -> bool:
    """True for what ssacli, hpssacli or hpacucli writes."""
    head = text[:20000]
    title = re.search(r"(?m)^(?:HPE? )?(?:Smart (?:Array|HBA)|Dynamic Smart Array|MSA\d\S*).{0,60} in \S", head)
    return (
        title is not None
        or re.search(r"(?m)^[ \t]+(?:logicaldrive \d+|physicaldrive \S+) \(|^Error: The specified (?:controller|device)", head) is not None
    )


def read(text: str) -> Parts:
    """Controllers, drives and volumes. Raises Refused for another text."""
    pile = _Pile()
    for line in lines_of(text):
        pile.put(line)
    controllers = tuple(_controller(one) for one in pile.controllers)
    drives = tuple(_drive(one) for one in pile.drives.values())
    volumes = [_volume(one, pile) for one in pile.volumes.values()]
    in_volume = {(v.controller, p): v.place for v in reversed(volumes) for p in (*v.members, *v.spares)}
    drives = tuple(msgspec.structs.replace(one, volume=in_volume.get((one.controller, one.place), "")) for one in drives)
    record = Parts(controllers=controllers, drives=drives, volumes=tuple(volumes), odd=tuple(pile.odd[:50]))
    return bounded(record, "ssacli")


class _Pile:
    """The lines in heaps. A drive's heap is found by its controller and place: it is told up to three times."""

    def __init__(self) -> None:
        self.controllers: list[Part] = []
        self.volumes: dict[tuple[str, str], Part] = {}
        self.drives: dict[tuple[str, str], Part] = {}
        self.odd: list[str] = []
        self.controller = self.array = self.group = ""
        self.here: Part = {}
        self.depth = self.own = 0
        self.logical: tuple[str, str] | None = None

    def put(self, line: str) -> None:
        clean = line.strip()
        indent = len(line) - len(line.lstrip())
        if not clean:
            return
        named = _CONTROLLER.fullmatch(clean)
        if indent == 0 and named is not None:
            self._start(named)
        elif (failed := re.match(r"Error: (.{1,180})", clean)) is not None:
            self.odd.append(told(failed[1]))
        elif (title := _TITLE.fullmatch(clean)) is not None and (":" in clean or indent <= 3):
            self._title(title, indent)
        elif (volume := _LOGICAL.fullmatch(clean)) is not None:
            one = self._logical(volume[1])
            one |= {"size": volume[2], "fault tolerance": volume[3][5:], "status": volume[4] or volume[5] or ""}
            self.here = {}
        elif (drive := _PHYSICAL.fullmatch(clean)) is not None:
            self._physical(drive, indent)
        elif ":" in clean and indent > self.depth:
            if "model" in self.here and "array" not in self.here and self.own not in (0, indent):
                return  # of a cage or an enclosure: a controller's own keys have one indentation
            self.own = indent
            key, _, value = clean.partition(":")
            if key == "PCI Address (Domain":
                key, value = "pci", clean.partition("): ")[2]
            self.here.setdefault(" ".join(key.lower().split())[:80], value.strip())
        elif indent <= self.depth and clean[-1:] != ":":
            self.here = {}  # a cage, a port, an expander: their keys are theirs

    def _start(self, named: re.Match[str]) -> None:
        place = " ".join(named["place"].split())
        more = named["more"] or ""
        one = next((c for c in self.controllers if c["place"] == place), None)
        if one is None:
            one = {"place": place, "model": named["model"].strip()}
            self.controllers.append(one)
        if (serial := re.search(r"\(sn: ([^)]{1,60})\)", more)) is not None:
            one["serial number"] = serial[1]
        if (mode := re.search(r"\((RAID|HBA|Mixed) Mode\)", more, re.IGNORECASE)) is not None:
            one["controller mode"] = mode[1]
        self.controller, self.array, self.group, self.here, self.depth, self.logical = place, "", "", one, 0, None
        self.own = 0

    def _title(self, title: re.Match[str], indent: int) -> None:
        self.here, self.depth = {}, indent
        if title[1]:
            self.array, self.group, self.logical = title[2], "array", None
            if (failed := re.search(r"\(((?:[^()]*fail|[^()]*degraded)[^()]*)\)", title[0], re.IGNORECASE)) is not None:
                self.odd.append(f"array {title[2]} of {self.controller or 'the controller'}: {told(failed[1])}")
        elif title[3]:
            self.here = self._logical(title[4])
        else:
            self.array, self.group, self.logical = "", title[5].lower(), None

    def _logical(self, number_of: str) -> Part:
        at = (self.controller, number_of)
        self.logical = at
        return self.volumes.setdefault(at, {"place": number_of, "controller": self.controller, "array": self.array, "members": ""})

    def _physical(self, drive: re.Match[str], indent: int) -> None:
        at = (self.controller, drive[1])
        one = self.drives.setdefault(at, {"place": drive[1], "controller": self.controller, "array": "", "group": ""})
        if self.array and not one["array"]:
            one["array"] = self.array
        if self.group and not one["group"]:
            one["group"] = self.group
        words = [word.strip() for word in _BAY.sub("", drive[2] or "").split(",") if word.strip()]
        for word in words:
            if size_of(word) and re.fullmatch(r"[\d.]+ [KMGTP]B", word):
                one.setdefault("size", word)
            elif protocol_of(word) or "solid state" in word.lower():
                one.setdefault("interface type", word)
            elif word == "spare" or word.endswith(" spare"):
                one["drive type"] = "Spare Drive"
            else:
                one.setdefault("status", word)
        if drive[3]:
            one.setdefault("status", drive[3])
        if drive[2] is None:
            self.here, self.depth = one, indent
        elif indent > 9 and self.logical is not None:  # below a mirror group of a logical drive
            self.volumes[self.logical]["members"] += f" {drive[1]}"


def _controller(one: Part) -> Controller:
    status, battery, cache = (told(one.get(key)) for key in ("controller status", "battery/capacitor status", "cache status"))
    mode = told(one.get("controller mode")).lower()
    health: Health = "" if not status else "ok" if status.lower() == "ok" else "failed" if "fail" in status.lower() else "warning"
    wrong = [text for text in (status, cache) if text and text.lower() not in ("ok", "not configured", "not present")]
    if health == "ok" and wrong:
        health = "warning"
    return Controller(
        place=one["place"],
        model=told(one["model"]),
        serial=told(one.get("serial number")),
        firmware=told(one.get("firmware version")),
        driver=told(one.get("driver name")),
        pci=pci_of(one.get("pci")),
        mode={"raid": "raid", "hba": "hba"}.get(mode, mode),
        cache=_cache(one.get("total cache size", "")),
        battery=_battery(battery),
        health=health,
        note="" if health == "ok" else "; ".join(wrong)[:200],
    )


def _cache(text: str) -> int:
    """New versions write the gigabytes without a unit and with one digit: `0.2` are 256 MB, so such a value is not told."""
    return size_of(text if "B" in text else "" if text.startswith("0") else f"{text} GB")


def _battery(word: str) -> Health:
    low = word.lower()
    return "" if not low else "ok" if low == "ok" else "failed" if "fail" in low or "replace" in low else "warning"


def _drive(one: Part) -> Drive:
    status = told(one.get("status"))
    kind = f"{one.get('drive type', '')} {one['group']}".lower()
    state: DriveState
    if _DRIVE_FAILED.search(status) and "predictive" not in status.lower():
        state = "failed"
    elif "rebuild" in status.lower() or "recover" in status.lower():
        state = "rebuilding"
    elif "spare" in kind:
        state = "spare"
    elif "unassigned" in kind:
        state = "unused"
    elif "hba" in kind or "raw" in kind or one.get("drive exposed to os", "").lower() == "true":
        state = "jbod"
    else:
        state = "online" if one["array"] or "data drive" in kind else ""
    health: Health = (
        "" if not status else "ok" if status.lower() == "ok" else health_of(state) if state in ("failed", "rebuilding") else "warning"
    )
    vendor, model = vendor_and_model(one.get("model"))
    interface = one.get("interface type", "")
    rpm, left = number(one.get("rotational speed")), re.match(r"(\d{1,3})(?:\.\d+)?%", one.get("usage remaining", ""))
    block = number(one.get("logical/physical block size", "").partition("/")[0]) or number(one.get("native block size"))
    return Drive(
        place=one["place"],
        controller=one["controller"],
        vendor=vendor,
        model=model,
        serial=told(one.get("serial number")),
        wwn=wwn_of(one.get("wwid")),
        firmware=told(one.get("firmware revision")),
        size=size_of(one.get("size"), decimal=True),
        block=block if block in (512, 520, 528, 4096) else 0,
        medium=_medium(interface, rpm, "firmware revision" in one),  # type: ignore[arg-type]
        protocol=protocol_of(interface),  # type: ignore[arg-type]
        rpm=rpm,
        state=state,
        health=worst(health),
        note="" if health in ("ok", "") else status,
        wear=100 - int(left[1]) if left is not None and int(left[1]) <= 100 else None,
        hours=number(one["power on hours"]) if one.get("power on hours", "").isdecimal() else None,
        temperature=degrees(one.get("current temperature (c)")),
        link=link_of(one.get("phy transfer rate")),
    )


def _medium(interface: str, rpm: int, details: bool) -> str:
    """Old controllers call an SSD `SATA HDD`. So where the details are told, a disk is one with a rotational speed."""
    medium = medium_of(interface)
    return medium if medium == "ssd" or not details else "hdd" if rpm else ""


def _volume(one: Part, pile: _Pile) -> RaidVolume:
    word = told(one.get("status"))
    low = word.lower()
    state: VolumeState = next(found for start, found in _VOLUME_STATES if low.startswith(start)) if word else ""
    busy = re.search(r"(\d{1,3})(?:\.\d+)?% ?(?:complete)?", word)
    inside = [d for d in pile.drives.values() if d["controller"] == one["controller"] and one["array"] and d["array"] == one["array"]]
    spares = tuple(d["place"] for d in inside if "spare" in d.get("drive type", "").lower())
    members = tuple(d["place"] for d in inside if d["place"] not in spares) or tuple(dict.fromkeys(one["members"].split()))
    name = told(one.get("disk name")).removeprefix("/dev/")
    return RaidVolume(
        place=one["place"],
        controller=one["controller"],
        name=told(one.get("logical drive label")),
        wwn=wwn_of(one.get("unique identifier")),
        device=name if re.fullmatch(r"[A-Za-z0-9/]{1,40}", name) else "",
        level=level_of(one.get("fault tolerance")),
        size=size_of(one.get("size")),
        stripe=size_of(one.get("strip size")),
        state=state,
        health=health_of(state),
        note="" if state == "optimal" else word,
        progress=int(busy[1]) if busy is not None and int(busy[1]) <= 100 else None,
        members=members,
        spares=spares,
    )
