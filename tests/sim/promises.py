"""Nothing is promised before it is durable: each effect that leaves is looked up in what the store has synced, never in the world."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.core.roles.watch import is_look
from engine.effects import Accept, Acknowledge, BootNode, BootScript, Effect, Probe, SendDhcp, SetPower, Start, Welcome
from engine.model import State
from engine.wire.dhcp import DhcpKind

if TYPE_CHECKING:
    from .simulation import Simulation


def check(sim: Simulation, effect: Effect) -> None:
    wrong = _wrong(sim, effect)
    if wrong:
        sim.broken(f"{type(effect).__name__} leaves before its commit: {wrong}: {effect}")


def _wrong(sim: Simulation, effect: Effect) -> str:
    nodes = sim.store.tables["nodes"]
    match effect:
        case SendDhcp() if effect.reply.kind in (DhcpKind.OFFER, DhcpKind.ACK) and effect.reply.yiaddr:
            return _lease(sim, effect)
        case BootNode():
            node = nodes.get(effect.node)
            # A later event of the same batch may have gone on; the intent of this order, or of a later one, is there.
            if node is not None and node.intent.generation < effect.generation:
                return f"the boot that is recorded is {node.intent.generation}"
        case Start():
            return _start(sim, effect)
        case Welcome():
            node = nodes.get(effect.node)
            if node is not None and node.boot_id != effect.boot_id and effect.boot_id not in sim.seen_boots(effect.node):
                return f"the node runs {node.boot_id}"
        case BootScript() if effect.nonce and effect.node:
            node = nodes.get(effect.node)
            if node is not None and effect.nonce not in (node.claim, *(b.nonce for b in (node.boot, node.rumour) if b is not None)):
                return "no boot is recorded"
        case Accept() if (
            effect.request is not None and effect.request not in sim.store.answered and not sim.people.waits_for_power(effect.request)
        ):
            return "what was asked is not in the journal"
        case Probe():
            node = nodes.get(effect.node)
            if node is not None and node.probes < effect.probe:
                return f"the probe that is recorded is {node.probes}"
        case SetPower() if effect.action in ("off", "soft") and effect.who != "engine":
            if nodes.get(effect.node) is None and not sim.was_there(effect.node):
                return "no such node"
        case Acknowledge():
            return _acknowledge(sim, effect)
        case _:
            pass
    return ""


def _lease(sim: Simulation, effect: SendDhcp) -> str:
    lease = sim.store.tables["leases"].get(effect.reply.yiaddr)
    if lease is None or lease.mac != effect.reply.to.mac:
        return f"the lease is {lease}"
    if effect.reply.kind is DhcpKind.ACK and lease.state != "bound":
        return f"the lease is {lease.state}"
    return ""


def _start(sim: Simulation, effect: Start) -> str:
    role = sim.store.tables["node_roles"].get((effect.node, effect.role))
    if role is None:
        return ""  # forgotten by a later event of the same batch
    if is_look(effect.attempt):
        watch = sim.store.tables["watches"].get((effect.node, effect.role))
        number = int(effect.attempt.rpartition("-w")[2].removesuffix(".1"))
        return "" if watch is None or number <= watch.looks else f"look {number} is not recorded"
    attempt, _, leg = effect.attempt.rpartition(".")
    same = role.attempt == attempt and str(role.leg) == leg
    if same and role.state is State.TRANSITION:
        definition = sim.admin.world.catalog.roles.get(effect.role)
        if definition is not None and definition.destructive and effect.action == "run" and not role.approved:
            return "it destroys, and nobody approved it"
        return ""
    # The rest of the batch went on: the attempt must be an earlier one than what is recorded.
    number = int(attempt.rpartition("-")[2])
    if number > sim.store.tables["meta"][()].attempts:
        return f"attempt {number} is not recorded"
    return ""


def _acknowledge(sim: Simulation, effect: Acknowledge) -> str:
    """An outcome that is acknowledged is forgotten by the node: the record must not wait for it any more."""
    attempt, _, leg = effect.attempt.rpartition(".")
    for role in sim.store.tables["node_roles"].values():
        if role.node == effect.node and role.attempt == attempt and str(role.leg) == leg and role.state is State.TRANSITION:
            return f"{role.role} is still in transition"
    return ""
