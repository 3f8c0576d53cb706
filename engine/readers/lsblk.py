"""`lsblk` as pairs (`-P`) or JSON (`-J`): drives, and md volumes with their members. Source: lsblk(8) of util-linux.

With `--bytes` the sizes are exact; without it lsblk rounds them to one digit behind the point, and so are those of the record.
"""

from __future__ import annotations

import re
from typing import Any

from engine.parts import Drive, Level, Parts, Protocol, RaidVolume
from engine.readers import plain
from engine.readers.report import MOST_ITEMS, Refused, told

_HEX = re.compile(r"0x[0-9a-f]{4}")
"""The number of a PCI vendor, which virtio disks report as theirs."""
_NO_DRIVES = re.compile(r"(?:zram|loop|nbd|ram|fd|dm-|rbd|drbd|zd)\d+|mmcblk\d+(?:boot\d+|rpmb)")
_PAIR = re.compile(r'([A-Z][A-Z0-9_:%-]*)="((?:[^"\\]|\\.)*)"')
_PROTOCOLS: dict[str, Protocol] = {
    "sata": "sata",
    "ata": "ide",
    "sas": "sas",
    "nvme": "nvme",
    "usb": "usb",
    "fc": "fc",
    "iscsi": "iscsi",
    "spi": "scsi",
    "mmc": "mmc",
}
_LEVELS: dict[str, Level] = {f"raid{n}": f"raid{n}" for n in ("0", "1", "4", "5", "6", "10")}  # type: ignore[misc]


def looks_pairs(text: str) -> bool:
    """`NAME` is also a variable of shell files, with a line for each."""
    for row in text[:8000].splitlines()[:100]:
        keys = {key for key, _ in _PAIR.findall(row)}
        if keys & {"KNAME", "PKNAME"} or ("NAME" in keys and len(keys) > 1):
            return True
    return False


def looks_json(text: str) -> bool:
    return plain.begins_json(text, "blockdevices")


def read_pairs(text: str) -> Parts:
    """Raises Refused if no line has pairs."""
    found = [{key.lower().replace("_", "-"): _unescaped(value) for key, value in _PAIR.findall(row)} for row in plain.lines(text)]
    rows = [one for one in found if one]
    if not rows:
        raise Refused(f"lsblk printed no pairs; it said: {plain.first(plain.lines(text))}")
    return _parts([(one, told(one.get("pkname", "")).removeprefix("/dev/")) for one in rows[:MOST_ITEMS]])


def _unescaped(value: str) -> str:
    r"""lsblk writes `\x20` for octets that a shell would read, and `\"`."""
    return re.sub(r"\\(?:x([0-9a-fA-F]{2})|(.))", lambda m: chr(int(m[1], 16)) if m[1] else m[2], value)


def read_json(text: str) -> Parts:
    """Raises Refused if it is no JSON of lsblk."""
    top = plain.item(plain.tree(text), "blockdevices")
    if not isinstance(top, list):
        raise Refused("lsblk's JSON has no list of block devices")
    rows: list[tuple[dict[str, Any], str]] = []
    waiting = [(one, told(plain.item(one, "pkname"))) for one in top]
    while waiting and len(rows) < MOST_ITEMS:
        one, parent = waiting.pop(0)
        if isinstance(one, dict):
            rows.append((one, parent))
            waiting += [(child, _name(one)) for child in plain.many(one.get("children"))]
    return _parts(rows)


def _name(one: dict[str, Any]) -> str:
    return told(one.get("kname")).removeprefix("/dev/") or told(one.get("name")).removeprefix("/dev/")


def _parts(rows: list[tuple[dict[str, Any], str]]) -> Parts:
    drives: dict[str, Drive] = {}
    volumes: dict[str, RaidVolume] = {}
    members: dict[str, list[str]] = {}
    above = {_name(one): parent for one, parent in reversed(rows) if parent}
    odd: list[str] = []
    for one, parent in rows:
        name, kind = _name(one), told(one.get("type")).lower()
        if not name or _NO_DRIVES.fullmatch(name):
            continue
        if kind in ("disk", "rom", "tape"):
            drive = _drive(one, name, kind)
            if drives.setdefault(name, drive) != drive:
                odd.append(f"lsblk lists {name} twice, differently; the first is taken")
        elif kind.startswith(("raid", "linear")) and name.startswith("md"):
            volume = RaidVolume(name=name, device=name, level=_LEVELS.get(kind, "other"), size=plain.size(one.get("size")))
            volumes.setdefault(name, volume)
            if parent:
                members.setdefault(name, []).append(_disk_of(parent, above))
    made = [
        RaidVolume(name=v.name, device=v.device, level=v.level, size=v.size, members=tuple(dict.fromkeys(members.get(name, ()))))
        for name, v in volumes.items()
    ]
    return Parts(drives=tuple(drives.values()), volumes=tuple(made), odd=tuple(dict.fromkeys(odd))[:50])


def _disk_of(name: str, above: dict[str, str]) -> str:
    """The disk below a partition."""
    for _ in range(8):
        if name not in above:
            break
        name = above[name]
    return name


def _drive(one: dict[str, Any], name: str, kind: str) -> Drive:
    protocol = _PROTOCOLS.get(told(one.get("tran")).lower(), "")
    rotates = {"1": True, "true": True, "0": False, "false": False}.get(str(one.get("rota")).lower())
    medium = "optical" if kind == "rom" else "tape" if kind == "tape" else ""
    if not medium and protocol != "usb" and rotates is not None:
        medium = "hdd" if rotates else "ssd"
    return Drive(
        name=name,
        vendor="" if _HEX.fullmatch(told(one.get("vendor"))) else told(one.get("vendor")),
        model=told(one.get("model")),
        serial=told(one.get("serial")),
        firmware=told(one.get("rev")),
        wwn=plain.wwn(one.get("wwn")),
        size=plain.size(one.get("size")),
        block=plain.integer(one.get("log-sec"), 2**20),
        medium=medium,  # type: ignore[arg-type]
        protocol=protocol,
    )
