"""arcconf of Adaptec, IBM (ServeRAID) and Microchip: `getconfig N [al|ad|ld|pd]` and `getstatus N`.

Sizes are binary and cut to whole MB. The report has no number of the controller it is about, so a controller's place is its slot.
Source: Adaptec, "Command Line Utility User's Guide".
"""

from __future__ import annotations

import re

from ..parts import Controller, Drive, DriveState, Health, Parts, RaidVolume, VolumeState
from .raid_words import (
    bounded,
    degrees,
    health_of,
    level_of,
    lines_of,
    link_of,
    number,
    pair,
    protocol_of,
    size_of,
    with_volumes,
    wwn_of,
)
from .report import Refused, told

_HEAD = re.compile(
    r"(?:maxcache |)(controller information|logical (?:device|drive) information|array information|physical device information"
    r"|connector information|maxcache .*information)"
)
_VOLUME = re.compile(r"logical (?:device|drive) number (\d{1,4})", re.IGNORECASE)
_DRIVE_STATES: tuple[tuple[str, DriveState], ...] = (
    ("online (jbod)", "jbod"), ("online", "online"), ("ready", "unused"), ("raw", "jbod"), ("optimal", "online"),
    ("rebuilding", "rebuilding"),
    ("failed", "failed"), ("defunct", "failed"), ("missing", "missing"), ("", "other"),
)  # fmt: skip
_VOLUME_STATES: tuple[tuple[str, VolumeState], ...] = (
    ("optimal", "optimal"), ("okay", "optimal"), ("ok", "optimal"), ("impacted", "rebuilding"), ("rebuilding", "rebuilding"),
    ("degraded", "degraded"), ("suboptimal", "degraded"), ("critical", "degraded"),
    ("offline", "failed"), ("failed", "failed"), ("", "other"),
)  # fmt: skip
_MEMBER = re.compile(r"(?:group \d+, )?(?:segment|device) \d+")
_ADDRESS = re.compile(r"(\d{1,3})\s*,\s*(\d{1,4})")
Part = dict[str, str]


def looks(text: str) -> bool:
    """True for what arcconf writes."""
    head = text[:20000].lower()
    if "ir configuration utility" in head:  # sas2ircu has headings of the same words
        return False
    if re.search(r"(?m)^controllers? found: \d+|\| arcconf \|", head) is not None:
        return True
    return (
        re.search(r"(?m)^(?:controller|logical (?:device|drive)|physical device) information\s*\n-{40,}", head.replace("\r", ""))
        is not None
    )


def read(text: str) -> Parts:
    """Controllers, drives and volumes. Raises Refused for another text."""
    pile = _Pile()
    for line in lines_of(text):
        pile.put(line)
    if not (pile.controllers or pile.drives or pile.volumes or pile.tasks):
        raise Refused("the report has no controller, logical device, physical device or running task of arcconf")
    controllers = [_controller(one) for one in pile.controllers]
    owned = [(one, _drive(one)) for one in pile.drives if one.get("kind")]
    volumes = [_volume(one, owned) for one in pile.volumes] + [_task(one) for one in pile.tasks if "logical device" in one]
    drives = with_volumes([drive for _, drive in owned], volumes)
    return bounded(Parts(controllers=tuple(controllers), drives=tuple(drives), volumes=tuple(volumes)), "arcconf")


class _Pile:
    """The lines in heaps: of controllers, logical devices, physical devices and tasks. Each knows the place of its controller."""

    def __init__(self) -> None:
        self.controllers: list[Part] = []
        self.volumes: list[Part] = []
        self.drives: list[Part] = []
        self.tasks: list[Part] = []
        self.section = ""
        self.part = ""
        self.here: Part = {}

    def put(self, line: str) -> None:
        clean = " ".join(line.split()).lower()
        if (head := _HEAD.fullmatch(clean)) is not None and not line.startswith("   "):
            self._head(head[1])
        elif clean in ("logical device task:", "logical drive task:"):
            self.here, self.section = {}, "task"
            self.tasks.append(self.here)
        elif self.section == "logical" and (volume := _VOLUME.match(clean)) is not None:
            self.here, self.part = {"place": volume[1], "controller": self._controller()}, ""
            self.volumes.append(self.here)
        elif self.section == "physical" and re.fullmatch(r"(?:channel )?#\d+:?|channel #\d+:?|device #\d+", clean) is not None:
            self.here, self.part = {"controller": self._controller()}, ""
            if clean.startswith("device"):
                self.drives.append(self.here)
        elif self.section == "physical" and (kind := re.match(r"device is an? (hard drive|ssd|solid state|.*nvme)", clean)) is not None:
            self.here["kind"] = kind[1]
        elif clean.endswith("information") and ":" not in clean:
            self.part = clean
        elif (found := _column(line) or pair(line)) is not None:
            self._pair(found[1], found[2])

    def _head(self, title: str) -> None:
        self.section, self.part, self.here = title.split()[0], "", {}
        if self.section == "controller":
            self.controllers.append(self.here)

    def _controller(self) -> str:
        return _place(self.controllers[-1]) if self.controllers else ""

    def _pair(self, key: str, value: str) -> None:
        if self.section in ("connector", "array", "maxcache", ""):
            return
        if self.section == "controller" and self.part:
            key = f"{'battery' if 'battery' in self.part or 'backup' in self.part else 'part'} {key}"
            if self.part == "controller version information" and key == "part firmware":
                key = "firmware"
        elif self.section == "physical" and "phy" in self.part:
            key = "phy address" if key == "sas address" else "phy " + key
        if self.section == "logical" and _MEMBER.fullmatch(key) is not None:
            self.here["members"] = self.here.get("members", "") + f"{value}\n"
        else:
            self.here.setdefault(key, value)


def _column(line: str) -> tuple[int, str, str] | None:
    """A line of the usual form. Keys like `Reported Channel,Device(T:L)` have a colon too."""
    key, colon, value = f"{line} ".partition(" : ")
    return (0, " ".join(key.lower().split()), value.strip()) if colon and key.strip() else None


def _place(one: Part) -> str:
    slot = told(one.get("physical slot"))
    return f"Slot {slot}" if slot and slot != "65535" else ""


def _controller(one: Part) -> Controller:
    word = told(one.get("controller status"))
    low = word.lower()
    health: Health = "" if not word else "ok" if low in ("optimal", "okay", "ok") else "failed" if "fail" in low else "warning"
    mode = told(one.get("controller mode"))
    battery = told(one.get("battery status") or one.get("battery overall backup unit status")).lower()
    count = re.match(r"(\d{1,4})/\d+/\d+", one.get("logical devices/failed/degraded") or one.get("logical drives/offline/critical", ""))
    return Controller(
        place=_place(one),
        model=told(one.get("controller model")),
        serial=told(one.get("controller serial number")),
        firmware=told(one.get("firmware")).partition(" ")[0],
        mode="raid" if "raid" in mode.lower() else "hba" if mode.lower().startswith("hba") else mode,
        cache=size_of(one.get("installed memory")),
        battery="" if not battery or "not" in battery else _battery(battery),
        health=health,
        note="" if health == "ok" else word,
        volumes=int(count[1]) if count is not None else 0,
    )


def _battery(word: str) -> Health:
    if re.search(r"optimal|\bok\b|ready|charging", word):
        return "ok"
    return "failed" if "fail" in word else "warning"


def _location(one: Part) -> str:
    """`Enclosure 0, Slot 0( Connector Unknown )` -> `Enclosure 0, Slot 0`."""
    return told(one.get("reported location", "").partition("(")[0], 60)


def _address(one: Part) -> str:
    value = one.get("reported channel,device(t:l)") or one.get("reported channel,device") or ""
    found = _ADDRESS.match(value)
    return f"{found[1]},{found[2]}" if found is not None else ""


def _drive(one: Part) -> Drive:
    word = told(one.get("state"))
    low = word.lower()
    state: DriveState = (
        "spare" if "spare" in low else next(found for start, found in _DRIVE_STATES if low.startswith(start)) if word else ""
    )
    speed, ssd = one.get("transfer speed", ""), one.get("ssd", "").lower()
    warned = number(one.get("s.m.a.r.t. warnings")) > 0
    block = number(one.get("block size") or one.get("logical block size"))
    gone = one.get("vendor") == "*MISSING*"
    if gone:
        state = "missing"
    protocol = protocol_of(speed) or protocol_of(one.get("interface type"))
    vendor, model = told(one.get("vendor")), told(one.get("model"))
    if protocol == "sata" and len(vendor) == 8 and re.search(r"\d", vendor) is not None:
        vendor, model = "", vendor + model  # the first 8 characters of the model, which old firmware takes for the vendor
    health: Health = health_of(state) if state in ("failed", "missing", "rebuilding") else "warning" if warned else ""
    if not health and state and state != "other" and "s.m.a.r.t. warnings" in one:
        health = "ok"
    return Drive(
        place=_location(one) or _address(one),
        controller=one["controller"],
        vendor="" if vendor == "ATA" or gone else vendor,
        model=model,
        serial=told(one.get("serial number")),
        wwn=_wwn(one, protocol),
        firmware=told(one.get("firmware")),
        size=size_of(one.get("total size") or one.get("size")),
        block=block if block in (512, 520, 528, 4096) else 0,
        medium="ssd" if ssd == "yes" else "hdd" if ssd == "no" else "",
        protocol=protocol,  # type: ignore[arg-type]
        state=state,
        health=health,
        note=("SMART warnings" if warned else "") if health == "ok" or state in ("online", "spare", "unused", "jbod") else word,
        temperature=degrees(one.get("temperature")),
        link=link_of(speed),
        rpm=number(one.get("rotational speed")),
    )


def _wwn(one: Part, protocol: str) -> str:
    """Adaptec's firmware shows the address of its own port as the name of a SATA drive. That is not told."""
    wwn = wwn_of(one.get("world-wide name"))
    own = wwn == wwn_of(one.get("phy address")) or wwn[1:7] == "0000d1"
    return "" if protocol == "sata" and own else wwn


def _volume(one: Part, drives: list[tuple[Part, Drive]]) -> RaidVolume:
    word = told(one.get("status of logical device") or one.get("status of logical drive"))
    state: VolumeState = next(found for start, found in _VOLUME_STATES if word.lower().startswith(start)) if word else ""
    busy = re.search(r"(\d{1,3})(?:\.\d+)? ?%", word)
    boot = (one.get("bootable") or one.get("boot type") or "").lower()
    members = [place for line in one.get("members", "").splitlines() if (place := _member(line, one["controller"], drives))]
    name = told(one.get("disk name")).removeprefix("/dev/")
    return RaidVolume(
        place=one["place"],
        controller=one["controller"],
        name=told(one.get("logical device name") or one.get("logical drive name")),
        wwn=wwn_of(one.get("volume unique identifier")),
        device=name if re.fullmatch(r"[A-Za-z0-9]{1,30}", name) else "",
        level=level_of(one.get("raid level")),
        size=size_of(one.get("size")),
        stripe=size_of(one.get("stripe-unit size") or one.get("stripe size")),
        state=state,
        health=health_of(state),
        note="" if state == "optimal" else word,
        progress=int(busy[1]) if busy is not None and int(busy[1]) <= 100 else None,
        members=tuple(dict.fromkeys(members)),
        boot={"yes": True, "no": False}.get(boot),
    )


def _member(line: str, controller: str, drives: list[tuple[Part, Drive]]) -> str:
    """The place of the drive of `Present (.., Connector:0, Device:0) 7CS009RP`: by its serial number, then by its address."""
    serial = line.split()[-1] if line.split() else ""
    mine = [(part, drive) for part, drive in drives if drive.controller == controller]
    named = [drive.place for _, drive in mine if drive.serial and drive.serial.split()[-1] == serial]
    if len(named) == 1:
        return named[0]
    if (address := re.search(r"\((\d{1,3}),(\d{1,4})\)", line)) is not None:
        return next((drive.place for part, drive in mine if _address(part) == f"{address[1]},{address[2]}"), "")
    spot = re.search(r"(Enclosure|Connector|Channel):(\d+), ?(Slot|Device):(\d+)", line)
    if spot is None:
        return ""
    return next((drive.place for _, drive in mine if drive.place == f"{spot[1]} {spot[2]}, {spot[3]} {spot[4]}"), "")


def _task(one: Part) -> RaidVolume:
    """A running task of `getstatus`."""
    what = told(one.get("current operation"))
    done = number(one.get("percentage complete"))
    state: VolumeState = "rebuilding" if "rebuild" in what.lower() else ""
    return RaidVolume(
        place=told(one.get("logical device")),
        state=state,
        health=health_of(state),
        note=what,
        progress=done if 0 <= done <= 100 and "percentage complete" in one else None,
    )
