"""Commits a plan and allocates nodes: what the plan says is put into records, and the graph of node roles follows (`rebind`).

Before a node is allocated, only its discovery roles are bound to it (late binding). Late is also every other choice: the plan, the settings
beside it and the set of allocated nodes decide alone, in whatever order they came.
"""

from __future__ import annotations

from ... import reasons
from ...model import Deployment, Kind, Node, NodeId, NodeRole, Proposal, Revision
from ...plan import Plan
from ...reasons import Reason
from ..hardware import bmc, own_path
from ..hardware.approvals import approve_by_plan
from ..hardware.devices import meet_planned
from ..roles.change import change_node
from ..roles.node_moves import NodeMove
from ..world.work import Work
from . import boxes
from .addresses import allocate_addresses
from .bound_by import all_bound
from .chosen import full_name, put_attributes, put_role_attributes, rechoose
from .dropped import sweep
from .network_numbers import number_networks
from .network_roles import network_roles
from .owned import SYSTEM, owner_of_node, unknown_owner
from .proposed import as_wanted, definition
from .rebind import rebind
from .revisions import as_kept, as_stored, latest, same
from .rules import Choice, choose
from .values import put_plan_values


def bind_discovery(w: Work, node: Node) -> Reason | None:
    """Binds the roles that discover a node as soon as it appears, in the root deployment."""
    if SYSTEM not in w.deployments:
        w.put(Deployment(name=SYSTEM))
    return rebind(w, [node])


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
    """Makes the plan the goal. The same plan again makes no revision, but the rules read the facts again. A reason: the plan is refused,
    and nothing was changed."""
    unknown = unknown_owner(plan)
    if unknown is not None:
        return unknown
    nodes = sorted(w.all(Node), key=lambda n: n.id)
    barred = own_path.of_plan(w, plan, nodes) or boxes.refusal(w, plan, nodes)
    if barred is not None:
        return barred
    choices = adopt(w, plan, who)
    nodes = sorted(w.all(Node), key=lambda n: n.id)
    for node in nodes:
        refused = give_addresses(w, node)
        if refused is not None:
            return refused
    refused = rebind(w, nodes)
    if refused is not None:
        return refused
    sweep(w)
    put_role_attributes(w, choices)
    for node in nodes:
        bmc.take_up(w, w.nodes[node.id])
        w.touch_node(node.id)
    approve_by_plan(w, w.all(NodeRole))
    w.restale(key for key in [role.key for role in w.all(NodeRole)])
    all_bound(w)
    return None


def adopt(w: Work, plan: Plan, who: str) -> dict[NodeId, Choice]:
    """The plan is the goal from now on: its revision, deployments and values, and what its rules choose. The graph does not follow yet."""
    body, last = as_stored(plan), latest(w)
    w.use(plan, network_roles(w.base, plan))
    if not last or not same(as_kept(w.revisions[last].plan), body):
        w.put(Revision(number=last + 1, who=who, at=w.at, plan=body))
    number_networks(w, plan)
    _put_deployments(w, plan)
    meet_planned(w)
    for proposal in w.all(Proposal):
        if proposal.wanted == as_wanted(definition(plan, proposal.deployment)):
            w.drop("proposals", proposal.deployment)  # what it wanted is the plan now
    return rechoose(w, plan, sorted(w.all(Node), key=lambda n: n.id))


def give_addresses(w: Work, node: Node) -> Reason | None:
    """An allocated machine has an address on each network of the plan."""
    return allocate_addresses(w, node) if node.allocated and node.kind not in (Kind.ADMIN, Kind.DEVICE) else None


def _put_deployments(w: Work, plan: Plan) -> None:
    w.put(Deployment(name=SYSTEM))
    for deployment in plan.deployments.values():
        w.put(Deployment(name=deployment.name, parent=deployment.parent if deployment.name != SYSTEM else ""))
    put_plan_values(w, plan)


def allocate(w: Work, node: Node, who: str) -> Reason | None:  # noqa: ARG001  the journal's event tells who
    """Allocates the node: the rules name it, group it and give it to a deployment; addresses are reserved, roles are bound."""
    plan = w.plan
    if plan is None:
        return reasons.no_plan()
    wrong = boxes.wrong_box(w, node)
    if wrong is not None:
        return wrong.reason
    choice = choose(w, plan, node)
    put_attributes(w, node, choice)
    name = full_name(w, plan, node, choice.name) if choice.name else node.name
    owner = owner_of_node(plan, node, choice.deployment or node.deployment)
    group = choice.group or node.group
    moved = change_node(w, node, NodeMove.ALLOCATE, name=name, group=group, deployment=owner, place=node.place, since=w.at)
    node = moved or node
    node = bmc.take_up(w, node)  # a rule may have set it
    return bind_wanted(w, node)


def bind_wanted(w: Work, node: Node) -> Reason | None:
    """Gives an allocated node its addresses, and the roles that the plan wants on it."""
    if w.plan is None:
        return reasons.no_plan()
    refused = allocate_addresses(w, node) or rebind(w, [w.nodes[node.id]])
    if refused is None:
        put_role_attributes(w, {node.id: choose(w, w.plan, w.nodes[node.id])})
    return refused
