"""How long the rack will take, measured on finished nodes of the same family. Pure.

A node's time runs from its first attempt to its last outcome. For a node at work, the remaining time is the median of its family minus
the time so far. Before two nodes of a family have finished, the estimate is unknown, and the console says so.
"""

from __future__ import annotations

from statistics import median

from msgspec import Struct

from ..core.roles.derive import committed, node_done
from ..core.world.world import World
from ..model import Kind, Node, State

ENOUGH = 2
"""Finished nodes that a family needs for an estimate."""


class Estimate(Struct, frozen=True, kw_only=True):
    seconds: float | None
    """Seconds until the last node with an estimate is ready. None: unknown."""
    unknown: int
    """Nodes at work without an estimate."""
    working: int


def span(world: World, node: Node) -> tuple[float, float]:
    """Wall times of its first start and its last end. Zeros: nothing ran yet."""
    first = last = 0.0
    for key in world.roles_of.get(node.id) or ():
        role = world.node_roles[key]
        if not committed(role) or not role.started:
            continue
        first = min(first or role.started, role.started)
        last = max(last, role.ended)
    return first, last


def _failed(world: World, node: Node) -> bool:
    """True if it waits for a person, whose time nobody can estimate."""
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
