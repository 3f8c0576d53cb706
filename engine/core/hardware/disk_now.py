"""What is on a node's disks, from everything that the engine knows: the inventory, and what destructive roles have done since. Pure.

It is derived from the roles' gives and their times, never stored. So the inventory stays as discovery saw it, and no role counts as
changed because it succeeded. The node itself may know more: `engine.runtime.disk_looks` asks it.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from ...definitions import Json
from ...model import Node, State
from ...reasons import Reason
from ..roles.attributes import effective
from ..world.view import View
from .disk_choice import lost_by, wanted_by
from .disks import Disk, same
from .inventory import inventory_of
from .written import system_in, volumes_in, volumes_of

GONE = "not there any more"


class Look(Struct, frozen=True, kw_only=True):
    """A node's answer about its disks, or why there is none."""

    at: float = 0.0
    """Wall time. 0: it was not asked, or did not answer."""
    disks: tuple[Disk, ...] = ()
    unseen: Reason | None = None


def seen(disks: list[Disk], look: Look) -> list[Disk]:
    """The disks of the inventory as the node sees them now, then those that were added since."""
    left = list(look.disks)
    out = []
    for one in disks:
        now = next((other for other in left if same(other, one.wwn, one.serial, one.name) and other.size == one.size), None)
        if now is None:
            out.append(replace(one, state=GONE))
        else:
            left.remove(now)
            out.append(replace(one, signature=now.signature, used=now.used, state=now.state))
    return out + left


def disks_now(view: View, node: Node) -> tuple[list[Disk], float]:
    """The disks with their present signatures, and the wall time of the newest fact about them; 0: none."""
    inventory = view.node_roles.get((node.id, "inventory"))
    disks = list(inventory_of(view, node.id).disks)
    begun = at = inventory.ended if inventory is not None else 0.0
    changed: dict[str, str] = {}
    for key in view.roles_of.get(node.id) or ():
        role, definition = view.node_roles[key], view.catalog.roles.get(key[1])
        if definition is None or not definition.destructive or max(role.started, role.ended) <= begun:
            continue
        if role.state is State.ACTIVE:
            at = max(at, role.ended)
            changed |= _wrote(role.gave, disks)
        elif role.started and role.state is not State.SKIPPED:
            # It may have begun to write.
            lost = lost_by(view, node, role.role, effective(view, role, "root-disk"), effective(view, role, wanted_by(role.role)))
            changed = {one.name: "unknown" for one in lost} | changed
    return [replace(one, signature=changed.get(one.name) or one.signature) for one in disks], at


def system_on(view: View, node: Node, one: Disk) -> str:
    """The system that an install wrote to this disk, or to its volume. Empty: none."""
    role = view.node_roles.get((node.id, "os-install"))
    system = system_in(role.gave) if role is not None else None
    if system is None:
        return ""
    if same(one, system.wwn, system.serial, system.disk):
        return system.os
    inside = any(volume.name == system.disk and one.name in volume.disks for volume in volumes_of(view, node.id))
    return system.os if inside else ""


def _wrote(gave: dict[str, Json], disks: list[Disk]) -> dict[str, str]:
    """Name of a disk -> what a successful role wrote to it."""
    out = {name: "linux_raid_member" for volume in volumes_in(gave) if volume.level.startswith("raid") for name in volume.disks}
    if (system := system_in(gave)) is not None:
        out |= {one.name: "gpt" for one in disks if same(one, system.wwn, system.serial, system.disk)}
    return out
