"""What it takes until a node has a value that a plan changes: which roles run again, and what that reboots and wipes. Pure.

A role of an earlier stage runs again only after a step back to that stage, which an operator approves. A destructive role that has
succeeded runs again only in a redeploy.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from ...model import Key, Node, NodeId, State
from ..hardware.disk_choice import lost_by, wanted_by
from ..roles.attributes import effective, inputs_hash
from ..roles.stages import stage_index
from ..world.world import World


class Cost(Struct, frozen=True, kw_only=True):
    """One role of the node that has run, and that a changed value concerns."""

    role: str
    how: Literal["again", "back", "redeploy"]
    """`again`: it runs again by itself; `back`: it runs again when an operator approves the step back to its stage; `redeploy`: it runs
    again only in a redeploy."""
    stage: str
    reboots: bool
    wipes: tuple[str, ...] = ()
    """For a redeploy: the disks that lose their data, to this role and the node's others. Empty: none, or they are not known."""

    @property
    def words(self) -> str:
        """`raid-configure runs again only in a redeploy, which reboots the node and wipes sda, sdb`."""
        match self.how:
            case "again":
                return f"{self.role} runs again"
            case "back":
                return f"{self.role} runs again if you approve the step back to stage {self.stage}, which reboots the node"
        wipes = f" and wipes {', '.join(self.wipes)}" if self.wipes else ""
        return f"{self.role} runs again only in a redeploy, which reboots the node{wipes}"


def costs(before: World, after: World, node: NodeId, attribute: str, only: str = "") -> tuple[Cost, ...]:
    """The costs of a value that changes from one world to the other. `only`: the one role that sees it. A role that has not run yet costs
    nothing."""
    readers = [only] if only else after.catalog.readers.get(attribute, ())
    found = (_cost(before, after, (node, role)) for role in readers)
    return tuple(sorted((one for one in found if one is not None), key=lambda one: (stage_index(after, one.stage) or 0, one.role)))


def _cost(before: World, after: World, key: Key) -> Cost | None:
    had, has = before.node_roles.get(key), after.node_roles.get(key)
    definition, node = after.catalog.roles.get(key[1]), after.nodes.get(key[0])
    if had is None or has is None or definition is None or node is None or had.state is not State.ACTIVE:
        return None
    if definition.destructive:
        if not drifts(before, after, key):
            return None
        return Cost(role=key[1], how="redeploy", stage=definition.stage, reboots=True, wipes=_wiped(after, node))
    if key not in after.stale:
        return None
    back = goes_back(after, node, definition.stage)
    return Cost(role=key[1], how="back" if back else "again", stage=definition.stage, reboots=back)


def _wiped(world: World, node: Node) -> tuple[str, ...]:
    """The disks that a redeploy of the node wipes."""
    roles = (world.node_roles[key] for key in world.roles_of.get(node.id, ()))
    found: set[str] = set()
    for role in roles:
        definition = world.catalog.roles.get(role.role)
        if definition is not None and definition.destructive:
            lost = lost_by(world, node, role.role, effective(world, role, "root-disk"), effective(world, role, wanted_by(role.role)))
            found.update(one.name for one in lost)
    return tuple(sorted(found))


def goes_back(world: World, node: Node, stage: str) -> bool:
    """True if a role of that stage runs only after the node went back to it."""
    return (stage_index(world, stage) or 0) < (stage_index(world, node.stage) or 0)


def drifts(before: World, after: World, key: Key) -> bool:
    """A destructive role that is done has other inputs now."""
    definition = after.catalog.roles.get(key[1])
    if definition is None or not definition.destructive:
        return False
    return inputs_hash(before, before.node_roles[key]) != inputs_hash(after, after.node_roles[key])
