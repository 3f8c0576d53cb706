"""A plan made from the operator's work: the last revision, with names, groups, owners, addresses and settings of the nodes and of their
roles pinned. A replay on this rack, or on another one with the same cables, gives the same result.

Nodes are pinned by place if they have one (`match: {rack, place}` and `addresses` of the place), otherwise by serial. The pinning rules
come first, because the first match wins. The plan tells the versions of barclamps and images. It has nothing of the machines themselves
(except serials without a place), no MACs and no times.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from ...definitions import Json
from ...model import Kind, Node, NodeId
from ...plan import DeploymentDef, PlaceDef, Plan, RackDef, RoleSettings, Rule
from ..roles import sealed
from ..roles.attributes import COMPUTED
from ..world.world import World
from .joined import ssh_at
from .owned import SYSTEM
from .pinned import pins


def saved(world: World, images: Mapping[str, str] | None = None) -> Plan | None:
    """`images`: image -> SHA-256 of its manifest, of those to write down. None: no plan was ever committed."""
    plan = world.plan
    if plan is None:
        return None
    nodes = [n for n in world.nodes.values() if n.kind is Kind.SERVER and n.allocated]
    nodes.sort(key=lambda n: ((n.place.rack, n.place.unit) if n.place else ("~", 0), n.name))
    scopes = _role_scopes(world)
    rules = [rule for node in nodes if (rule := _rule(world, node, scopes.get(node.id, ()))) is not None]
    old = [rule for rule in plan.rules if rule not in rules]
    return replace(
        plan,
        expect=replace(plan.expect, nodes=max(plan.expect.nodes, len(nodes))),
        racks=tuple(_rack(world, rack, nodes) for rack in plan.racks),
        rules=(*rules, *old),
        deployments={name: _deployment(world, one) for name, one in plan.deployments.items()},
        attributes=plan.attributes | _set_by_operator(world, "setting", SYSTEM),
        versions=pins(world.base, images or {}),
    )


def left_out(world: World) -> list[str]:
    """What operators did and `saved` cannot write down: one line for each node with settings, for each value that the engine computes, and
    for joined machines, whose adoption needs a credential."""
    out: dict[str, list[str]] = {}
    for value in world.attributes.values():
        node, _, role = value.scope.partition("/")
        found = world.nodes.get(node)
        if sealed.name_in(value.value):
            where = found.name if found is not None and value.layer != "setting" else f"deployment {value.scope}"
            name = f"{role}/{value.name}" if role else value.name
            out.setdefault(f"secrets of {where}, whose sources a plan names under `secrets`", []).append(name)
            continue
        if value.layer not in ("operator", "role") or found is None:
            continue
        name = f"{role}/{value.name}" if role else value.name
        if not _is_saved(found):
            out.setdefault(f"settings of {found.name}, which no rule of a plan matches", []).append(name)
        elif value.name in COMPUTED:
            out.setdefault(f"settings of {found.name} in place of what the engine computes", []).append(name)
    joined = sorted(f"{n.name.split('.')[0]} at {ssh_at(n)}" for n in world.nodes.values() if n.kind is Kind.JOINED)
    if joined:
        out["joined machines, which only crowbar node join adopts"] = joined
    return [f"{what}: {', '.join(sorted(names))}" for what, names in sorted(out.items())]


def _is_saved(node: Node) -> bool:
    """True if a rule can pin it. A node without place and serial cannot be identified later."""
    return node.kind is Kind.SERVER and node.allocated and (node.place is not None or bool(node.serial))


def _rule(world: World, node: Node, roles: Iterable[str]) -> Rule | None:
    match: dict[str, Json] = {"serial": node.serial}
    if node.place is not None:
        match = {"rack": node.place.rack, "place": node.place.unit}
    elif not node.serial:
        return None
    return Rule(
        match=match,
        group=node.group,
        name=node.name.split(".")[0],
        deployment=_owner(world, node),
        attributes=_attributes(world, node),
        roles={role: RoleSettings(attributes=values) for role in sorted(roles) if (values := _role_attributes(world, node, role))},
    )


def _owner(world: World, node: Node) -> str:
    """Its owner. Empty: the root, and no rule of the plan says otherwise."""
    ruled = world.plan is not None and any(rule.deployment for rule in world.plan.rules)
    return node.deployment if ruled or node.deployment != SYSTEM else ""


def _attributes(world: World, node: Node) -> dict[str, Json]:
    """The rules' attributes for it, with the operators' values on top."""
    return _set_by_operator(world, "rule", node.id) | _set_by_operator(world, "operator", node.id)


def _role_scopes(world: World) -> dict[NodeId, list[str]]:
    """Node -> its roles for which somebody set a value."""
    out: dict[NodeId, list[str]] = {}
    for scope in world.values_of:
        node, slash, role = scope.partition("/")
        if slash and (node, role) in world.node_roles:
            out.setdefault(node, []).append(role)
    return out


def _role_attributes(world: World, node: Node, role: str) -> dict[str, Json]:
    """What only this role of the node sees, as far as it reads it. An operator's value for the whole node stands above the rules' value
    for the role, so it becomes the role's too."""
    scope = f"{node.id}/{role}"
    found = _set_by_operator(world, "rule", scope) | _set_by_operator(world, "role", scope)
    above = _set_by_operator(world, "operator", node.id)
    found |= {name: value for name, value in above.items() if name in found}
    found |= _set_by_operator(world, "operator", scope)
    definition = world.catalog.roles.get(role)
    return {name: value for name, value in found.items() if definition is not None and name in definition.reads}


def _set_by_operator(world: World, layer: str, scope: str) -> dict[str, Json]:
    found = (world.attributes[key] for key in world.values_of.get(scope, ()) if key[0] == layer)
    known = world.catalog.attributes
    return {v.name: v.value for v in found if v.name in known and not known[v.name].secret and v.name not in COMPUTED}


def _rack(world: World, rack: RackDef, nodes: list[Node]) -> RackDef:
    by_unit = {n.place.unit: n for n in nodes if n.place is not None and n.place.rack == rack.name}
    return replace(rack, places=tuple(_place(world, place, by_unit.get(place.unit)) for place in rack.places))


def _place(world: World, place: PlaceDef, node: Node | None) -> PlaceDef:
    if node is None or world.plan is None:
        return place
    names = sorted(name for name in world.plan.networks if (node.id, name) in world.address_of)
    return replace(place, addresses={name: world.address_of[(node.id, name)] for name in names})


def _deployment(world: World, deployment: DeploymentDef) -> DeploymentDef:
    return replace(deployment, attributes=deployment.attributes | _set_by_operator(world, "setting", deployment.name))
