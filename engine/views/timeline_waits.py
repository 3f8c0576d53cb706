"""Which roles of a node wait for roles of other nodes: the arrows of the timeline. Pure."""

from __future__ import annotations

from typing import NamedTuple

from ..core.roles.derive import committed, done
from ..core.world.world import World
from ..model import State


class WaitsFor(NamedTuple):
    """A role waits for a role on another node. Nodes by id."""

    node: str
    role: str
    on: str
    on_role: str


def waits_for_others(world: World, node: str) -> list[WaitsFor]:
    """What the node's unfinished roles wait for on other nodes, in the order of the roles' names."""
    out = []
    for key in sorted(world.roles_of.get(node) or ()):
        role = world.node_roles[key]
        if not committed(role) or role.state is not State.WAITING or done(world, role):
            continue
        for parent in role.parents:
            other = world.node_roles.get(parent)
            if parent[0] != node and other is not None and not done(world, other):
                out.append(WaitsFor(node, role.role, *parent))
    return out
