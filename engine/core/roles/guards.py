"""Guards: why a node role does not run now. Each is one pure test with one reason. The most informative come first.

A committed node role that is not done either has a blocker here, or starts as soon as a slot is free. There is no state without a
reason.

Trap: a guard compares with nothing that changes by itself. Time is a stored `retry_at` that its tick removes, never a clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from math import inf

from ... import reasons
from ...definitions import On, RoleDef
from ...model import ACTIVE, BEGUN, ERROR, PROPOSED, TRANSITION, Kind, Node, NodeRole
from ...reasons import Reason
from ..boot.patience import pause_s
from ..boot.signals import waits_for
from ..hardware.burn_choice import WANTED as BURN_WANTED
from ..hardware.burn_choice import burn_choice
from ..hardware.conduits import of_network
from ..hardware.disk_choice import member_choice, root_choice
from ..hardware.inventory import inventory_of
from ..hardware.own_path import is_this_machine
from ..hardware.san import wants_luns
from ..hardware.wipe_choice import WANTED, wipe_choice
from ..plan.network_roles import network_of
from ..world.view import View
from .attributes import effective
from .claims import not_confirmed
from .death import MISSES
from .delegate_ready import not_ready
from .derive import done, resources, size
from .stages import environment_of, install_method, install_role, may_enter, wanted_stage
from .transitions import claims, doubtful, suspended


def order(role: NodeRole) -> tuple[float, str, str]:
    """Sort key: longest remaining path first, then node, then role, so that equal worlds give equal plans. A claim comes before
    everything: its node may wait for this call, as after a change of its network."""
    return (-inf if claims(role) else -role.rank, role.node, role.role)


def blockers(view: View, role: NodeRole, first: bool = False) -> list[Reason]:
    """Why a committed node role that is not done does not run now, the most informative reason first. Empty for a candidate that may
    start. With `first` only the first reason, which is cheaper."""
    guards = _guards(view, role)
    return list(islice(guards, 1) if first else guards)


def _guards(view: View, role: NodeRole) -> Iterator[Reason]:
    if role.state is PROPOSED:
        yield reasons.proposed()
        return
    definition = view.catalog.roles.get(role.role)
    if definition is None:
        yield reasons.role_unknown(role=role.role)
        return
    if role.state is ERROR:
        message = reasons.sentence(role.failure) if role.failure else "unknown"
        yield reasons.failed(role=role.role, attempt=role.tries, of=definition.attempts, message=message)
    if role.state is TRANSITION:
        if suspended(role) and role.role in view.catalog.needs_claim:
            yield from _unproven(view, role, definition)
        yield reasons.suspended(attempt=role.attempt) if suspended(role) else reasons.in_transition(attempt=role.attempt)
        if not suspended(role):
            return
    if doubtful(role) and not definition.verify and not definition.idempotent:
        yield reasons.unverifiable(attempt=role.attempt, role=role.role)
    node = view.nodes.get(role.node)
    if node is None:
        yield reasons.no_node(node=role.node)
        return
    yield from _node_guards(view, node, definition)
    if role.state is TRANSITION:
        return
    yield from _parents(view, role)
    if role.seeks:
        yield from _absent_parents(view, role, node, definition)
    yield from _ports(view, node, role)
    if role.retry_at is not None:
        if role.failure is not None:
            yield reasons.retry(attempt=role.tries, message=reasons.sentence(role.failure), after=delay(view, definition, role.tries))
        else:
            yield reasons.again()
    if definition.destructive and next_action(definition, role) == "run":
        yield from _destroys(view, node, role, definition)
    if role.role in view.catalog.needs_claim:
        yield from _unproven(view, role, definition)
    yield from _held(view, node, role, definition)


def _unproven(view: View, role: NodeRole, definition: RoleDef) -> Iterator[Reason]:
    """What the machine runs is not known to run on it. Before the node is where the role runs, other reasons say more."""
    node = view.nodes.get(role.node)
    if node is None or (node.stage and node.stage != definition.stage):
        return
    if definition.jig_kind.alive and (node.boot is not None or node.runs != environment_of(view, node, definition.stage)):
        return
    refused = not_confirmed(view, node, definition)
    if refused is not None:
        yield refused


def _parents(view: View, role: NodeRole) -> Iterator[Reason]:
    for key in role.parents:
        parent = view.node_roles.get(key)
        if parent is None:
            yield reasons.parent_missing(role=key[1])
        elif not done(view, parent):
            name = view.nodes[key[0]].name if key[0] in view.nodes else key[0]
            if parent.state is ACTIVE:
                yield reasons.stale_parent(role=key[1], node=name)
            else:
                yield reasons.parent(role=key[1], node=name, state=parent.state.value)


def _ports(view: View, node: Node, role: NodeRole) -> Iterator[Reason]:
    """The role of a network whose links are no ports of the node."""
    network = view.plan.networks.get(network_of(role.role)) if view.plan is not None else None
    ports = of_network(view, node, network) if network is not None else ()
    if isinstance(ports, Reason):
        yield ports


def _absent_parents(view: View, role: NodeRole, node: Node, definition: RoleDef) -> Iterator[Reason]:
    """Requirements that no node role meets yet, because no node that the plan gives them to is allocated."""
    for name in role.seeks:
        meet = {name, *view.catalog.providers.get(name, ())}
        if any(key[1] in meet for key in role.parents) or any((role.node, one) in view.node_roles for one in meet):
            continue
        if any(one.role == name and one.on is On.DELEGATE for one in definition.requires):
            continue  # it may stand on no node: the delegate's own machine is then set up by people
        kind = next((one.kind for one in definition.requires if one.role == name and one.on is On.LINKED), "")
        if kind == "san" and not wants_luns(view, node):
            continue  # it needs no SAN
        yield reasons.not_linked(role=name, kind=kind, node=node.name) if kind else reasons.parent_elsewhere(role=name)


def _destroys(view: View, node: Node, role: NodeRole, definition: RoleDef) -> Iterator[Reason]:
    if shown := is_this_machine(view, node):
        yield reasons.own_machine(node=node.name, what=role.role, shown=shown)
    refused = _no_disk(view, node, role, definition)
    if refused is not None:
        yield refused
    elif not role.approved:
        yield reasons.approval(node=node.name)


def _held(view: View, node: Node, role: NodeRole, definition: RoleDef) -> Iterator[Reason]:
    """By another role: the node itself, or what only so many may use at once."""
    holder = node_holder(view, node.id)
    if holder is not None:
        yield reasons.held(resource=f"node {node.name}", holder=holder.role)
    for resource in resources(definition, role):
        if (view.running.get(resource) or 0) >= size(view, resource):
            yield reasons.held(resource=resource, holder=f"{view.running.get(resource)} others")


def _no_disk(view: View, node: Node, role: NodeRole, definition: RoleDef) -> Reason | None:
    """Its inventory was taken, and none of its disks is fit: an approval would not help."""
    inventory = inventory_of(view, node.id)
    if not inventory.told("disks"):
        return None
    wants = {want.name for want in definition.wants}
    if "install-disk" in wants:
        return root_choice(view, node, effective(view, role, "root-disk")).refused
    if "raid-disks" in wants and (refused := member_choice(view, node, effective(view, role, "raid-wanted")).refused) is not None:
        return refused
    if "wipe-disks" in wants and (refused := wipe_choice(view, node, effective(view, role, WANTED)).refused) is not None:
        return refused
    if "burn-in-write-disks" in wants and (refused := burn_choice(view, node, effective(view, role, BURN_WANTED)).refused) is not None:
        return refused
    return None if inventory.disks else reasons.no_disk(node=node.name)


def _node_guards(view: View, node: Node, definition: RoleDef) -> Iterator[Reason]:
    if view.meta.bound == BEGUN:
        yield reasons.plan_follows()
    if not node.available:
        yield reasons.not_available(node=node.name)
    if node.hold:
        yield reasons.on_hold(node=node.name)
    if node.off is not None:
        yield reasons.powered_off(node=node.name, who=node.off.who)
    if node.problem is not None:
        yield reasons.problem(node=node.name, message=reasons.sentence(node.problem))
    if node.kind is Kind.DEVICE and (waits := not_ready(view, node, definition)) is not None:
        yield waits
    elsewhere = definition.stage != node.stage and node.stage and node.kind is Kind.SERVER
    wanted = wanted_stage(view, node) if elsewhere else None
    barred = may_enter(view, node, wanted) if wanted else None
    if node.boot is not None:
        yield waits_for(node.boot)
    if barred is not None:  # what the node runs follows from it
        yield barred
    if node.boot is None and definition.jig_kind.alive:
        yield from _environment(view, node, definition)
    if elsewhere:
        yield reasons.stage(stage=definition.stage, present=node.stage)


def _environment(view: View, node: Node, definition: RoleDef) -> Iterator[Reason]:
    """What the node runs is not what the role needs."""
    needs = environment_of(view, node, definition.stage)
    role = install_role(view, node, definition.stage) if not needs else None
    if role is not None:
        system, method = effective(view, role, "target-os"), install_method(view, role)
        yield reasons.no_installer(system=str(system), method=method)
    elif node.intent.fresh:
        yield reasons.environment(runs="the boot before", needs=f"a fresh {needs}")
    elif node.runs != needs:
        yield reasons.environment(runs=node.runs or "nothing known", needs=needs)
    elif not node.alive:
        silent = node.missed >= MISSES
        yield (reasons.unreachable if silent else reasons.not_answered_yet)(environment=node.runs)


def node_holder(view: View, node: str) -> NodeRole | None:
    """The node role that holds the node: in transition, suspended or not."""
    key = view.holders.get(node)
    return None if key is None else view.node_roles[key]


def busy(view: View, node: Node) -> Reason | None:
    """Why an operator's order must wait: an attempt runs on the node. On an unavailable node nobody asks for its end."""
    holder = node_holder(view, node.id)
    if holder is None or suspended(holder):
        return None
    return reasons.busy(node=node.name, what=f"{holder.role} is running") if node.available else reasons.not_available(node=node.name)


def next_action(definition: RoleDef, role: NodeRole) -> str:
    return "verify" if doubtful(role) and definition.verify else "run"


def delay(view: View, definition: RoleDef, tries: int) -> float:
    """Seconds before the next attempt. Doubles, up to ten minutes."""
    return pause_s(view, float(min(definition.delay_s * 2 ** max(tries - 1, 0), 600.0)))
