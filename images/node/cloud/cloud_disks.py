"""Which role may take which disk of a node: volumes (`cinder-volume`) or objects (`swift-storage`). Pure. Both roles ask `share`, so they
come to the same answer, whichever of them runs first.

* A disk belongs to the role whose attribute names it (`cinder-disks`, `swift-disks`). Two roles that name one disk both fail.
* Without names, volumes get one disk: the first blank one in the order of the kernel's names, until the volume group has a member.
* Without names, objects get all other blank disks.
* A role that names disks gets no others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cloud import Site
from cloud_api import Fault

Disk = Mapping[str, Any]
"""As `disks list` describes it: `name`, `size`, `signature`, `wwn`, `serial`, `path`, `transport`, `remote`, `read_only`."""
VOLUMES, OBJECTS = "cinder-volume", "swift-storage"
LEAST = 1 << 30
"""Bytes of the smallest disk for volumes."""


def find(disks: Sequence[Disk], name: str) -> Disk | None:
    """The disk with this WWN, serial number, path or name. A name may have /dev/ before it."""
    short = name.removeprefix("/dev/").replace("/", "!")
    for one in disks:
        if short == one["name"] or (name and name in (one.get("wwn"), one.get("serial"), one.get("path"))):
            return one
    return None


def wish(site: Site, path: str) -> list[str] | None:
    """The names that the other role has on this node, of those that a `collects` found. None: the node does not have that role."""
    mine = [one["value"] for one in site(path, []) if str(one["node"]).split(".")[0] == site.name]
    return list(mine[0] or []) if mine else None


def share(disks: Sequence[Disk], volumes: Sequence[str] | None, objects: Sequence[str] | None, members: Sequence[str]) -> dict[str, str]:
    """Disk's name -> the role that may take it. `volumes`, `objects`: the names that each role has, or None if the node does not have the
    role. `members`: names of disks in the volume group. Raises Fault."""
    named = {
        role: {one["name"] for name in names or () if (one := find(disks, name)) is not None}
        for role, names in ((VOLUMES, volumes), (OBJECTS, objects))
    }
    if double := sorted(named[VOLUMES] & named[OBJECTS]):
        raise Fault(f"the disk {double[0]} is in cinder-disks and in swift-disks: take it out of one of them")
    out = {name: role for role, names in named.items() for name in names}
    rest = [one for one in sorted(disks, key=_order) if one["name"] not in out and _spare(one)]
    if volumes is not None and not volumes and not members:
        first = next((one for one in rest if int(one["size"]) >= LEAST), None)
        if first is not None:
            rest.remove(first)
            out[first["name"]] = VOLUMES
    if objects is not None and not objects:
        out |= {one["name"]: OBJECTS for one in rest}
    return out


def _spare(disk: Disk) -> bool:
    """Blank, and in the machine."""
    return not (disk["signature"] or disk.get("remote") or disk.get("read_only") or disk["transport"] == "usb")


def _order(disk: Disk) -> tuple[int, str]:
    return len(str(disk["name"])), str(disk["name"])
