"""A large rack follows its plan in pieces, so that no step takes long and no transaction holds up a DHCP answer.

A commit for 1,000 nodes with 50 roles takes seconds. In one step, nobody would get an address meanwhile. Computed on a snapshot and
installed as a whole, its 50,000 rows would still be one transaction of more than a second. So a thread that changes nothing checks a large
commit on a snapshot (`checked`). If it is refused, nothing happens. Otherwise its revision, values, names and groups become the wanted
state in one step, as always (`begin`). Then each `Continue` gives some nodes their addresses and roles (`bind_some`), in a transaction of
its own.

Rules
* Until the last node is bound, no role starts and no node moves (`step.settle`): half a graph would start a role before one that it
  requires. The operator gets the receipt after that.
* A piece is bound as the next commit would bind it, so all pieces together make the graph that one step would make. A test compares them.
* A piece may be refused for a moment: a new edge and an old one are a cycle. Its nodes wait for the others, and are bound together last.
* A start goes on where the engine was killed, and gives a store of an earlier version the graph that this version wants: it looks at all
  nodes in the same way, unless the store says that they are bound by the same plan, barclamps and rules (`bound_by`).
* Only `Continue`, `Started` and commits work on pieces: a packet never waits for more than one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import islice

from msgspec.structs import replace

from ...effects import Accept
from ...events import Commit, CommitProposals, Event
from ...model import BEGUN, Node, NodeId
from ...plan import Plan
from ...reasons import Reason
from ..hardware import bmc
from ..hardware.approvals import approve_by_plan
from ..roles.graph import Walk, rank
from ..world.view import View
from ..world.work import Work
from ..world.world import World
from .bind import adopt, give_addresses
from .bound_by import REFUSED, all_bound, bound_by, put_bound
from .chosen import drop_unbound, put_ahead
from .dropped import sweep
from .proposals import as_seen, carried_out, plan_of, receipt
from .rebind import rebind

AT_ONCE = 192
"""Most node roles of one piece, but at least one node: some 10 ms. Smaller pieces make a commit longer, larger ones a DHCP answer."""
LARGE = 512
"""A commit that may concern more node roles is carried out in pieces: some 20 ms in one step."""


def checked(world: World, event: Event) -> Callable[[], Event] | None:
    """For a large commit: a function that returns it with the engine's verdict, to be called beside the loop. None: the event is to be
    stepped as it is."""
    if not isinstance(event, Commit | CommitProposals) or event.checked:
        return None
    plan = plan_of(Work(world), event)
    if isinstance(plan, Reason) or not is_large(world, plan):
        return None
    return partial(_check, world, as_seen(world, event))


def _check(world: World, event: Commit | CommitProposals) -> Event:
    work = Work(world)
    refused = carried_out(work, event)
    while work.rows:
        work.rows.popitem()  # each by itself: to free 50,000 records at once would stop all threads for a moment
    return replace(event, checked=True, refused=refused)


def is_large(view: View, plan: Plan) -> bool:
    """True if the plan may concern more node roles than one step may bind."""
    return max(len(view.node_roles), len(view.nodes) * _placed(plan)) > LARGE


def _placed(plan: Plan | None) -> int:
    return len({role for deployment in plan.deployments.values() for role in deployment.roles}) if plan is not None else 0


def begin(w: Work, plan: Plan, event: Commit | CommitProposals) -> None:
    """The plan of a commit that was checked is the wanted state from now on."""
    w.defers = True
    before = w.plan
    put_ahead(w, adopt(w, plan, event.who), before, plan)
    nodes = sorted(w.all(Node), key=lambda n: n.id)
    for node in nodes:
        bmc.take_up(w, w.nodes[node.id])
    for role in w.catalog.roles.values():
        if role.destructive:
            approve_by_plan(w, [w.node_roles[key] for key in w.bound.get(role.name) or ()])
    w.defers = False
    look_again(w)
    w.answers.append(Accept(request=event.request, message=receipt(w, event)))


def look_again(w: Work) -> None:
    """All nodes are to be bound anew, piece by piece."""
    put_bound(w, BEGUN)
    w.binding = dict.fromkeys(sorted(node.id for node in w.all(Node)), False)


def start(w: Work) -> None:
    """The engine started: if the graph is not the one that the plan wants now, the nodes are to be bound anew."""
    if w.meta.bound != bound_by(w):
        look_again(w)
        bind_some(w)


def bind_some(w: Work) -> None:
    """Binds the next piece. After the last one, the operators get their receipts."""
    if not w.binding:
        return
    piece = _next(w)
    before = w.checkpoint()
    refused = _bind(w, piece) is not None
    if refused:
        w.rollback(before)
    tried = [w.binding.pop(node_id) for node_id in piece]
    if refused and not all(tried):
        w.binding.update(dict.fromkeys(piece, True))
    if not w.binding:
        if refused:
            put_bound(w, REFUSED)
        else:
            sweep(w)
            all_bound(w)
        end(w)


def end(w: Work) -> None:
    """Nothing is left to be bound."""
    w.binding = {}
    w.effects += w.answers
    w.answers = []


def _next(w: Work) -> list[NodeId]:
    """Some nodes that were not tried yet, or else all that were."""
    out: list[NodeId] = []
    many, placed = 0, _placed(w.plan)
    for node_id, tried in islice(w.binding.items(), AT_ONCE):
        if tried:
            break
        many += max(len(w.roles_of.get(node_id) or ()), placed)
        if out and many > AT_ONCE:
            break
        out.append(node_id)
    return out or list(w.binding)


def _bind(w: Work, node_ids: list[NodeId]) -> Reason | None:
    nodes = [w.nodes[node_id] for node_id in node_ids if node_id in w.nodes]
    for node in nodes:
        refused = give_addresses(w, node)
        if refused is not None:
            return refused
    refused = rebind(w, nodes)
    if refused is not None:
        return refused
    rank(w, Walk(w), [key for node in nodes for key in w.roles_of.get(node.id) or ()])  # other stages are another order
    for node in nodes:
        drop_unbound(w, node.id)
        keys = w.roles_of.get(node.id) or ()
        w.restale(keys)
        w.touch_node(node.id)
    return None
