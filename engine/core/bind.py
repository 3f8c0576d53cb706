"""Binding: from a plan and a node to node roles with parents, ranks and addresses.

A role that is bound pulls in what it requires and what owns the attributes that it wants: on the same node first, then in the
deployment, then up the tree; else it is made. Edges are structure: set here, once, and never at run time.

Rules
* Nothing is bound to hardware before the node is allocated, except what discovers it (late binding).
* Cycles are refused as they are made; the order of the stages on each node counts as edges.
* A node role that exists keeps its state; it may get more parents. What a later plan asks for no more is unbound (`unbind`).
"""

from __future__ import annotations

from itertools import islice

from msgspec import convert, json
from msgspec.structs import replace

from .. import reasons
from ..definitions import Json, On, Requirement, RoleDef
from ..model import Deployment, Key, Kind, Node, NodeRole, Revision, State, Value
from ..plan import Plan
from ..reasons import Reason
from .addresses import allocate_addresses
from .bind_select import requirements, selects
from .devices import linked
from .graph import Walk, find_cycle, rank
from .network_roles import network_roles
from .rules import choose
from .unbind import unbind
from .work import Work

SYSTEM = "system"


def bind_discovery(w: Work, node: Node) -> Reason | None:
    """The roles that discover a node are bound as it appears, in the root deployment."""
    if SYSTEM not in w.deployments:
        w.put(Deployment(name=SYSTEM))
    names = sorted(r.name for r in w.catalog.roles.values() if "discovery" in r.flags)
    return _bind_all(w, [(node, name, SYSTEM) for name in names])


def start_admin(w: Work, name: str) -> Node:
    """The admin node is a node as well: joined, alive, with roles of its own."""
    existing: Node | None = w.nodes.get("admin")
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
    """Make the plan the wanted state. The same plan again changes nothing. A reason: refused, and nothing was changed."""
    body = json.decode(json.encode(plan))  # as the store gives it back: with lists for tuples, so that the two compare
    last = latest(w)
    if last and as_kept(w.revisions[last].plan) == body:
        unbind(w, last)  # what ran when an earlier commit dropped it
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
    for node in sorted(w.all("nodes"), key=lambda n: n.id):
        refused = None
        if node.allocated:
            if node.kind not in (Kind.ADMIN, Kind.DEVICE):
                refused = allocate_addresses(w, node)
            refused = refused or bind_wanted(w, node)
        if refused is not None:
            return refused
        w.touch_node(node.id)
    unbind(w, last)
    _approve_by_plan(w)
    w.restale(key for key in [role.key for role in w.all("node_roles")])
    return None


def _approve_by_plan(w: Work) -> None:
    """What the plan approves, it approves for roles that were bound before as well; what it does not any more, it takes back."""
    for role in w.all("node_roles"):
        definition = w.catalog.roles.get(role.role)
        if definition is None or not definition.destructive or role.approved not in ("", "plan"):
            continue
        if role.state in (State.PROPOSED, State.WAITING, State.ERROR) and not role.succeeded:
            w.put_role(replace(role, approved=_plan_approves(w, w.nodes[role.node], definition)))


def as_kept(body: Json) -> Json:
    """A revision's plan as this program would keep it: one that was kept by another version may lack keys that have a default now."""
    return json.decode(json.encode(convert(body, Plan)))


def latest(w: Work) -> int:
    """Number of the last revision; 0: none."""
    count = len(w.revisions)
    return count if count == 0 or count in w.revisions else max(r.number for r in w.all("revisions"))


def _put_deployments(w: Work, plan: Plan) -> None:
    w.put(Deployment(name=SYSTEM))
    wanted: dict[tuple[str, str], object] = {(SYSTEM, k): v for k, v in plan.attributes.items()}
    for deployment in plan.deployments.values():
        w.put(Deployment(name=deployment.name, parent=deployment.parent if deployment.name != SYSTEM else ""))
        wanted.update({(deployment.name, k): v for k, v in deployment.attributes.items()})
    for value in w.all("attributes"):
        if value.layer == "deployment" and value.who == "plan" and (value.scope, value.name) not in wanted:
            w.drop("attributes", value.key)
    for (scope, name), wish in wanted.items():
        w.put_value(Value(layer="deployment", scope=scope, name=name, value=wish, who="plan"))


# -- allocation ----------------------------------------------------------------------------------------------------


def allocate(w: Work, node: Node, who: str) -> Reason | None:  # noqa: ARG001  the journal's event tells who
    """Say that the node belongs to the rack's future: the rules name and group it, addresses are set aside, roles are bound."""
    plan = w.plan
    if plan is None:
        return reasons.no_plan()
    choice = choose(w, plan, node)
    name = f"{_unique(w, node, choice.name)}.{plan.site.domain}" if choice.name else node.name
    for attribute, value in choice.attributes.items():
        w.put_value(Value(layer="rule", scope=node.id, name=attribute, value=value, who="plan"))
    node = replace(node, allocated=True, name=name, group=choice.group or node.group, since=w.at)
    w.put_node(node)
    refused = allocate_addresses(w, node)
    return refused or bind_wanted(w, w.nodes[node.id])


def _unique(w: Work, node: Node, label: str) -> str:
    """Two machines in one place (or without one) must not share a name."""
    owner = w.names.get(label)
    return label if owner in (None, node.id) else f"{label}-{node.id}"


def bind_wanted(w: Work, node: Node) -> Reason | None:
    """Bind to an allocated node every role whose selectors in the plan choose it."""
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


class New(list[Key]):
    """The node roles that are being bound, and who requires a role on all peers: role -> roles that do."""

    def __init__(self, w: Work) -> None:
        super().__init__()
        self.wanters: dict[str, list[str]] = {}
        for definition in w.catalog.roles.values():
            for requirement in definition.requires:
                if requirement.on is On.PEERS:
                    self.wanters.setdefault(requirement.role, []).append(definition.name)


def _bind_all(w: Work, wanted: list[tuple[Node, str, str]]) -> Reason | None:
    """Bind these (node, role, deployment) with all they pull in. All or nothing is for the caller: on a reason the step is dropped."""
    new = New(w)
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


def _bind(w: Work, node: Node, role: str, deployment: str, new: New) -> Reason | None:
    definition = w.catalog.roles.get(role)
    if definition is None:
        return reasons.role_unknown(role=role)
    if (node.id, role) in w.node_roles:
        return None
    for key in w.roles_of.get(node.id) or ():
        other = w.catalog.roles.get(key[1])
        if other is not None and (role in other.conflicts or other.name in definition.conflicts):
            return reasons.conflicts(role=role, other=other.name, node=node.name)
    record = NodeRole(
        node=node.id,
        role=role,
        deployment=deployment,
        state=State.WAITING,
        revision=latest(w),
        approved=_plan_approves(w, node, definition),
        since=w.at,
    )
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


def _parents(w: Work, node: Node, requirement: Requirement, deployment: str, new: New) -> list[Key] | Reason:
    """The node roles that satisfy a requirement, made where they are not there."""
    names = [requirement.role, *sorted(r.name for r in w.catalog.roles.values() if requirement.role in r.provides)]
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
        tree = _upwards(w, deployment)
        for name in names:
            definition = w.catalog.roles.get(name)
            if definition is None:
                continue
            if on is None and "implicit" in definition.flags:
                continue
            if on is None and definition.stage != w.catalog.stages[-1].name:
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


def _on_linked(w: Work, node: Node, requirement: Requirement, deployment: str, new: New) -> list[Key] | Reason:
    """The role on each device of that kind that the node is linked to, as far as it has heard now."""
    devices = linked(w, node, requirement.kind)
    for device in devices:
        refused = _bind(w, device, requirement.role, deployment, new)
        if refused is not None:
            return refused
    if not devices:
        return reasons.not_linked(role=requirement.role, kind=requirement.kind, node=node.name)
    return [(device.id, requirement.role) for device in devices]


def _upwards(w: Work, deployment: str) -> set[str]:
    out: set[str] = set()
    while deployment and deployment not in out:
        out.add(deployment)
        found = w.deployments.get(deployment)
        deployment = found.parent if found is not None else ""
    return out


def _adopt_children(w: Work, record: NodeRole, definition: RoleDef, new: New) -> None:
    """A new member of a cluster is a parent of everything that depends on its peers; so is a new peer of who requires all of them."""
    names = (definition.name, *definition.provides)
    children: dict[Key, None] = {}
    if "cluster" in definition.flags:
        for peer in w.bound.get(record.role) or ():
            children.update(dict.fromkeys(w.children.get(peer) or ()))
    for name in names:
        for role in new.wanters.get(name, ()):
            for key in w.bound.get(role) or ():
                if key[0] != record.node and record.deployment in _upwards(w, w.node_roles[key].deployment):
                    children[key] = None
    for child in children:
        have = w.node_roles[child]
        if record.key not in have.parents and child != record.key and have.state is not State.TRANSITION:
            w.put_role(replace(have, parents=tuple(sorted({*have.parents, record.key}))))
            new.append(child)


def _order_softly(w: Work, node_id: str) -> None:
    """`precedes`: order between roles that are both on the node; pulls nothing in."""
    keys = w.roles_of.get(node_id) or ()
    for key in keys:
        definition = w.catalog.roles.get(key[1])
        for later in definition.precedes if definition is not None else ():
            child = w.node_roles.get((node_id, later))
            if child is not None and key not in child.parents and child.state in (State.PROPOSED, State.WAITING):
                w.put_role(replace(child, parents=tuple(sorted({*child.parents, key}))))


def _plan_approves(w: Work, node: Node, definition: RoleDef) -> str:
    """`plan` where the plan's `approve` covers what the role would destroy on this node's disks; else empty."""
    if not definition.destructive or w.plan is None:
        return ""
    policy = w.plan.approve
    if policy.wipe == "all":
        return "plan"
    inventory = w.node_roles.get((node.id, "inventory"))
    disks = [d for d in (inventory.gave.get("disks") or () if inventory is not None else ()) if isinstance(d, dict)]
    if not disks:
        return ""
    match policy.wipe:
        case "blank":
            covered = all(not d.get("signature") for d in disks)
        case "foreign":
            covered = all(d.get("installation") != w.meta.installation for d in disks)
        case "listed":
            covered = all(d.get("serial") in policy.disks for d in disks)
        case _:
            covered = False
    return "plan" if covered else ""
