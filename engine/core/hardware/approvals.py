"""A person's approval covers the disks that were shown at that time. Other disks need another approval.

An inventory may find other disks than the previous one (a disk was exchanged, or added before the others). Then the same roles would
write to disks that nobody approved. The plan is asked again too: it may approve only blank disks, and these may hold something now.
Right before writing, the node checks once more (`disk_choice.must_be_blank`).
"""

from __future__ import annotations

from collections.abc import Iterable

from ...definitions import RoleDef
from ...model import Node, NodeId, NodeRole, State
from ..roles.attributes import effective
from ..roles.change import change
from ..roles.transitions import Move
from ..world.work import Work
from .disk_choice import lost_by, wanted_by
from .disk_now import system_on
from .inventory import inventory_of
from .wipe_choice import DEFAULT_MOST, MOST, WANTED, wipe_choice
from .wipe_choice import ROLE as WIPES

Shown = frozenset[tuple[str, str, int]]
"""Strongest name, serial number and size of disks."""


def shown(w: Work, node_id: NodeId) -> Shown:
    """The disks that the approved roles would write."""
    return frozenset[tuple[str, str, int]]().union(*(_lost(w, role) for role in _approved(w, node_id)))


def other_disks(w: Work, node_id: NodeId, before: Shown) -> None:
    """An inventory reported the node's disks: revokes approvals for other disks than those of `before`, and asks the plan again."""
    for role in _approved(w, node_id):
        if not _lost(w, role) <= before:
            change(w, role, Move.APPROVE, approved="")
    approve_by_plan(w, [w.node_roles[key] for key in w.roles_of.get(node_id) or ()])


def approve_by_plan(w: Work, roles: Iterable[NodeRole]) -> None:
    """The plan's approval now also covers roles that were bound before. Revokes what it no longer approves."""
    for role in roles:
        definition = w.catalog.roles.get(role.role)
        if definition is None or not definition.destructive or role.approved not in ("", "plan"):
            continue
        if role.state in (State.PROPOSED, State.WAITING, State.ERROR) and not role.succeeded:
            change(w, role, Move.APPROVE, approved=plan_approves(w, w.nodes[role.node], definition, role.deployment))


def plan_approves(w: Work, node: Node, definition: RoleDef, deployment: str) -> str:
    """`plan` if the plan's `approve` covers what the role would destroy on this node's disks. Otherwise empty. A plan never approves the
    wipe of more disks than `wipe-most`: such a number is more often a mistake than a wish."""
    if not definition.destructive or w.plan is None:
        return ""
    policy = w.plan.approve
    asked = NodeRole(node=node.id, role=definition.name, deployment=deployment)
    if definition.name == WIPES and not _few(w, node, asked):
        return ""
    if policy.wipe == "all":
        return "plan"
    inventory = inventory_of(w, node.id)
    named = str(effective(w, asked, "root-disk") or "")
    # A remote disk is written only if `root-disk` names it.
    disks = [one for one in inventory.disks if not one.remote or named in one.names]
    if not disks:
        return ""
    match policy.wipe:
        case "blank":
            covered = all(not one.signature and not system_on(w, node, one) for one in disks)
        case "foreign":
            covered = all(one.installation != w.meta.installation for one in inventory.entries)
        case "listed":
            covered = all({one.serial, one.wwn} & {*policy.disks} - {""} for one in disks)
        case _:
            covered = False
    return "plan" if covered else ""


def _few(w: Work, node: Node, role: NodeRole) -> bool:
    most = effective(w, role, MOST)
    taken = wipe_choice(w, node, effective(w, role, WANTED)).taken
    return len(taken) <= (most if isinstance(most, int) else DEFAULT_MOST)


def _approved(w: Work, node_id: NodeId) -> list[NodeRole]:
    """Destructive roles of the node that wait with a person's approval."""
    roles: list[NodeRole] = [w.node_roles[key] for key in w.roles_of.get(node_id) or ()]
    return [r for r in roles if r.approved not in ("", "plan") and r.state not in (State.ACTIVE, State.TRANSITION)]


def _lost(w: Work, role: NodeRole) -> Shown:
    node = w.nodes[role.node]
    lost = lost_by(w, node, role.role, effective(w, role, "root-disk"), effective(w, role, wanted_by(role.role)))
    return frozenset((disk.identity, disk.serial, disk.size) for disk in lost)
