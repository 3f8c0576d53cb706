"""Binding: from a plan and a node to node roles with parents, ranks and addresses.

A bound role brings in what it requires and the owners of the attributes that it wants. Each is looked for on the same node first, then
in the deployment, then up the tree; otherwise it is made. Edges are structure: set here, once, and never at run time.

Rules
* Before a node is allocated, only its discovery roles are bound to it (late binding).
* Cycles are refused as they are made. The order of the stages on each node counts as edges.
* An existing node role keeps its state; it may get more parents. A role that a later plan no longer wants is unbound (`unbind`).
"""

from __future__ import annotations

from itertools import islice

from msgspec import convert, json
from msgspec.structs import replace

from ... import reasons
from ...definitions import Json, On, Requirement, RoleDef
from ...model import Deployment, Key, Kind, Node, NodeRole, Revision, State, Value
from ...plan import Plan
from ...reasons import Reason
from ..hardware import bmc
from ..hardware.approvals import approve_by_plan, plan_approves
from ..hardware.devices import linked
from ..roles.attributes import upwards
from ..roles.change import change_node
from ..roles.graph import Walk, find_cycle, rank
from ..roles.node_moves import NodeMove
from ..roles.transitions import bound
from ..world.work import Work
from .addresses import allocate_addresses
from .network_roles import network_roles
from .rules import choose
from .select import requirements, selects
from .unbind import unbind
from .values import put_plan_values

SYSTEM = "system"


def bind_discovery(w: Work, node: Node) -> Reason | None:
    """Binds the roles that discover a node as soon as it appears, in the root deployment."""
    if SYSTEM not in w.deployments:
        w.put(Deployment(name=SYSTEM))
    names = sorted(r.name for r in w.catalog.roles.values() if "discovery" in r.flags)
    return _bind_all(w, [(node, name, SYSTEM) for name in names])


def start_admin(w: Work, name: str) -> Node:
    """The admin node is a node too: joined, alive, with roles of its own."""
    existing = w.nodes.get("admin")
    if existing is not None:
        return existing
    node = Node(
        id="admin",
        name=name,
        kind=Kind.ADMIN,
        stage=w.catalog.stages[-1].name,
        runs="admin",
        alive=True,
        allocated=True,
        since=w.at,
    )
    w.put_node(node)
    return node


def commit(w: Work, plan: Plan, who: str) -> Reason | None:
    """Makes the plan the goal. The same plan again changes nothing. A reason: the plan is refused, and nothing was changed."""
    body = json.decode(json.encode(plan))  # as the store returns it: with lists for tuples, so that the two compare
    last = latest(w)
    if last and as_kept(w.revisions[last].plan) == body:
        put_plan_values(w, plan)
        unbind(w, last)  # roles that ran when an earlier commit dropped them
        return None
    w.use(plan, network_roles(w.base, plan))
    w.put(Revision(number=last + 1, who=who, at=w.at, plan=body))
    _put_deployments(w, plan)
    admin = w.nodes.get("admin")
    if admin is not None:
        names = sorted(r.name for r in w.catalog.roles.values() if "bootstrap" in r.flags)
        refused = _bind_all(w, [(admin, name, SYSTEM) for name in names])
        if refused is not None:
            return refused
    for node in sorted(w.all(Node), key=lambda n: n.id):
        refused = None
        if node.allocated:
            if node.kind not in (Kind.ADMIN, Kind.DEVICE):
                refused = allocate_addresses(w, node)
            refused = refused or bind_wanted(w, node)
        if refused is not None:
            return refused
        bmc.take_up(w, w.nodes[node.id])
        w.touch_node(node.id)
    unbind(w, last)
    approve_by_plan(w, w.all(NodeRole))
    w.restale(key for key in [role.key for role in w.all(NodeRole)])
    return None


def as_kept(body: Json) -> Json:
    """A revision's plan in this program's form: another version may have stored it without keys that have a default now."""
    return json.decode(json.encode(convert(body, Plan)))


def latest(w: Work) -> int:
    """Number of the last revision; 0: none."""
    count = len(w.revisions)
    return count if count == 0 or count in w.revisions else max(r.number for r in w.all(Revision))


def _put_deployments(w: Work, plan: Plan) -> None:
    w.put(Deployment(name=SYSTEM))
    for deployment in plan.deployments.values():
        w.put(Deployment(name=deployment.name, parent=deployment.parent if deployment.name != SYSTEM else ""))
    put_plan_values(w, plan)


# -- allocation ----------------------------------------------------------------------------------------------------


def allocate(w: Work, node: Node, who: str) -> Reason | None:  # noqa: ARG001  the journal's event tells who
    """Allocates the node: the rules name and group it, addresses are reserved, roles are bound."""
    plan = w.plan
    if plan is None:
        return reasons.no_plan()
    choice = choose(w, plan, node)
    name = f"{_unique(w, node, choice.name)}.{plan.site.domain}" if choice.name else node.name
    for key in w.values_of.get(node.id) or ():
        if key[0] == "rule" and key[2] not in choice.attributes:
            w.drop("attributes", key)  # from an earlier allocation
    for attribute, value in choice.attributes.items():
        w.put_value(Value(layer="rule", scope=node.id, name=attribute, value=value, who="plan"))
    node = change_node(w, node, NodeMove.ALLOCATE, name=name, group=choice.group or node.group, place=node.place, since=w.at) or node
    node = bmc.take_up(w, node)  # a rule may have set it
    refused = allocate_addresses(w, node)
    return refused or bind_wanted(w, w.nodes[node.id])


def _unique(w: Work, node: Node, label: str) -> str:
    """Two machines in one place (or without one) must not share a name."""
    owner = w.names.get(label)
    return label if owner in (None, node.id) else f"{label}-{node.id}"


def bind_wanted(w: Work, node: Node) -> Reason | None:
    """Binds to an allocated node every role whose selectors in the plan choose it."""
    plan = w.plan
    if plan is None:
        return reasons.no_plan()
    wanted: list[tuple[Node, str, str]] = []
    for deployment in plan.deployments.values():
        for role, selectors in sorted(deployment.roles.items()):
            if any(selects(s, node) for s in selectors):
                wanted.append((node, role, deployment.name))
    return _bind_all(w, wanted)


# -- the graph -----------------------------------------------------------------------------------------------------


def _bind_all(w: Work, wanted: list[tuple[Node, str, str]]) -> Reason | None:
    """Binds these (node, role, deployment) with everything that they bring in. If it returns a reason, the caller must drop the step."""
    new: list[Key] = []
    for node, role, deployment in wanted:
        refused = _bind(w, node, role, deployment, new)
        if refused is not None:
            return refused
    for node_id in sorted({key[0] for key in new}):
        _order_softly(w, node_id)
    walk = Walk(w)
    cycle = find_cycle(w, walk, new)
    if cycle is not None:
        return cycle
    rank(w, walk, new)
    return None


def _bind(w: Work, node: Node, role: str, deployment: str, new: list[Key]) -> Reason | None:
    definition = w.catalog.roles.get(role)
    if definition is None:
        return reasons.role_unknown(role=role)
    if (node.id, role) in w.node_roles:
        return None
    for key in w.roles_of.get(node.id) or ():
        other = w.catalog.roles.get(key[1])
        if other is not None and (role in other.conflicts or other.name in definition.conflicts):
            return reasons.conflicts(role=role, other=other.name, node=node.name)
    record = bound(node.id, role, deployment, latest(w), plan_approves(w, node, definition, deployment), w.at)
    w.put_role(record)
    new.append(record.key)
    parents: list[Key] = []
    for requirement in requirements(w, definition):
        found = _parents(w, node, requirement, deployment, new)
        if isinstance(found, Reason):
            return found
        parents.extend(p for p in found if p != record.key)
    record = w.node_roles[record.key]
    w.put_role(replace(record, parents=tuple(sorted({*record.parents, *parents}))))
    _adopt_children(w, record, definition, new)
    return None


def _parents(w: Work, node: Node, requirement: Requirement, deployment: str, new: list[Key]) -> list[Key] | Reason:
    """The node roles that satisfy a requirement. Makes missing ones."""
    names = (requirement.role, *w.catalog.providers.get(requirement.role, ()))
    on = requirement.on
    if on in (None, On.SAME):
        for name in names:
            if (node.id, name) in w.node_roles:
                return [(node.id, name)]
    if on is On.ADMIN:
        admin = w.nodes.get("admin")
        if admin is None:
            return reasons.parent_missing(role=requirement.role)
        refused = _bind(w, admin, requirement.role, SYSTEM, new)
        return refused if refused is not None else [(admin.id, requirement.role)]
    if on is On.LINKED:
        return _on_linked(w, node, requirement, deployment, new)
    if on in (None, On.PEERS, On.DEPLOYMENT):
        tree = upwards(w, deployment)
        for name in names:
            definition = w.catalog.roles.get(name)
            if definition is None:
                continue
            if on is None and "implicit" in definition.flags:
                continue
            if on is None and not w.catalog.in_system(definition.stage):
                continue
            there = (k for k in w.bound.get(name) or () if w.node_roles[k].deployment in tree and k[0] != node.id)
            whole = on is On.PEERS or "cluster" in definition.flags
            found = list(there) if whole else list(islice(there, 1))
            if found:
                return found
        if on is On.PEERS and names[0] in w.catalog.roles:
            return []
    name = next((n for n in names if n in w.catalog.roles), names[0])
    refused = _bind(w, node, name, deployment, new)
    return refused if refused is not None else [(node.id, name)]


def _on_linked(w: Work, node: Node, requirement: Requirement, deployment: str, new: list[Key]) -> list[Key] | Reason:
    """The role on each device of that kind that the node is linked to, as far as it has heard."""
    devices = linked(w, node, requirement.kind)
    for device in devices:
        refused = _bind(w, device, requirement.role, deployment, new)
        if refused is not None:
            return refused
    if not devices:
        return reasons.not_linked(role=requirement.role, kind=requirement.kind, node=node.name)
    return [(device.id, requirement.role) for device in devices]


def _adopt_children(w: Work, record: NodeRole, definition: RoleDef, new: list[Key]) -> None:
    """A new member of a cluster is a parent of everything that depends on its peers. So is a new peer of a role that requires all of
    them."""
    names = (definition.name, *definition.provides)
    children: dict[Key, None] = {}
    if "cluster" in definition.flags:
        for peer in w.bound.get(record.role) or ():
            children.update(dict.fromkeys(w.children.get(peer) or ()))
    for name in names:
        for role in w.catalog.peer_wanters.get(name, ()):
            for key in w.bound.get(role) or ():
                if key[0] != record.node and record.deployment in upwards(w, w.node_roles[key].deployment):
                    children[key] = None
    for child in children:
        have = w.node_roles[child]
        if record.key not in have.parents and child != record.key and have.state is not State.TRANSITION:
            w.put_role(replace(have, parents=tuple(sorted({*have.parents, record.key}))))
            new.append(child)


def _order_softly(w: Work, node_id: str) -> None:
    """`precedes`: order between two roles of the node if both are bound. Binds nothing."""
    keys = w.roles_of.get(node_id) or ()
    for key in keys:
        definition = w.catalog.roles.get(key[1])
        for later in definition.precedes if definition is not None else ():
            child = w.node_roles.get((node_id, later))
            if child is not None and key not in child.parents and child.state in (State.PROPOSED, State.WAITING):
                w.put_role(replace(child, parents=tuple(sorted({*child.parents, key}))))
