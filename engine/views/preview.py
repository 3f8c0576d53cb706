"""What an operator's verb would do before it is done: which roles run again, which disks lose what is on them, which nodes reboot. Pure.

It tells the worst that the verb allows: a role that destroys counts with all disks of the node that are known, because which of them it
takes is decided on the node.
"""

from __future__ import annotations

from msgspec import Struct

from ..core.derive import committed
from ..core.stages import stage_index
from ..core.world import World
from ..definitions import RoleDef
from ..model import Node, NodeRole, State
from .node_view import Disk, disks, roles_in_order


class NodePreview(Struct, frozen=True, kw_only=True):
    node: str
    place: str
    runs: tuple[str, ...]
    """Roles that run, or run again."""
    destroys: tuple[str, ...]
    """Those of them that destroy what is on disks."""
    disks: tuple[Disk, ...]
    """What is lost; empty: nothing."""
    reboots: bool


class Preview(Struct, frozen=True, kw_only=True):
    verb: str
    nodes: tuple[NodePreview, ...]

    @property
    def destroys(self) -> bool:
        return any(n.destroys for n in self.nodes)


def preview(world: World, verb: str, nodes: list[Node], role: str = "") -> Preview:
    """Of `reset`, `reinstall`, `redeploy`, `approve`, `install` and `delete`; other verbs run no role."""
    return Preview(verb=verb, nodes=tuple(_one(world, verb, node, role) for node in nodes))


def _one(world: World, verb: str, node: Node, only: str) -> NodePreview:
    chosen = [r for r in roles_in_order(world, node.id) if (not only or r.role == only) and _runs(world, verb, r, bool(only))]
    broken = [r.role for r in chosen if (d := world.catalog.roles.get(r.role)) is not None and d.destructive]
    return NodePreview(
        node=node.name,
        place=f"{node.place.rack}:{node.place.unit}" if node.place is not None else "",
        runs=tuple(r.role for r in chosen),
        destroys=tuple(broken),
        disks=tuple(disks(world, node.id)) if broken else (),
        reboots=verb in ("reset", "reinstall", "redeploy"),
    )


def _runs(world: World, verb: str, role: NodeRole, alone: bool) -> bool:
    definition: RoleDef | None = world.catalog.roles.get(role.role)
    if definition is None or not committed(role):
        return False
    stage = stage_index(world, definition.stage) or 0
    install = stage_index(world, "install")
    match verb:
        case "approve":
            return definition.destructive and role.state is not State.ACTIVE and not role.approved
        case "redeploy":
            return alone or stage > 0
        case "reset":
            return stage == 0
        case "reinstall" | "install":
            return stage >= (install if install is not None else len(world.catalog.stages) - 1)
    return False
