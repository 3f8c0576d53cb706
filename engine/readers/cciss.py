"""cciss_vol_status (HP's old tool for Smart Arrays) and /proc/driver/cciss. Source: cciss_vol_status(8)."""

from __future__ import annotations

import re

from ..parts import Controller, Drive, DriveState, Health, Parts, RaidVolume, VolumeState
from .raid_words import bounded, health_of, level_of, lines_of, size_of
from .report import told

_VOLUME = re.compile(
    r"(?P<device>/dev/[A-Za-z0-9/]{1,40}): \((?P<model>[^)]{1,60})\) (?P<level>RAID [^ ]{1,12}|\(Unknown RAID level\)) "
    r"Volume (?P<number>\d{1,3})(?:\((?P<name>[^)]{0,60})\))? status: (?P<status>[^.]{1,200})\.?(?P<more>.*)"
)
_DRIVE = re.compile(
    r"\s+(?:b\d+t\d+ )?connector (?P<port>\S{1,6}) box (?P<box>\d{1,3}) bay (?P<bay>\d{1,4}) {2,}"
    r"(?P<vendor>.{8})(?P<model>.{16})(?P<rest>.*)"
)
_REST = re.compile(
    r"\s*(?P<serial>\S{1,40})?\s+(?P<firmware>\S{1,8})\s+(?P<status>\S.{0,100}?)\s*|\s*(?P<only>\S{1,40})?\s*(?P<rev>\S{1,8})?\s*"
)
_STATES: tuple[tuple[str, VolumeState], ...] = (
    ("ok", "optimal"), ("failed", "failed"), ("using interim recovery", "degraded"), ("ready for recovery", "degraded"),
    ("currently recovering", "rebuilding"), ("wrong physical drive", "degraded"), ("a physical drive is not properly", "degraded"),
    ("", "other"),
)  # fmt: skip
_PROC = re.compile(r"(cciss\d{1,3}): (HP .{1,60}? Controller|.{1,60}?)")
_PROC_VOLUME = re.compile(r"(cciss/c\d{1,3}d\d{1,4}):\s+(\d[\d.]*[GMT]B)\s+(RAID .{1,30}?)\s*")
_VERSION = re.compile(r"cciss_vol_status version (\S{1,20})")


def looks(text: str) -> bool:
    """True for what cciss_vol_status writes, and for a file of /proc/driver/cciss."""
    head = text[:20000]
    return (
        re.search(
            r"(?m)^/dev/\S+: \([^)]+\) \(?(?:RAID|Unknown)|^cciss\d+: |^cciss_vol_status version|^[ \t]+connector \S+ box \d+ bay \d+ ",
            head,
        )
        is not None
    )


def read(text: str) -> Parts:
    """Controllers, drives and volumes. Raises Refused for another text."""
    controllers: list[Controller] = []
    volumes: dict[tuple[str, str], RaidVolume] = {}
    drives: dict[tuple[str, str, str], Drive] = {}
    odd: list[str] = []
    section, place, facts = "", "", {"": ""}
    for line in lines_of(text):
        if (named := re.match(r"Controller: (.{1,60})", line)) is not None or (named := _PROC.fullmatch(line.strip())) is not None:
            _close(controllers, facts)
            proc = named[0].startswith("cciss")
            facts = {"model": (named[2] if proc else named[1]).removesuffix(" Controller").strip(), "place": named[1] if proc else ""}
            place, section = facts["place"], ""
        elif (volume := _VOLUME.fullmatch(line)) is not None:
            one = _volume(volume, place)
            facts["new" if (one.device, one.place) not in volumes else "again"] = "yes"
            volumes.setdefault((one.device, one.place), one)
            section = ""
        elif (enclosure := re.match(r"/dev/\S+: \(.*?\) Enclosure (.{1,80}) status: (.{1,60}?)\.?$", line)) is not None:
            if enclosure[2].strip().lower() != "ok":
                odd.append(told(f"enclosure {enclosure[1]}: {enclosure[2]}"))
        elif (volume := _PROC_VOLUME.fullmatch(line)) is not None:
            number_of = re.sub(r"^.*d", "", volume[1])
            found = RaidVolume(
                place=number_of, controller=place, device=volume[1], level=level_of(volume[3]), size=size_of(volume[2], decimal=True)
            )
            volumes[(volume[1], number_of)] = found
        elif (drive := _DRIVE.fullmatch(line)) is not None:
            one_drive = _drive(drive, place, section)
            drives.setdefault((place, one_drive.serial, one_drive.place), one_drive)
        elif (head := re.fullmatch(r"\s+('Replacement'|Failed|Physical|Spare)? ?drives: ?\d*\s*", line)) is not None:
            section = (head[1] or "").strip("'").lower()
        elif (fact := re.match(r"\s*(Running firmware|Firmware Version|Logical drives|Total cache memory): (.{1,60})", line)) is not None:
            facts.setdefault(fact[1].lower(), fact[2].strip())
        elif (version := _VERSION.match(line)) is not None:
            odd.append(f"the report is only the version of the tool, {version[1]}")
    _close(controllers, facts)
    record = Parts(controllers=tuple(controllers), drives=tuple(drives.values()), volumes=tuple(volumes.values()), odd=tuple(odd[:50]))
    return bounded(record, "cciss_vol_status")


def _close(controllers: list[Controller], facts: dict[str, str]) -> None:
    if facts.get("model") and ("new" in facts or "again" not in facts):  # the tool tells a controller once for each of its device files
        firmware = told(facts.get("running firmware")) or told(facts.get("firmware version"))
        cache = size_of(facts.get("total cache memory"))
        controllers.append(Controller(place=facts["place"], model=told(facts["model"]), firmware=firmware, cache=cache))


def _volume(found: re.Match[str], place: str) -> RaidVolume:
    word = told(found["status"])
    state = next(state for start, state in _STATES if word.lower().startswith(start))
    return RaidVolume(
        place=found["number"],
        controller=place,
        name=told(found["name"]),
        device=found["device"].removeprefix("/dev/"),
        level=level_of(found["level"]),
        state=state,
        health=health_of(state),
        note=told(found["more"]) if state == "optimal" else word,
    )


def _drive(found: re.Match[str], place: str, section: str) -> Drive:
    rest = _REST.fullmatch(found["rest"])
    status = told(rest["status"]) if rest is not None and rest["status"] else ""
    state: DriveState = "failed" if section == "failed" or ("fail" in status.lower() and "predict" not in status.lower()) else ""
    health: Health = (
        "failed"
        if state == "failed"
        else "ok"
        if status == "OK"
        else "warning"
        if status and status.isprintable() and status.isascii()
        else ""
    )
    vendor = told(found["vendor"])
    return Drive(
        place=f"{found['port']}:{found['box']}:{found['bay']}",
        controller=place,
        vendor="" if vendor == "ATA" else vendor,
        model=told(found["model"]),
        serial=told(rest["serial"] or rest["only"]) if rest is not None else "",
        firmware=told(rest["firmware"] or rest["rev"]) if rest is not None else "",
        protocol="sata" if vendor == "ATA" else "",
        state="spare" if section == "spare" and not state else state,
        health=health,
        note=status if health == "warning" else "",
    )
