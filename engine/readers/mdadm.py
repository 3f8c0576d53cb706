"""Linux software RAID: `mdadm --detail [--export]`, `--examine`, `--detail --scan`, and /proc/mdstat.

A member's place is its kernel name.
Source: mdadm(8), md(4), and the kernel's drivers/md/md.c (mdstat).
"""

from __future__ import annotations

import re

import msgspec

from ..parts import Drive, DriveState, Parts, RaidVolume, VolumeState
from .raid_words import bounded, health_of, level_of, lines_of, pair, size_of
from .report import Refused, told

_STAT = re.compile(
    r"(md[A-Za-z0-9_-]{1,32}) : (active|inactive|broken)(?: \(([a-z-]{1,20})\))?(?: ([a-z0-9]{1,12}))?"
    r"((?: [A-Za-z0-9!/_.-]{1,40}\[\d+\](?:\([A-Z]\))*)*)\s*"
)
_SLOT = re.compile(r"([A-Za-z0-9!/_.-]{1,40})\[(\d+)\]((?:\([A-Z]\))*)")
_ARROW = re.compile(r"(recovery|resync|reshape|check|repair)\s*=\s*(\d{1,3})(?:\.\d+)?%")
_DEVICE = re.compile(r"(/dev/[A-Za-z0-9/!_.+-]{1,80}):?")
_ROW = re.compile(r"\s+(\d{1,5}|-)\s+(\d{1,5})\s+(\d{1,7})\s+(\d{1,5}|-)\s+(?:([a-z][A-Za-z, -]{0,60}?)\s+)?(/dev/\S{1,80})?\s*")
_HOMEHOST = re.compile(r"\s*\(local to host .*\)$")
_SCAN = re.compile(r"ARRAY (/dev/\S{1,80}) .*")
Part = dict[str, str]


def looks(text: str) -> bool:
    """True for what mdadm writes about an array or a member, and for /proc/mdstat."""
    head = text[:20000]
    stat = re.search(r"(?m)^Personalities :|^md\w+ : (?:active|inactive)", head) is not None
    export = re.search(r"(?m)^MD_(?:LEVEL|DEVICES|UUID|METADATA)=", head) is not None
    block = (
        re.search(r"(?m)^/dev/\S+:?\s*$", head) is not None
        and re.search(r"(?m)^[ \t]*(?:Raid Level|Raid Devices|Magic) : ", head) is not None
    )
    return stat or export or block or re.search(r"(?m)^ARRAY /dev/\S+ .*(?:UUID|metadata)=", head) is not None


def read(text: str) -> Parts:
    """Volumes and their members. Raises Refused for another text, and where there is no array."""
    lines = lines_of(text)
    if any(line.startswith("Personalities :") or _STAT.fullmatch(line) for line in lines):
        return _mdstat(lines)
    if any(re.match(r"MD_[A-Z]", line) for line in lines):
        return _export(lines)
    blocks = _blocks(lines)
    drives: list[Drive] = []
    volumes: list[RaidVolume] = []
    for name, facts, rows in blocks:
        if "device role" in facts or "magic" in facts:
            drives.append(_examined(name, facts))
        elif "raid level" in facts or "state" in facts:
            volume, members = _detail(name, facts, rows)
            volumes.append(volume)
            drives += members
    for line in lines:
        if (scanned := _SCAN.fullmatch(line)) is not None:
            words = dict(part.split("=", 1) for part in line.split()[2:] if "=" in part)
            name = _short(scanned[1])
            volumes.append(RaidVolume(place=name, device=name, level=level_of(words.get("level")), name=_name(words.get("name", ""))))
    return bounded(Parts(drives=tuple(drives), volumes=tuple(volumes)), "mdadm")


def _short(path: str) -> str:
    return path.removeprefix("/dev/")


def _name(text: str) -> str:
    """The array's own name, without the host that made it."""
    clean = told(_HOMEHOST.sub("", text))
    return clean.partition(":")[2] or clean


def _mdstat(lines: list[str]) -> Parts:
    drives: list[Drive] = []
    volumes: list[RaidVolume] = []
    for line in lines:
        if (head := _STAT.fullmatch(line)) is not None:
            slots = [(_SLOT.fullmatch(word)) for word in head[5].split()]
            found = [(slot[1], slot[3]) for slot in slots if slot is not None]
            level = level_of(head[4]) if head[4] else ""
            state: VolumeState = "optimal" if head[2] == "active" else "failed" if head[2] == "broken" else "other"
            volumes.append(
                RaidVolume(
                    place=head[1],
                    device=head[1],
                    level=level,
                    state=state,
                    note="" if head[2] == "active" else head[2],
                    members=tuple(name for name, marks in found if "(S)" not in marks and "(F)" not in marks),
                    spares=tuple(name for name, marks in found if "(S)" in marks and head[2] == "active"),
                )
            )
            drives += [Drive(name=name, place=name, volume=head[1], state=_marked(marks, head[2])) for name, marks in found]
        elif volumes and line.startswith((" ", "\t")):
            volumes[-1] = _below(volumes[-1], line)
    volumes = [msgspec.structs.replace(one, health=health_of(one.state)) for one in volumes]
    short = {one.place for one in volumes if one.state in ("degraded", "rebuilding") and _lacks(one)}
    drives = [msgspec.structs.replace(d, state="") if d.volume in short and d.state == "online" else d for d in drives]
    if not volumes:
        raise Refused("/proc/mdstat lists no array")
    return bounded(Parts(drives=tuple(_once(drives)), volumes=tuple(volumes)), "/proc/mdstat")


def _lacks(one: RaidVolume) -> bool:
    """True if more members are listed than are whole: then /proc/mdstat does not tell which one is being rebuilt."""
    found = re.match(r"(\d+) of ", one.note)
    return found is not None and len(one.members) > int(found[1])


def _marked(marks: str, active: str) -> DriveState:
    if "(F)" in marks:
        return "failed"
    if "(S)" in marks:
        return "spare" if active == "active" else "other"
    return "online" if active == "active" else "other"


def _below(volume: RaidVolume, line: str) -> RaidVolume:
    """What a line below the array's own says: size, members that are there, a rebuild."""
    if (blocks := re.match(r"\s+(\d{1,15}) blocks\b(.*)", line)) is not None:
        there = re.search(r"\[(\d{1,4})/(\d{1,4})\]", blocks[2])
        chunk = re.search(r"(\d{1,7})k (?:chunk|rounding)", blocks[2])
        state = volume.state
        if there is not None and state == "optimal" and int(there[2]) < int(there[1]):
            state = "degraded"
        return msgspec.structs.replace(
            volume, size=int(blocks[1]) * 1024, stripe=int(chunk[1]) * 1024 if chunk is not None else 0, state=state,
            note=f"{there[2]} of {there[1]} members" if there is not None and state == "degraded" else volume.note,
        )  # fmt: skip
    if (arrow := _ARROW.search(line)) is not None:
        done = min(int(arrow[2]), 100)
        busy: VolumeState = "rebuilding" if arrow[1] == "recovery" else volume.state
        return msgspec.structs.replace(volume, progress=done, state=busy, note=f"{volume.note}, {arrow[1]}".strip(", "))
    if (waits := re.search(r"(recovery|resync|reshape|check)\s*=\s*(DELAYED|PENDING|REMOTE)", line)) is not None:
        return msgspec.structs.replace(volume, note=f"{volume.note}, {waits[1]} {waits[2].lower()}".strip(", "))
    return volume


def _once(drives: list[Drive]) -> list[Drive]:
    """A disk of an IMSM container is listed with the container and with each array in it. The array counts."""
    out: dict[str, Drive] = {}
    for one in drives:
        if one.place not in out or out[one.place].state == "other":
            out[one.place] = one
    return list(out.values())


def _blocks(lines: list[str]) -> list[tuple[str, Part, list[re.Match[str]]]]:
    """Each device of `--detail` or `--examine`: its path, what is told of it, and the rows of members."""
    out: list[tuple[str, Part, list[re.Match[str]]]] = []
    for line in lines:
        if (device := _DEVICE.fullmatch(line)) is not None:
            out.append((device[1], {}, []))
        elif not out:
            continue
        elif (row := _ROW.fullmatch(line)) is not None:
            out[-1][2].append(row)
        elif (found := pair(line)) is not None:
            out[-1][1].setdefault(found[1], found[2])
    return out


def _kib(text: str) -> int:
    """Bytes of `1048512 (1023.94 MiB 1073.68 MB)`. The number counts KiB or sectors, by version; the words decide."""
    found = re.match(r"(\d{1,15})\s*(KiB|sectors)?\s*(?:\((.*?)\))?", text)
    if found is None:
        return 0
    about = size_of(found[3] or "")
    for unit in (1024, 512):
        if about and abs(int(found[1]) * unit - about) <= about // 50:
            return int(found[1]) * unit
    return about or (int(found[1]) * (512 if found[2] == "sectors" else 1024))


def _detail(path: str, facts: Part, rows: list[re.Match[str]]) -> tuple[RaidVolume, list[Drive]]:
    place = _short(path)
    words = {word.strip() for word in facts.get("state", "").lower().split(",")}
    state = _array_state(words, facts)
    members: list[Drive] = []
    for row in rows:
        if row[6] is None:
            continue
        name = _short(row[6])
        members.append(Drive(name=name, place=name, volume=place, state=_row_state(row[5] or "")))
    done = re.search(
        r"(\d{1,3})% complete", facts.get("rebuild status", "") + facts.get("resync status", "") + facts.get("check status", "")
    )
    volume = RaidVolume(
        place=place,
        device=place,
        name=_name(facts.get("name", "")),
        level="other" if facts.get("raid level") == "container" else level_of(facts.get("raid level")),
        size=_kib(facts.get("array size", "")),
        stripe=size_of(f"{facts.get('chunk size', '')}B") if "chunk size" in facts else 0,
        state=state,
        health=health_of(state),
        note="" if state == "optimal" else told(facts.get("state")),
        progress=int(done[1]) if done is not None and int(done[1]) <= 100 else None,
        members=tuple(one.place for one in members if one.state in ("online", "rebuilding")),
        spares=tuple(one.place for one in members if one.state == "spare"),
    )
    return volume, members


def _array_state(words: set[str], facts: Part) -> VolumeState:
    if words & {"failed", "broken"}:
        return "failed"
    if "inactive" in words or words & {"not started"}:
        return "other"
    if words & {"recovering"} or "rebuild status" in facts:
        return "rebuilding"
    if "degraded" in words:
        return "degraded"
    return "optimal" if words & {"clean", "active", "active-idle", "write-pending"} else "other" if words - {""} else ""


def _row_state(word: str) -> DriveState:
    if "faulty" in word:
        return "failed"
    if "rebuilding" in word:
        return "rebuilding"
    if "spare" in word:
        return "spare"
    return "online" if "active" in word else "missing" if "removed" in word else "other"


def _examined(path: str, facts: Part) -> Drive:
    """A member, by its own superblock. Which array it is in is told by name only: the kernel's name of the array is not in it."""
    role = facts.get("device role", "")
    state: DriveState = "online" if role.startswith("Active") else "spare" if role == "spare" else "other"
    label = _name(facts.get("name", ""))
    note = f"{facts.get('raid level', '')} {label}".strip() if "raid level" in facts else ""
    return Drive(name=_short(path), place=_short(path), state=state if role else "other", note=told(f"member of {note}") if note else "")


def _export(lines: list[str]) -> Parts:
    facts: Part = {}
    for line in lines:
        key, equals, value = line.strip().partition("=")
        if equals and key.startswith("MD_"):
            facts.setdefault(key, value.strip().strip("'\""))
    paths = {key[:-4]: value for key, value in facts.items() if key.startswith("MD_DEVICE_") and key.endswith("_DEV")}
    roles = {key: facts.get(f"{key}_ROLE", "") for key in paths}
    size = size_of(facts.get("MD_ARRAY_SIZE", "") + ("" if facts.get("MD_ARRAY_SIZE", "").endswith("B") else "B"), decimal=True)
    device = facts.get("MD_DEVNAME", "")
    place = f"md/{device}" if device and not device.startswith("md") else device
    members = tuple(_short(path) for key, path in paths.items() if roles[key].isdecimal())
    count = facts.get("MD_DEVICES", "")
    whole = count.isdecimal() and len(members) >= int(count)
    state: VolumeState = "" if not paths or not count.isdecimal() else "optimal" if whole else "degraded"
    volume = RaidVolume(
        place=place or _name(facts.get("MD_NAME", "")) or facts.get("MD_UUID", ""),
        name=_name(facts.get("MD_NAME", "")),
        level=level_of(facts.get("MD_LEVEL")),
        size=size,
        state=state,
        health=health_of(state),
        note=f"{len(members)} of {count} members" if state == "degraded" else "",
        members=members,
        spares=tuple(_short(path) for key, path in paths.items() if roles[key] == "spare"),
    )
    if not volume.level and not paths:
        raise Refused("the report has no MD_LEVEL and no member")
    drives = tuple(
        Drive(
            name=_short(path),
            place=_short(path),
            volume=volume.place,
            state="spare" if roles[key] == "spare" else "online" if roles[key].isdecimal() else "other",
        )
        for key, path in paths.items()
    )
    return bounded(Parts(drives=drives, volumes=(volume,)), "mdadm")
