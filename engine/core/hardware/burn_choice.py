"""Chooses the disks that `burn-in-write` writes: all disks of a machine without data, or none. Pure.

A burn-in that writes destroys what is there, so it is for new machines only. The engine decides and the node obeys, as for a wipe: the node
finds each disk by serial number, WWN and size together, and looks once more whether it is blank.

Rules
* If one disk of the machine holds anything, nothing is written on any: a machine with data is not new. A disk that `disk-wipe` has wiped
  since counts as blank.
* The same if the node has an installed system, or volumes.
* A remote disk, a path of several, a disk in use, a twin and a disk without a serial number are never written (`wipe_choice.targets`).
"""

from __future__ import annotations

from ... import reasons
from ...definitions import Json
from ...model import ACTIVE, Node, NodeRole
from ...reasons import sentence
from ..world.view import View
from .choices import Choice
from .disks import Disk
from .inventory import inventory_of
from .wipe_choice import ROLE as WIPES
from .wipe_choice import needed, targets

ROLE, WANTED = "burn-in-write", "burn-in-write-wanted"


def burn_choice(view: View, node: Node, wanted: Json) -> Choice:
    """The disks of this node to write, from what is known now. `wanted`: the effective `burn-in-write-wanted`, serial numbers or WWNs."""
    disks = list(inventory_of(view, node.id).disks)
    found = targets(node.name, disks, [one for one in wanted if isinstance(one, str)] if isinstance(wanted, list) else ())
    kept = needed(view, node, disks)
    if kept:
        name, why = next(iter(sorted(kept.items())))
        return Choice(left=found.left, refused=reasons.burn_in_data(node=node.name, disk=name, what=sentence(why)))
    wiped = _wiped(view, node)
    full = [one for one in disks if not one.remote and one.signature and one.serial not in wiped]
    if full:
        what = f"it holds {full[0].signature[:40]}"
        return Choice(left=found.left, refused=reasons.burn_in_data(node=node.name, disk=full[0].name, what=what))
    return found


def burn_disks(view: View, node: Node, role: NodeRole, wanted: Json) -> Json:
    """The attribute `burn-in-write-disks`. None before any discovery."""
    if not inventory_of(view, node.id).told("disks"):
        return None
    found = burn_choice(view, node, wanted)
    if found.refused is not None:
        return {"refused": sentence(found.refused), "disks": []}
    return {"who": role.approved, "disks": [_names(one) for one in found.taken]}


def _names(one: Disk) -> Json:
    kind = "nvme" if one.transport.startswith("nvme") else "hdd" if one.rotational else "ssd"
    return {"name": one.name, "wwn": one.wwn, "serial": one.serial, "path": one.path, "size": one.size, "model": one.model, "kind": kind}


def _wiped(view: View, node: Node) -> frozenset[str]:
    """Serial numbers of disks that a finished wipe has wiped."""
    role = view.node_roles.get((node.id, WIPES))
    told = role.gave.get("wipe-certificates") if role is not None and role.state is ACTIVE else None
    return frozenset(str(one.get("serial")) for one in told if isinstance(one, dict)) if isinstance(told, list) else frozenset()
