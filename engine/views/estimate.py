"""How long it will take: measured on nodes of the same family that have finished. Pure.

A node's time runs from its first attempt to its last outcome. Of a node that still works, what is left is the median of its family less
what it has used. Before two of a family have finished nothing is known, and that is what is said.
"""

from __future__ import annotations

from statistics import median

from msgspec import Struct

from ..core.derive import committed, node_done
from ..core.world import World
from ..model import Kind, Node, State

ENOUGH = 2
"""Finished nodes of a family before it has an estimate."""


class Estimate(Struct, frozen=True, kw_only=True):
    seconds: float | None
    """Until the last node that can be estimated is ready; None: nothing is known."""
    unknown: int
    """Nodes at work of which nothing is known."""
    working: int


def span(world: World, node: Node) -> tuple[float, float]:
    """Wall times of its first start and its last end; zeros: nothing ran yet."""
    first = last = 0.0
    for key in world.roles_of.get(node.id) or ():
        role = world.node_roles[key]
        if not committed(role) or not role.started:
            continue
        first = min(first or role.started, role.started)
        last = max(last, role.ended)
    return first, last


def _failed(world: World, node: Node) -> bool:
    """It waits for a person, who takes as long as a person takes."""
    return any(world.node_roles[k].state is State.ERROR for k in world.roles_of.get(node.id) or ())


def estimate(world: World, at: float) -> Estimate:
    """`at`: the wall time now."""
    took: dict[str, list[float]] = {}
    busy: list[tuple[Node, float]] = []
    for node in world.nodes.values():
        if node.kind is not Kind.SERVER:
            continue
        first, last = span(world, node)
        if node.allocated and node.boot is None and node_done(world, node):
            if last > first:
                took.setdefault(node.family, []).append(last - first)
        elif node.problem is None and not node.hold and node.off is None and not _failed(world, node):
            busy.append((node, at - first if first else 0.0))
    known = {family: median(times) for family, times in took.items() if len(times) >= ENOUGH}
    left = [max(known[node.family] - used, 1.0) for node, used in busy if node.family in known]
    return Estimate(seconds=max(left) if left else None, unknown=len(busy) - len(left), working=len(busy))
