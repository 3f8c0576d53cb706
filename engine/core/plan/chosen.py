"""What the plan's rules choose for allocated nodes, put into their records: group, host name, and attributes of the layer `rule`. Their
scope is the node, or a node role `NODE/ROLE`.

The rules are read when a node is allocated, at each commit, and by a redeploy. Always against the facts of that moment.

Rules
* Name and group follow the rules, also where a later plan has none: the group is then empty, and the name is again that of the boot port.
* A node that took another's place (`node replace`) keeps its name and group, because an operator chose them (`Node.pinned`).
* A node role has the rules' values while it is bound. So they are put after the roles are bound, and go with the role.
* Two machines never share a name. The first by rack, unit and serial number has it, and each other has its id behind the name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from ...definitions import Json
from ...model import Kind, Node, NodeId, Value
from ...plan import Plan
from ..world.work import Work
from .rules import Choice, choose
from .wanted import machine_order


def rechoose(w: Work, plan: Plan, nodes: Iterable[Node]) -> dict[NodeId, Choice]:
    """Reads the rules again for these nodes, as far as they are allocated servers. What they choose for a node's roles comes with
    `put_role_attributes`."""
    chosen = [(node, choose(w, plan, node)) for node in sorted(nodes, key=machine_order) if node.kind is Kind.SERVER and node.allocated]
    for node, choice in chosen:
        put_attributes(w, node, choice)
    renamed = []
    for node, choice in chosen:
        if not node.pinned:
            label = choice.name or unnamed(node.boot_mac)
            if _label(node) not in (label, f"{label}-{node.id}") or w.names.get(label) != node.id:
                renamed.append((node, label))
            if node.group != choice.group:
                w.put_node(replace(w.nodes[node.id], group=choice.group))
    for node, _ in renamed:  # names may be exchanged, so all of these are given up first
        w.put_node(replace(w.nodes[node.id], name=node.id))
    for node, label in renamed:
        name = full_name(w, plan, node, label)
        w.put_node(replace(w.nodes[node.id], name=name, since=node.since if name == node.name else w.at))
    return {node.id: choice for node, choice in chosen}


def put_attributes(w: Work, node: Node, choice: Choice) -> None:
    """The rules' values of a node are these, and no others."""
    _put(w, node.id, choice.attributes)


def put_role_attributes(w: Work, choices: Mapping[NodeId, Choice]) -> None:
    """The rules' values of the bound roles of these nodes are these, and no others."""
    for node, choice in choices.items():
        _put_roles(w, node, choice, (role for _, role in w.roles_of.get(node) or ()))


def put_ahead(w: Work, choices: Mapping[NodeId, Choice], before: Plan | None, after: Plan) -> None:
    """The same for all roles that the rules of these plans name. Roles that are not bound get theirs too, because they will be bound in a
    moment; `drop_unbound` comes after that."""
    roles = sorted(named_by_rules(before) | named_by_rules(after))
    for node, choice in choices.items():
        _put_roles(w, node, choice, roles)


def _put_roles(w: Work, node: NodeId, choice: Choice, roles: Iterable[str]) -> None:
    for role in roles:
        scope, values = f"{node}/{role}", choice.roles.get(role)
        if values or scope in w.values_of:
            _put(w, scope, values or {})


def named_by_rules(plan: Plan | None) -> set[str]:
    return {role for rule in plan.rules for role in rule.roles} if plan is not None else set()


def drop_unbound(w: Work, node: NodeId) -> None:
    """Drops the rules' values of roles that the node does not have."""
    for role in named_by_rules(w.plan):
        if (node, role) not in w.node_roles:
            _put(w, f"{node}/{role}", {})


def _put(w: Work, scope: str, values: dict[str, Json]) -> None:
    for key in w.values_of.get(scope) or ():
        if key[0] == "rule" and key[2] not in values:
            w.drop("attributes", key)
    for attribute, value in values.items():
        w.put_value(Value(layer="rule", scope=scope, name=attribute, value=value, who="plan"))


def full_name(w: Work, plan: Plan, node: Node, label: str) -> str:
    """Two machines in one place (or without one) must not share a name."""
    owner = w.names.get(label)
    return f"{label if owner in (None, node.id) else f'{label}-{node.id}'}.{plan.site.domain}"


def unnamed(mac: str) -> str:
    """The first label of the name of a machine that no rule names."""
    return f"d{mac.replace(':', '-')}"


def _label(node: Node) -> str:
    return node.name.split(".")[0]
