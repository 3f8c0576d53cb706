"""Node roles that a plan no longer wants: those that its commit unbinds, and those that stay, each with a reason. The preview shows
both.

To unbind a role is to delete its record. Nothing is undone on the node, because a role cannot go back. Its work there goes with the next
install.

Rules
* Surplus roles are those that one of the last PLANS plans named for the node and this plan does not, with everything that only they
  brought in. A role that something else requires stays, and so does a role that comes by itself (discovery, bootstrap, roles of the root
  deployment that nobody named).
* A running role stays until a later commit, because its outcome would belong to nothing.
* A destructive role that has succeeded stays, because its record keeps it from writing again. So do its requirements.
"""

from __future__ import annotations

from msgspec import convert

from ...model import Key, NodeRole
from ...plan import Plan
from ..roles.transitions import Move, legal
from ..world.view import View
from ..world.work import Work
from .select import named, requirements

SYSTEM = "system"
PLANS = 8
"""Number of earlier plans that are examined: enough to find what an earlier commit could not unbind."""
_RUNS = "it is running: commit again when it is done"
_WROTE = "it wrote disks: its record keeps it from doing so again, until the node is deleted"


def unbind(w: Work, last: int) -> None:
    """Unbinds the surplus of the plan that `w` uses. `last` is the number of the revision before it."""
    for key in surplus(w, w.all(NodeRole), last)[0]:
        scope = f"{key[0]}/{key[1]}"
        w.drop_role(key)
        for value in w.values_of.get(scope) or ():
            w.drop("attributes", value)


def surplus(view: View, roles: list[NodeRole], last: int) -> tuple[list[Key], dict[Key, str]]:
    """Node roles to unbind, children first; and those that stay although no plan wants them, with reasons."""
    earlier = [convert(view.revisions[n].plan, Plan) for n in range(max(1, last - PLANS + 1), last + 1) if n in view.revisions]
    earlier = [plan for plan in earlier if view.plan is None or plan.deployments != view.plan.deployments]
    wanted: dict[str, set[str]] = {}
    formerly: dict[str, set[str]] = {}
    loose: dict[Key, NodeRole] = {}
    for role in roles if earlier else ():
        node = view.nodes.get(role.node)
        if node is None or not node.allocated:
            continue
        if node.id not in wanted:
            wanted[node.id] = named(view.plan, node)
            formerly[node.id] = {name for plan in earlier for name in named(plan, node)}
        if role.role in formerly[node.id] - wanted[node.id] and not _by_itself(view, role):
            loose[role.key] = role
    stack = list(loose.values())
    while stack:  # the roles that they had brought in
        for key in stack.pop().parents:
            parent = view.node_roles.get(key)
            if parent is None or key in loose or parent.deployment == SYSTEM or _by_itself(view, parent):
                continue
            if parent.role not in wanted.get(parent.node, set()):
                loose[key] = parent
                stack.append(parent)
    kept = [role.key for role in roles if role.key not in loose] if loose else []
    stays: dict[Key, str] = {}
    _reach(view, loose, kept)
    for key, role in sorted(loose.items()):
        definition = view.catalog.roles.get(role.role)
        if not legal(role, Move.UNBIND):
            stays[key] = _RUNS
        elif definition is not None and definition.destructive and role.succeeded:
            stays[key] = _WROTE
    _reach(view, loose, list(stays))
    order: dict[Key, None] = {}
    for key in sorted(loose):
        _children_first(view, key, loose, order)
    return list(order), stays


def _by_itself(view: View, role: NodeRole) -> bool:
    definition = view.catalog.roles.get(role.role)
    return definition is not None and bool(definition.flags & {"discovery", "bootstrap"})


def _reach(view: View, loose: dict[Key, NodeRole], kept: list[Key]) -> None:
    """Removes kept roles and all their requirements from `loose`."""
    stack = list(kept)
    seen = set(stack)
    while stack:
        key = stack.pop()
        loose.pop(key, None)
        role = view.node_roles.get(key)
        if role is None:
            continue
        for parent in role.parents:
            if parent not in seen and not _only_before(view, role, parent):
                seen.add(parent)
                stack.append(parent)


def _only_before(view: View, role: NodeRole, parent: Key) -> bool:
    """True if the parent is one by order only (`precedes`), which binds nothing."""
    own, other = view.catalog.roles.get(role.role), view.catalog.roles.get(parent[1])
    if own is None or other is None or parent[0] != role.node or role.role not in other.precedes:
        return False
    return not {r.role for r in requirements(view, own)} & {other.name, *other.provides}


def _children_first(view: View, key: Key, loose: dict[Key, NodeRole], order: dict[Key, None]) -> None:
    stack = [(key, False)]
    while stack:
        at, done = stack.pop()
        if done:
            order[at] = None
        elif at not in order:
            stack.append((at, True))
            stack += [(child, False) for child in view.children.get(at) or () if child in loose and child not in order]
