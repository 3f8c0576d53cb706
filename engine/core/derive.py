"""What follows from the world about node roles, in the smallest words: done, candidate, what it holds. Everything else
that decides asks these.

    done      = skipped, or active with nothing that makes it doubtful (stale inputs, a death since)
    suspended = in transition on a node that died: the attempt goes on when the node is back
    candidate = would run if nothing blocked it
"""

from __future__ import annotations

from ..definitions import RoleDef
from ..model import Node, NodeRole, State
from .world import View


def done(view: View, role: NodeRole) -> bool:
    if role.state is State.ACTIVE:
        return not role.recheck and role.key not in view.stale
    return role.state is State.SKIPPED


def committed(role: NodeRole) -> bool:
    return role.state is not State.PROPOSED


def suspended(role: NodeRole) -> bool:
    return role.state is State.TRANSITION and role.resume


def holds_limits(role: NodeRole) -> bool:
    """A suspended attempt keeps its node, and gives back everything else."""
    return role.state is State.TRANSITION and not role.resume


def resources(definition: RoleDef, role: NodeRole) -> tuple[str, ...]:
    """What it holds while it runs, besides its node."""
    own = tuple(r.replace("{node}", role.node) for r in definition.holds)
    return own if definition.jig == "noop" else ("jobs", *own)


def size(view: View, resource: str) -> int:
    """How many may hold the resource at once."""
    limits = view.plan.limits if view.plan is not None else {}
    kind = resource.partition(":")[0]
    return limits.get(resource, limits.get(kind, 64 if resource == "jobs" else 1))


def shown_state(view: View, role: NodeRole, blocked: bool) -> str:
    """One of the six known states: proposed, todo, blocked, transition, active, error (and skipped)."""
    match role.state:
        case State.WAITING:
            return "blocked" if blocked else "todo"
        case State.ACTIVE if not done(view, role):
            return "blocked" if blocked else "todo"
        case State.TRANSITION if role.resume:
            return "blocked"
        case _:
            return str(role.state.value)


def node_done(view: View, node: Node) -> bool:
    """All committed node roles of the node are done, and there is one."""
    keys = view.roles_of.get(node.id) or ()
    roles = [view.node_roles[k] for k in keys]
    return any(committed(r) for r in roles) and all(done(view, r) for r in roles if committed(r))
