"""One step: an event and the world give the next world, effects and wakes. Pure: the same recorded events give the same world.

    work = Work(world)
    for happened in batch:
        rows = step(work, happened)        # what the journal records of it
    world = work.finish()                  # work.effects, work.wakes

Each event is first applied by the module that owns its subject. Then everything that it touched is settled: the life-cycle looks at the
nodes, and the annealer at the node roles, until nothing is left or the limit of one step is reached (`work.rest`: a Continue must
follow).
"""

from __future__ import annotations

from itertools import islice
from typing import assert_never

from msgspec.structs import replace

from ..effects import Accept, Ignore, Refuse
from ..events import (
    AddressTaken,
    AdminSeen,
    AilmentsFound,
    AnyEvent,
    Bye,
    Commit,
    CommitProposals,
    Continue,
    DhcpAsked,
    DhcpOverheard,
    Due,
    Fetched,
    Found,
    Happened,
    Hello,
    Join,
    KeyRemoved,
    Missed,
    NodeDue,
    Operate,
    Outcome,
    Powered,
    PowerSet,
    Probed,
    Propose,
    Proved,
    Recall,
    RoleDue,
    ScriptAsked,
    SetAttribute,
    SightingDue,
    Started,
    Tick,
)
from ..model import Deployment, Kind, Node, Sighting, Signal
from ..reasons import Reason
from ..requests import Request
from .boot import boot, leases, scripts, strangers
from .boot.hello import hello
from .hardware import own_seen
from .hardware.found_values import put_all_found
from .hardware.learn import ailing, bmc_clock, bmc_speaks
from .operator import light
from .operator.join import join
from .operator.operate import operate
from .operator.power import power_set
from .operator.settings import set_attribute
from .plan import pieces, proposals
from .plan.address_conflicts import address_taken
from .plan.bind import allocate, start_admin
from .plan.follow import follow_stages
from .plan.network_numbers import number_networks
from .plan.network_roles import PREFIX
from .plan.proposals import propose, recall
from .plan.rebind import rebind, released
from .plan.rules import choose
from .plan.values import put_plan_values
from .roles import annealer, confirm, life, watch
from .roles.outcomes import outcome
from .roles.reopen import renewed, reopen
from .roles.stages import wanted_stage
from .world.work import Change, Checkpoint, Work

NODES = 256
"""Most nodes that one step looks at, so that no step takes long."""
ROUNDS = 50
"""Most rounds of life-cycle and annealer in one step. More would mean that the two undo each other."""


def step(w: Work, happened: Happened) -> list[Change]:
    """Applies one event and settles what it touched. Returns the changed rows, in the order of their first change."""
    w.at, w.now, w.starts = happened.at, happened.now, 0
    w.looks = 0
    w.follows, w.hushed = False, None
    event: AnyEvent = happened.event  # type: ignore[assignment]  # it is declared as the base of all
    _apply(w, event)
    settle(w)
    return w.take_changes()


def settle(w: Work) -> None:
    """Lets the life-cycle and the annealer look at what was touched. Not before the graph is whole (`pieces`)."""
    if w.binding:
        w.look_later()
        return
    budget = NODES
    for _ in range(ROUNDS):
        for node_id in _some(w, budget):
            budget -= 1
            if w.late:
                w.touch_ready(node_id)
            _allocate_discovered(w, node_id)
            _bind_device(w, node_id)
            if w.kept:
                released(w, node_id)
            life.advance(w, node_id)
            confirm.advance(w, node_id)
        if not budget:
            return  # the others first, and then the annealer
        annealer.anneal(w)
        if not w.looked:
            return
    raise RuntimeError(f"the life-cycle and the annealer do not come to rest over {sorted(w.looked)[:5]}")


def _some(w: Work, most: int) -> dict[str, None]:
    """Takes so many nodes from those that are to be looked at."""
    if len(w.looked) <= most:
        looked, w.looked = w.looked, {}
        return looked
    looked = dict.fromkeys(islice(w.looked, most))
    for node_id in looked:
        del w.looked[node_id]
    return looked


def _allocate_discovered(w: Work, node_id: str) -> None:
    """With `allocate: auto`, the plan allocates a discovered node that its rules match."""
    if w.plan is None or w.plan.allocate != "auto":
        return
    node = w.nodes.get(node_id)
    if node is None or node.kind is not Kind.SERVER or node.allocated:
        return
    keys = w.roles_of.get(node_id) or ()
    if w.plan.rules and not choose(w, w.plan, node).matched:
        return
    if not keys or wanted_stage(w, node) or node.hold or not node.available or node.problem is not None:
        return
    before = w.checkpoint()
    refused = allocate(w, node, "plan")
    if refused is not None:
        w.rollback(before)
        w.put_node(replace(w.nodes[node_id], notice=refused))


def _bind_device(w: Work, node_id: str) -> None:
    """A device is allocated as soon as it appears: the plan may have roles for it."""
    node = w.nodes.get(node_id)
    if node is not None and node.kind is Kind.DEVICE and not w.roles_of.get(node_id):
        _rebind(w, node)


def _relink(w: Work, event: Outcome) -> None:
    """A discovery may have found other devices that the node is linked to."""
    node = w.nodes.get(event.node)
    if event.what != "done" or not w.catalog.linkers or node is None or not node.allocated or watch.is_look(event.attempt):
        return
    if any(key[1] in w.catalog.linkers for key in w.roles_of.get(node.id) or ()):
        _rebind(w, node)


def _rebind(w: Work, node: Node) -> None:
    """A plan that cannot be met stays as it is bound: its next commit is refused, and says why."""
    before = w.checkpoint()
    if rebind(w, [node]) is not None:
        w.rollback(before)


def _apply(w: Work, event: AnyEvent) -> None:  # noqa: C901  - one case for each event, which mypy holds complete
    match event:
        case DhcpAsked():
            leases.dhcp(w, event)
        case Fetched():
            _signal(w, event.address, Signal(event.what))
        case ScriptAsked():
            scripts.asked(w, event)
        case Hello():
            hello(w, event)
        case Bye():
            life.bye(w, event)
        case Outcome():
            outcome(w, event)
            _relink(w, event)
        case Powered():
            bmc_speaks(w, event.node, event.bmc)
            node = w.nodes.get(event.node)
            if node is not None:
                boot.powered(w, node, event.generation, event.failure)
        case PowerSet():
            bmc_speaks(w, event.node, event.bmc)
            bmc_clock(w, event.node, event.clock_off_s)
            power_set(w, event)
        case Probed():
            life.probed(w, event)
        case Proved():
            bmc_speaks(w, event.node, event.bmc)
            confirm.proved(w, event)
        case AilmentsFound():
            ailing(w, event.node, event.ailments)
        case Found():
            watch.found(w, event)
        case Missed():
            life.missed(w, event)
        case Tick():
            for due in event.subjects:
                _tick(w, due)
        case Continue():
            pieces.bind_some(w)
        case Started():
            _started(w, event)
        case Commit() | CommitProposals() | Propose() | Recall() | Operate() | Join() | KeyRemoved() | SetAttribute():
            _ordered(w, event)
        case AdminSeen():
            own_seen.seen(w, event)
        case AddressTaken():
            address_taken(w, event)
        case DhcpOverheard():
            w.order(Ignore(mac=event.client, reason=leases.overheard(event)))
        case _:
            assert_never(event)


def _ordered(w: Work, event: Commit | CommitProposals | Propose | Recall | Operate | Join | KeyRemoved | SetAttribute) -> None:
    """What operators want. All of it happens, or nothing."""
    match event:
        case Commit() | CommitProposals():
            _commit(w, event)
        case Propose():
            _answer(w, w.checkpoint(), event.request, propose(w, event))
        case Recall():
            _answer(w, w.checkpoint(), event.request, recall(w, event))
        case Operate():
            before = w.checkpoint()
            _undo(w, before, operate(w, event))
        case Join():
            _answer(w, w.checkpoint(), event.request, join(w, event))
        case KeyRemoved():
            if event.failure is not None:
                w.order(Ignore(reason=event.failure))
        case SetAttribute():
            before = w.checkpoint()
            _undo(w, before, set_attribute(w, event))
        case _:
            assert_never(event)


def _commit(w: Work, event: Commit | CommitProposals) -> None:
    """In pieces if it was checked beside the loop, or else in this step."""
    before = w.checkpoint()
    plan = event.refused or (proposals.plan_of(w, event) if event.checked else None)
    if isinstance(plan, Reason):
        _answer(w, before, event.request, plan)
    elif plan is not None:
        pieces.begin(w, plan, event)
        pieces.bind_some(w)
    else:
        refused = proposals.carried_out(w, event)
        if refused is None:
            pieces.end(w)
        _answer(w, before, event.request, refused or proposals.receipt(w, event))


def _answer(w: Work, before: Checkpoint, request: Request | None, answer: Reason | str) -> None:
    """A receipt in words, or a refusal, which leaves nothing else."""
    if isinstance(answer, str):
        w.order(Accept(request=request, message=answer))
        return
    w.rollback(before)
    w.order(Refuse(request=request, reason=answer))


def _undo(w: Work, before: Checkpoint, refused: Reason | None) -> None:
    """A refused operation leaves only its answer."""
    if refused is None:
        return
    answer = [e for e in w.effects if isinstance(e, Refuse)][-1:]
    w.rollback(before)
    w.effects.extend(answer)


def _signal(w: Work, address: str, signal: Signal) -> None:
    """A boot file went to an address: finds the owner of the lease."""
    lease = w.leases.get(address)
    if lease is None:
        return
    node_id = w.macs.get(lease.mac)
    if node_id is not None:
        boot.node_signal(w, w.nodes[node_id], signal)
        return
    sighting = w.sightings.get(lease.mac)
    if sighting is not None and sighting.boot is not None:
        boot.sighting_signal(w, sighting, signal)


def _tick(w: Work, due: Due) -> None:
    match due:
        case RoleDue():
            annealer.tick(w, (due.node, due.role))
        case strangers.EVERYBODY:
            strangers.sweep(w)
        case SightingDue():
            sighting = w.sightings.get(due.mac)
            if sighting is not None:
                boot.sighting_deadline(w, sighting)
        case NodeDue():
            node = w.nodes.get(due.node)
            if node is not None:
                life.tick(w, node)
                if node.proof is not None:
                    confirm.tick(w, w.nodes[due.node])
                if node.light is not None:
                    light.tick(w, w.nodes[due.node])
        case _:
            assert_never(due)


def _started(w: Work, event: Started) -> None:
    """The engine runs on this store: orders again what is open, sets the wakes again, and looks at everything."""
    w.put(replace(w.meta, installation=w.meta.installation or event.installation, v6=w.meta.v6 or event.v6, starts=w.meta.starts + 1))
    if "system" not in w.deployments:
        w.put(Deployment(name="system"))
    start_admin(w, event.admin)
    if w.plan is not None:
        put_plan_values(w, w.plan)
        number_networks(w, w.plan)
        w.restale([key for name in w.plan.networks for key in w.bound.get(f"{PREFIX}{name}") or ()])
    put_all_found(w)
    follow_stages(w)
    for node in sorted(w.all(Node), key=lambda n: n.id):
        reopen(w, node)
        light.reopen(w, node)
        w.touch_node(node.id)
    pieces.start(w)
    for sighting in sorted(w.all(Sighting), key=lambda s: s.mac):
        if sighting.boot is not None and not sighting.node:
            waits = renewed(w, sighting.boot)
            w.put_sighting(replace(sighting, boot=waits))
            w.wake(waits.deadline, SightingDue(sighting.mac))
    strangers.started(w)
