"""Chooses the disks that `disk-wipe` wipes: one decision, with a reason for each disk that is not wiped. Pure.

The engine decides and the node obeys, as for an install (`disk_choice`). The node gets serial number, WWN and size of each disk. It finds
the disk by all three in that boot, looks again at what uses it, and then chooses the method by what the drive offers.

Rules
* A disk is named by its serial number and, where it has one, its WWN. A kernel name (sda) names nothing here.
* A remote disk, a path of several, a disk in use and a twin are never wiped. `wipe-wanted` overrules none of these.
* The disk with the node's installed system, and a member of its volume, are wiped only if the install runs again, or by `system: true`.
* A failing disk is wiped: it leaves the house, and its data may still be read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ... import reasons
from ...definitions import Json
from ...model import Node, NodeRole, State
from ...reasons import Reason, sentence
from ..world.view import View
from .choices import Choice, Left
from .disks import Disk, same, twins
from .inventory import inventory_of
from .written import system_in, volumes_in

ROLE, WANTED, MOST = "disk-wipe", "wipe-wanted", "wipe-most"
DEFAULT_MOST = 36
"""Disks of one machine that a plan's approval covers, where `wipe-most` has no value."""
NVME_PATH = re.compile(r"nvme\d+c\d+n\d+")
_PULLED = ("usb", "sd")


def targets(node: str, disks: list[Disk], named: Iterable[str] = (), kept: dict[str, Reason] | None = None) -> Choice:
    """The disks to wipe. `node`: its name, for reasons. `named`: serial numbers or WWNs; empty: all. `kept`: name of a disk -> why
    its content is needed."""
    wanted = list(dict.fromkeys(named))
    for name in wanted:
        if not any(name in (one.serial, one.wwn) for one in disks):
            left = tuple(Left(disk=one, reason=reasons.wipe_not_named()) for one in disks)
            return Choice(left=left, refused=reasons.wipe_unknown(node=node, disk=name[:80]))
    double = twins(disks)
    why = {one.name: _never(one, double) or (kept or {}).get(one.name) or _unasked(one, wanted) for one in disks}
    taken = tuple(one for one in disks if why[one.name] is None)
    left = tuple(Left(disk=one, reason=found) for one in disks if (found := why[one.name]) is not None)
    refused_by_name = [one for one in left if {one.disk.serial, one.disk.wwn} & set(wanted) - {""}]
    if refused_by_name or not taken:
        words = "; ".join(f"{one.disk.name}: {sentence(one.reason)}" for one in (refused_by_name or left)[:4])
        return Choice(left=left, refused=reasons.wipe_none(node=node, why=words or "it has no disk"))
    return Choice(taken=taken, left=left)


def wipe_choice(view: View, node: Node, wanted: Json) -> Choice:
    """The disks of this node to wipe, from what is known now. `wanted`: the effective `wipe-wanted`."""
    asked = wanted if isinstance(wanted, dict) else {}
    names = asked.get("disks")
    disks = list(inventory_of(view, node.id).disks)
    kept = {} if asked.get("system") is True else needed(view, node, disks)
    return targets(node.name, disks, [one for one in names if isinstance(one, str)] if isinstance(names, list) else (), kept)


def wipe_disks(view: View, node: Node, role: NodeRole, wanted: Json, blank: bool) -> Json:
    """The attribute `wipe-disks`. None before any discovery."""
    if not inventory_of(view, node.id).told("disks"):
        return None
    found = wipe_choice(view, node, wanted)
    machine: dict[str, Json] = {"machine": node.name, "machine-serial": node.serial, "who": role.approved, "blank": blank}
    if found.refused is not None:
        return machine | {"refused": sentence(found.refused), "disks": []}
    listed: list[Json] = [
        {"name": one.name, "wwn": one.wwn, "serial": one.serial, "path": one.path, "size": one.size, "model": one.model}
        for one in found.taken
    ]
    return machine | {"disks": listed}


def needed(view: View, node: Node, disks: list[Disk]) -> dict[str, Reason]:
    """Disks that a finished role of the node wrote and that it still needs."""
    out: dict[str, Reason] = {}
    raid, install = (view.node_roles.get((node.id, name)) for name in ("raid-configure", "os-install"))
    volumes = volumes_in(raid.gave) if raid is not None and raid.state is State.ACTIVE else []
    for volume in volumes:
        if volume.level.startswith("raid"):
            out |= {name: reasons.disk_member(volume=volume.name) for name in volume.disks}
    system = system_in(install.gave) if install is not None and install.state is State.ACTIVE else None
    if system is not None:
        inside = {name for volume in volumes if volume.name == system.disk for name in volume.disks}
        mine = {one.name for one in disks if one.name in inside or same(one, system.wwn, system.serial, system.disk)}
        out |= dict.fromkeys(mine, reasons.wipe_system(os=system.os))
    return out


def _never(one: Disk, double: dict[str, str]) -> Reason | None:
    if one.remote:
        return reasons.wipe_remote(transport=one.transport or "a network")
    if len(one.paths) > 1 and not all(NVME_PATH.fullmatch(path) for path in one.paths):  # which the kernel joins itself
        return reasons.disk_paths(count=len(one.paths), paths=", ".join(one.paths[:8]))
    if one.name in double:
        return reasons.disk_twin(other=double[one.name], name=one.identity[:60])
    if one.used:
        return reasons.disk_used(used=one.used[:60])
    if one.read_only:
        return reasons.disk_read_only()
    if not one.serial:
        return reasons.wipe_nameless()
    if one.size <= 0:
        return reasons.wipe_sizeless()
    return None


def _unasked(one: Disk, wanted: list[str]) -> Reason | None:
    if wanted:
        return None if {one.serial, one.wwn} & set(wanted) - {""} else reasons.wipe_not_named()
    return reasons.wipe_usb(transport=one.transport) if one.transport in _PULLED else None
