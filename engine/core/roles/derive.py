"""What follows from the world about node roles, in the smallest terms: done, candidate, held resources. All other decisions use these.

done      = skipped, or active without a doubt (stale inputs, a death since), or of a stage that the site leaves out and not under way
suspended = in transition on a node that died: the attempt continues when the node is back
candidate = would run if nothing blocked it
"""

from __future__ import annotations

from ...definitions import RoleDef
from ...model import ACTIVE, PROPOSED, SKIPPED, Node, NodeRole, State
from ..world.view import View
from .transitions import doubtful, in_transition, runs, suspended


def done(view: View, role: NodeRole) -> bool:
    if role.state is ACTIVE and not doubtful(role) and (role.node, role.role) not in view.stale:
        return True
    return role.state is SKIPPED or (role.role in view.catalog.left_out and not in_transition(role))


def committed(role: NodeRole) -> bool:
    return role.state is not PROPOSED


def leg_id(role: NodeRole) -> str:
    """Id of the present leg of its attempt, as the node knows it."""
    return f"{role.attempt}.{role.leg}"


holds_limits = runs
"""A suspended attempt keeps its node, and releases everything else."""


def resources(definition: RoleDef, role: NodeRole) -> tuple[str, ...]:
    """The resources that it holds while it runs, besides its node."""
    jobs = ("jobs",) if definition.jig_kind.job else ()
    return (*jobs, *(r.replace("{node}", role.node) for r in definition.holds)) if definition.holds else jobs


DEFAULTS = {"jobs": 64, "wipes": 4}
"""Resource -> how many roles may hold it at once, unless the plan's `limits` say otherwise. Any other: 1."""


def size(view: View, resource: str) -> int:
    """How many roles may hold the resource at once."""
    limits = view.plan.limits if view.plan is not None else {}
    limit = limits.get(resource)
    return limit if limit is not None else limits.get(resource.partition(":")[0], DEFAULTS.get(resource, 1))


def shown_state(view: View, role: NodeRole, blocked: bool) -> str:
    """One of the six known states: proposed, todo, blocked, transition, active, error (and skipped)."""
    match role.state:
        case State.WAITING:
            return "blocked" if blocked else "todo"
        case State.ACTIVE if not done(view, role):
            return "blocked" if blocked else "todo"
        case State.TRANSITION if suspended(role):
            return "blocked"
        case _:
            return str(role.state.value)


def node_done(view: View, node: Node) -> bool:
    """True if the node has committed node roles and all of them are done."""
    return not view.undone.get(node.id) and any(committed(view.node_roles[key]) for key in view.roles_of.get(node.id) or ())
