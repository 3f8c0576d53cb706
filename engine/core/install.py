"""`install`: one word for all that stands between a discovered machine and its operating system.

It says which system (if a value is given), allocates the node, and approves what its disks will lose. Each of the three can be said alone
as well (`set-attribute target-os`, `allocate`, `approve`); in one step they are done all or not at all.
"""

from __future__ import annotations

from msgspec.structs import replace

from .. import reasons
from ..definitions import Json
from ..model import Kind, Node, NodeRole, State, Value
from ..reasons import Reason
from .bind import allocate
from .stages import wanted_stage
from .work import Work


def install(w: Work, node: Node, who: str, value: Json) -> Reason | str:
    """`value`: name of a system image, or None for the one that the plan says."""
    if node.kind is not Kind.SERVER:
        return reasons.illegal(verb="install", node=node.name, state="not a server")
    if not node.allocated and wanted_stage(w, node):
        return reasons.illegal(verb="install", node=node.name, state="not discovered yet")
    for key in w.roles_of.get(node.id) or ():
        role: NodeRole = w.node_roles[key]
        there = role.gave.get("installed")
        if role.state is State.ACTIVE and isinstance(there, dict):
            return reasons.installed(node=node.name, os=str(there.get("os", "a system")))
    if value is not None:
        systems = sorted({i.installs or i.name for i in w.catalog.images.values() if i.kind in ("system", "installer")})
        if value not in systems and systems:
            return reasons.unknown_thing(what="system image", name=str(value)[:60], nearest=", ".join(systems))
        w.put_value(Value(layer="operator", scope=node.id, name="target-os", value=str(value), who=who))
    if not node.allocated:
        refused = allocate(w, node, who)
        if refused is not None:
            return refused
    approved = []
    for key in w.roles_of.get(node.id) or ():
        role = w.node_roles[key]
        definition = w.catalog.roles.get(role.role)
        if definition is not None and definition.destructive and not role.succeeded and not role.approved:
            w.put_role(replace(role, approved=who))
            approved.append(role.role)
    name = w.nodes[node.id].name
    return f"{name} is installed{f' with {value}' if value else ''}" + (f"; approved: {', '.join(approved)}" if approved else "")
