"""`install`: one order from a discovered machine to its operating system.

It chooses the system (if a value is given), allocates the node, and approves what its disks will lose. Each of the three also exists
alone (`set-attribute target-os`, `allocate`, `approve`). In one step either all are done or none.
"""

from __future__ import annotations

from ... import reasons
from ...definitions import Json
from ...model import Kind, Node, State, Value
from ...reasons import Reason
from ..hardware.written import system_in
from ..plan.bind import allocate
from ..plan.systems import SYSTEM, no_image
from ..roles.change import change
from ..roles.stages import wanted_stage
from ..roles.transitions import Move
from ..world.work import Work


def install(w: Work, node: Node, who: str, value: Json) -> Reason | str:
    """`value`: name of a system image, or None for the plan's."""
    if node.kind is not Kind.SERVER:
        return reasons.illegal(verb="install", node=node.name, state="not a server")
    if not node.allocated and wanted_stage(w, node):
        return reasons.illegal(verb="install", node=node.name, state="not discovered yet")
    for key in w.roles_of.get(node.id) or ():
        role = w.node_roles[key]
        if role.state is State.ACTIVE and (there := system_in(role.gave)) is not None:
            return reasons.installed(node=node.name, os=there.os or "a system")
    if value is not None:
        wrong = no_image(w.catalog, SYSTEM, str(value))
        if wrong is not None:
            return wrong
        w.put_value(Value(layer="operator", scope=node.id, name=SYSTEM, value=str(value), who=who))
    if not node.allocated:
        refused = allocate(w, node, who)
        if refused is not None:
            return refused
    approved = []
    for key in w.roles_of.get(node.id) or ():
        role = w.node_roles[key]
        definition = w.catalog.roles.get(role.role)
        if definition is not None and definition.destructive and not role.succeeded and not role.approved:
            change(w, role, Move.APPROVE, approved=who)
            approved.append(role.role)
    name = w.nodes[node.id].name
    return f"{name} will be installed{f' with {value}' if value else ''}" + (f"; approved: {', '.join(approved)}" if approved else "")
