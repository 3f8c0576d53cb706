"""How long the rack will take. Pure.

A family counts as measured when two of its nodes are ready. Until then the shipped expectations count (`life`), scaled by what the rack has
done so far, and the estimate says that it is a guess.
"""

from __future__ import annotations

from msgspec import Struct

from ..core.roles.derive import node_done
from ..core.roles.stages import wanted_stage
from ..core.world.world import World
from ..model import Kind, Node, State
from ..reasons import needs_person
from .progress import Pace, pace, progress
from .summary import node_why


class Estimate(Struct, frozen=True, kw_only=True):
    seconds: float | None
    """Seconds until the last node at work is ready. None: no node is at work."""
    guessed: int
    """Nodes at work of families that are not measured yet."""
    working: int
    pace: Pace = Pace()


def _waits_for_a_person(world: World, node: Node) -> bool:
    """True if it waits for a person, whose time nobody can estimate."""
    states = [world.node_roles[k] for k in world.roles_of.get(node.id) or ()]
    if any(role.state is State.ERROR for role in states):
        return True
    if node.boot is not None or any(role.state is State.TRANSITION for role in states):
        return False
    why = node_why(world, node)
    return why is not None and needs_person(why.code)


def estimate(world: World, at: float) -> Estimate:
    """`at`: the wall time now. The time since its running role began counts as work done, up to the end of that role."""
    found = pace(world)
    longest, guessed, working = 0.0, 0, 0
    for node in world.nodes.values():
        if node.kind is not Kind.SERVER or (node.boot is None and node_done(world, node) and node.allocated):
            continue
        if node.problem is not None or node.hold or node.off is not None or _waits_for_a_person(world, node):
            continue
        if node.stage and not node.allocated and not wanted_stage(world, node):
            continue  # it waits for its allocation
        weights = found.of(world, node.family)
        one = progress(world, node, weights)
        started = max((world.node_roles[k].started for k in world.roles_of.get(node.id) or () if world.node_roles[k].started), default=at)
        left = one.all - one.behind - min(max(at - started, 0.0), one.running)
        longest = max(longest, left, 1.0)
        working += 1
        guessed += node.family not in found.families
    return Estimate(seconds=longest if working else None, guessed=guessed, working=working, pace=found)
