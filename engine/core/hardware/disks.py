"""The disks of a machine from its inventory: typed, bounded, each disk once.

Inventories of older versions have fewer facts. Missing facts are empty. Paths of a remote disk are found by its serial number.

Rules
* A disk is identified by WWN, or else by serial number, by where it is plugged in, or by its name. A kernel name (sda) identifies
  nothing: it may belong to another disk at the next boot.
* A machine's report is a claim. An item that is not a disk is left out, and disks with the same identity are marked (`twins`).
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct, ValidationError, convert
from msgspec.structs import replace

from ...definitions import Json

MOST = 4096
"""Most disks of one machine that are read."""
REMOTE = ("fc", "iscsi", "fcoe", "aoe", "nbd", "rbd")
"""Transports to disks outside the machine; and all of NVMe over a network (`nvme-tcp`, `nvme-fc`, `nvme-rdma`)."""
MANY_PATHS = ("sas", "scsi", "fc", "iscsi", "virtio", "nvme")
"""Transports on which one disk may appear several times. SATA, USB and cards have no paths: two with one WWN are two disks."""


class Disk(Struct, frozen=True, kw_only=True):
    name: str
    """The kernel's name when the inventory was taken."""
    size: int = 0
    """Bytes."""
    serial: str = ""
    wwn: str = ""
    path: str = ""
    """Where it is plugged in, as udev's ID_PATH. Empty: unknown."""
    paths: tuple[str, ...] = ()
    """The kernel's names for it."""
    transport: str = ""
    remote: bool = False
    removable: bool = False
    """True if it can be pulled out. That says nothing about its medium."""
    rotational: bool | None = None
    signature: str = ""
    """What is at its start. Empty: blank."""
    logical: int = 512
    physical: int = 512
    """Block sizes in bytes."""
    read_only: bool = False
    model: str = ""
    state: str = ""
    """Empty: healthy."""
    used: str = ""
    """Where it is mounted."""
    installation: str = ""
    """The installation of Crowbar that wrote its system, if it says so."""

    @property
    def names(self) -> tuple[str, ...]:
        """All names that an operator may use for it."""
        return tuple(one for one in (self.name, self.wwn, self.serial, self.path, *self.paths) if one)

    @property
    def identity(self) -> str:
        """Its strongest name."""
        return self.wwn or self.serial or self.path or self.name


class Medium(Struct, frozen=True, kw_only=True):
    """A device that looks like a disk but is not."""

    name: str
    what: str = ""
    label: str = ""


def read(told: Json) -> list[Disk]:
    """From the inventory's `disks`, in its order, each disk once."""
    return each_once(entries(told))


def entries(told: Json) -> list[Disk]:
    """The same, where one disk may have several entries."""
    return [one for item in (told[:MOST] if isinstance(told, list) else ()) if (one := _disk(item)) is not None]


def twins(disks: Iterable[Disk]) -> dict[str, str]:
    """Name of a disk -> name of another with the same identity: the same strongest name, serial number and size."""
    seen: dict[tuple[str, str, int], list[str]] = {}
    for one in disks:
        seen.setdefault((one.identity, one.serial, one.size), []).append(one.name)
    return {mine: next(other for other in names if other != mine) for names in seen.values() if len(set(names)) > 1 for mine in names}


def same(one: Disk, wwn: str, serial: str, name: str) -> bool:
    """True if it is the disk with these names. The strongest known name decides."""
    if wwn and one.wwn:
        return one.wwn == wwn
    return one.serial == serial if serial and one.serial else one.name == name


def _disk(item: Json) -> Disk | None:
    if not isinstance(item, dict):
        return None
    try:
        one = convert(item, Disk)
    except ValidationError:
        # One odd field costs that field, not the disk.
        texts = ("name", "serial", "wwn", "transport", "signature", "installation")
        plain = {key: value for key, value in item.items() if key in texts and isinstance(value, str)}
        size = item.get("size")
        try:
            one = convert(plain | ({"size": size} if isinstance(size, int) else {}) | {"state": "its inventory is odd"}, Disk)
        except ValidationError:
            return None
    remote = one.remote or one.transport in REMOTE or one.transport.startswith("nvme-")
    return replace(one, remote=remote, paths=one.paths or (one.name,)) if one.name else None


def each_once(found: Iterable[Disk]) -> list[Disk]:
    """Joins several entries for one disk into one with all paths. Its name is the first in order of names, so the order of entries
    does not matter."""
    out: dict[tuple[str, ...], Disk] = {}
    for one in found:
        key: tuple[str, ...] = ("", one.name)
        if one.wwn and one.transport.startswith(MANY_PATHS):
            key = ("wwn", one.wwn, one.serial, str(one.size))
        elif one.remote and one.serial:
            key = ("serial", one.serial, str(one.size))
        had = out.get(key)
        if had is None:
            out[key] = one
        else:
            out[key] = replace(min(had, one, key=lambda d: d.name), paths=tuple(sorted({*had.paths, *one.paths})))
    return list(out.values())
