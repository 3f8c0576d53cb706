"""What an operator's verb would do: which roles run again, which disks lose their data, which nodes reboot. Pure.

The disks are those that the engine's own choice gives the roles (`hardware.disk_choice`). So the preview names exactly what the node will
write, and gives a reason for each disk that keeps its data. If a node was asked (`looks`), the preview shows its disks as it reported
them a moment ago; otherwise as the engine knows them, with the age of that knowledge.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from ..core.hardware.disk_choice import lost_by, wanted_by
from ..core.hardware.disk_now import Look, disks_now
from ..core.hardware.disks import Disk as CoreDisk
from ..core.operator.verbs import Verb, find
from ..core.roles.attributes import effective
from ..core.roles.derive import committed
from ..core.roles.stages import may_enter, stage_index, wanted_stage
from ..core.world.world import World
from ..definitions import RoleDef
from ..model import Node, NodeRole, State
from ..reasons import Reason
from .node_view import Disk, disks, roles_in_order


class NodePreview(Struct, frozen=True, kw_only=True):
    node: str
    place: str
    runs: tuple[str, ...]
    """Roles that run, or run again."""
    destroys: tuple[str, ...]
    """Those of them that destroy data on disks."""
    disks: tuple[Disk, ...]
    """Disks that lose their data. Empty: none, or unknown."""
    kept: tuple[Disk, ...] = ()
    """The other disks, each with the reason why it is not taken."""
    reboots: bool
    as_of: float = 0.0
    """Wall time of the disks' data. 0: nothing is known."""
    asked: bool = False
    """True if the node itself was asked and this is its answer."""
    unseen: Reason | None = None
    """Why it did not answer."""


class Preview(Struct, frozen=True, kw_only=True):
    verb: str
    nodes: tuple[NodePreview, ...]

    @property
    def destroys(self) -> bool:
        return any(n.destroys for n in self.nodes)


def preview(world: World, verb: str, nodes: list[Node], role: str = "", looks: Mapping[str, Look] | None = None) -> Preview:
    """By the table of verbs (`Verb.runs`, `Verb.reboots`). `looks`: what nodes said of their disks, by node id."""
    row = find(verb, role)
    return Preview(verb=verb, nodes=tuple(_one(world, row, node, role, (looks or {}).get(node.id)) for node in nodes))


def _one(world: World, verb: Verb | None, node: Node, only: str, look: Look | None) -> NodePreview:
    back = verb is not None and verb.runs == "unapproved" and not only and _waits_to_go_back(world, node)
    again = world.undone.get(node.id, ()) if back else ()
    chosen = [
        r
        for r in roles_in_order(world, node.id)
        if (not only or r.role == only) and verb is not None and (r.key in again or _runs(world, verb, r))
    ]
    broken = [r for r in chosen if (d := world.catalog.roles.get(r.role)) is not None and d.destructive]
    shown = disks(world, node.id, look) if broken else []
    lost = {one.name for role in broken for one in _lost(world, node, role)}
    return NodePreview(
        node=node.name,
        place=f"{node.place.rack}:{node.place.unit}" if node.place is not None else "",
        runs=tuple(r.role for r in chosen),
        destroys=tuple(r.role for r in broken),
        disks=tuple(one for one in shown if one.name in lost),
        kept=tuple(one for one in shown if one.name not in lost),
        reboots=back or (verb is not None and verb.reboots),
        as_of=(look.at if look is not None and look.at else disks_now(world, node)[1]) if broken else 0.0,
        asked=look is not None and look.at > 0,
        unseen=look.unseen if look is not None else None,
    )


def _waits_to_go_back(world: World, node: Node) -> bool:
    """True if an approval would send the node back to an earlier stage. It then leaves its system, and boots again after it."""
    wanted = wanted_stage(world, node)
    barred = may_enter(world, node, wanted) if wanted else None
    return barred is not None and barred.code == "backward"


def _lost(world: World, node: Node, role: NodeRole) -> list[CoreDisk]:
    return lost_by(world, node, role.role, effective(world, role, "root-disk"), effective(world, role, wanted_by(role.role)))


def _runs(world: World, verb: Verb, role: NodeRole) -> bool:
    definition: RoleDef | None = world.catalog.roles.get(role.role)
    if definition is None or not committed(role) or role.role in world.catalog.left_out:
        return False
    stage = stage_index(world, definition.stage) or 0
    install = stage_index(world, "install")
    match verb.runs:
        case "unapproved":
            return definition.destructive and role.state is not State.ACTIVE and not role.approved
        case "after first stage":
            return stage > 0
        case "itself":
            return True
        case "first stage":
            return stage == 0
        case "from install":
            return stage >= (install if install is not None else len(world.catalog.stages) - 1)
    return False
