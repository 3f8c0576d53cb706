#!/usr/bin/python3
"""A stand-in for LVM and lsblk, where the kernel has no device mapper: a volume is a sparse file. Cinder, tgt and the role are real.

It has the name of the program it stands for. Its state is the folder /var/lib/lvm-stand-in: `disks` (paths, one in a line), and `group/NAME`.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

STATE = Path("/var/lib/lvm-stand-in")
GIB = 1 << 30


def disks() -> list[str]:
    file = STATE / "disks"
    return file.read_text().split() if file.exists() else []


def groups() -> dict[str, list[str]]:
    return {one.name: one.read_text().split() for one in sorted((STATE / "group").glob("*"))}


def volumes(group: str) -> list[Path]:
    return sorted(Path("/dev", group).glob("*"))


def sizes(group: str) -> tuple[float, float]:
    """GiB of the group, and what is free."""
    size = 100.0 * len(groups()[group])
    return size, size - sum(one.stat().st_size / GIB for one in volumes(group))


def lsblk(words: list[str]) -> str:
    taken = [disk for members in groups().values() for disk in members]
    row = {"type": "disk", "size": 100 * GIB, "ro": False, "pttype": None, "mountpoints": [None]}
    found = [{"path": disk, **row, "fstype": "LVM2_member" if disk in taken else None} for disk in disks()]
    return json.dumps({"blockdevices": found})


def pvs(words: list[str]) -> str:
    if "json" in words:
        return json.dumps({"report": [{"pv": [{"pv_name": disk, "vg_name": name} for name, all_ in groups().items() for disk in all_]}]})
    return "".join(f"  {name}|{disk}|100.00|100.00\n" for name, all_ in groups().items() for disk in all_)


def vgs(words: list[str]) -> str:
    if "--version" in words:
        return "  LVM version:     2.03.31(2) (2025-02-27)\n  Library version: 1.02.205 (2025-02-27)\n  Driver version:  4.49.0\n"
    if "name,size,free,lv_count,uuid" in words:
        return "".join(f"  {name}:{sizes(name)[0]:.2f}:{sizes(name)[1]:.2f}:{len(volumes(name))}:aaaa-bbbb\n" for name in groups())
    return "".join(f"  {name}\n" for name in groups())


def lvs(words: list[str]) -> str:
    asked = words[-1].partition("/")
    found = [(name, one) for name in groups() for one in volumes(name) if asked[0] == name and asked[2] in ("", one.name)]
    if asked[2] and not found:
        sys.exit(f"  Failed to find logical volume {words[-1]}")
    return "".join(f"  {name} {one.name} {one.stat().st_size / GIB:.2f}\n" for name, one in found)


def vgcreate(words: list[str]) -> str:
    name, *members = [word for word in words if not word.startswith("-")]
    (STATE / "group").mkdir(exist_ok=True)
    (STATE / "group" / name).write_text("\n".join([*groups().get(name, ()), *members]))
    Path("/dev", name).mkdir(exist_ok=True)
    return f"  Volume group {name} successfully created\n"


def mapped(group: str, name: str) -> Path:
    """The name that device mapper has for the volume: Cinder clears it there."""
    return Path("/dev/mapper", "-".join(part.replace("-", "--") for part in (group, name)))


def lvcreate(words: list[str]) -> str:
    name, size = words[words.index("-n") + 1], words[words.index("-L") + 1]
    group = next(word for word in words if word in groups())
    file = STATE / "volume" / group / name
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as out:
        out.truncate(int(float(size.rstrip("gG")) * GIB))
    for link in (Path("/dev", group, name), mapped(group, name)):
        link.symlink_to(file)
    return ""


def lvremove(words: list[str]) -> str:
    group, name = words[-1].split("/")
    for one in (mapped(group, name), Path("/dev", group, name), STATE / "volume" / group / name):
        one.unlink()
    return ""


def lvdisplay(words: list[str]) -> str:
    return "  -wi-a-----\n"


ACTS = {one.__name__: one for one in (lsblk, pvs, vgs, lvs, vgcreate, lvcreate, lvremove, lvdisplay)} | {"vgextend": vgcreate}
if __name__ == "__main__":
    act = ACTS.get(os.path.basename(sys.argv[0]))
    if act:
        print(act(sys.argv[1:]), end="")
