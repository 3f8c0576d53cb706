"""The disks that are in a machine, with names that the kernel may give otherwise at each boot; what an install may write to."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .machine import Machine

LETTERS = "abcdefgh"


class Disk:
    __slots__ = ("label", "name", "path", "serial", "signature", "size", "wwn")

    def __init__(self, serial: str, wwn: str, path: str, size: int, signature: str, name: str) -> None:
        self.serial, self.wwn, self.path, self.size, self.signature, self.name = serial, wwn, path, size, signature, name
        self.label = ""
        """Of its partition table, by which an install knows what it has begun."""

    def told(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "size": self.size,
            "serial": self.serial,
            "wwn": self.wwn,
            "path": self.path,
            "transport": "sas",
            "signature": self.signature,
            "rotational": True,
            "paths": [self.name],
        }


def made(random: Random, number: int, count: int, batch: int = 0) -> list[Disk]:
    """`batch`: other disks than those of before. Some say no WWN, and some hold something."""
    named = random.random() < 0.7
    return [
        Disk(
            serial=f"D{number}-{batch}-{i}",
            wwn=f"naa.5000{number:02x}{batch:02x}{i:02x}" if named else "",
            path=f"pci-0000:00:1f.2-ata-{i + 1}",
            size=10**12 if random.random() < 0.7 else 2 * 10**12,
            signature=random.choice(["", "", "", "gpt"]),
            name=f"sd{LETTERS[i]}",
        )
        for i in range(count)
    ]


def rename(random: Random, machine: Machine) -> bool:
    """A boot: the kernel finds them in another order. True: a name is another disk's now."""
    if len(machine.disks) < 2 or random.random() < 0.5:
        return False
    names = [disk.name for disk in machine.disks]
    before = list(names)
    random.shuffle(names)
    for disk, name in zip(machine.disks, names, strict=True):
        disk.name = name
    return names != before


def find(machine: Machine, wanted: dict[str, Any]) -> Disk | None:
    """As `images/node/disks find`: by the strongest name that is known; a weaker one that differs says that it is another disk."""
    strongest = next((name for name in ("wwn", "serial", "path", "name") if wanted.get(name)), "")
    found = [d for d in machine.disks if strongest and getattr(d, strongest) == wanted[strongest]]
    found = [d for d in found if not (wanted.get("serial") and d.serial != wanted["serial"]) and wanted.get("size") in (None, 0, d.size)]
    return found[0] if len(found) == 1 else None
