"""Rumours: a boot ROM or a loader speaks in the name of a node, and no open boot of the node expects it. Pure.

Either the machine went away unseen and boots again, or a stranger invents packets. Nothing in such a packet tells which. So it changes no
state of the node: it raises a question.

    spoken of     the engine records the rumour. If the node counts as present, a probe asks it
    denied        the node answers the probe: it shows who spoke. The nonce stays, because the answer may be older than the question
    not denied    the probes find the node dead, as they would without a rumour. Nothing else follows from the rumour
    true          the machine says hello with the nonce of the rumour's script, and is not present any more: it has booted
    in vain       no hello comes within the time of a whole boot: the node shows that

A machine that boots gets its script at once, because it costs nothing: the nonce in it is worth nothing while the node is present. A hello
with it is put off (`live_claim`), and the agent asks again until the probes have decided.

A script goes only to the address that the MAC leased.
"""

from __future__ import annotations

from msgspec.structs import replace

from ... import reasons
from ...effects import Ignore
from ...events import NodeDue
from ...model import Mac, Node, NodeId, Rumour, Signal
from ...reasons import Reason
from ..roles.death import MISSES, order_probe
from ..roles.stages import DISCOVERY, environment_of
from ..world.view import View
from ..world.work import Work
from .boot import firmware_way
from .signals import ORDER, whole


def spoken(w: Work, node: Node, signal: Signal, mac: Mac, address: str = "", port: str = "") -> Node:
    """Somebody asks for an address or a script with this MAC of the node, which no open boot expects."""
    old = node.rumour
    rumour = old or Rumour(mac=mac, environment="", signal=signal, at=w.at, deadline=0.0, passes=0)
    rumour = replace(
        rumour,
        mac=mac,
        address=address or rumour.address,
        port=port or rumour.port,
        environment=environment_of(w, node, node.stage) or DISCOVERY,
        signal=signal if ORDER[signal] > ORDER[rumour.signal] or signal is Signal.DHCP else rumour.signal,
        at=w.at,
    )
    if rumour.deadline <= w.now:
        seconds = whole(w, firmware_way(w, rumour.environment))
        rumour = replace(rumour, deadline=w.now + seconds, passes=rumour.passes + 1)
        w.wake(rumour.deadline, NodeDue(node.id))
    w.put_node(replace(node, rumour=rumour))
    if present(node):
        order_probe(w, w.nodes[node.id])
    return w.nodes[node.id]


def present(node: Node) -> bool:
    """True if the node's machine counts as running its environment: no boot is open, nobody powered it off, and no probes have found it
    dead."""
    return node.boot is None and node.off is None and bool(node.runs) and node.missed < MISSES


def denied(w: Work, node_id: NodeId) -> None:
    """The node answered: whoever spoke of a boot was not its machine, or was wrong. The node and the health page name it."""
    node = w.nodes[node_id]
    if node.rumour is not None:
        rumour = node.rumour
        reason = reasons.not_its_boot(node=node.name, mac=rumour.mac, address=rumour.address or "no address", port=rumour.port or "unknown")
        w.put_node(replace(node, notice=reason))
        w.order(Ignore(mac=rumour.mac, reason=reason))


def due(w: Work, node: Node) -> None:
    """A wake of the node has come: if its rumour's deadline has passed, nobody has said hello."""
    rumour = node.rumour
    if rumour is None or rumour.deadline > w.now:
        return
    if present(node):
        w.put_node(replace(node, rumour=None))
        return
    reason = reasons.boots_in_vain(mac=rumour.mac, signal=rumour.signal.value)
    if node.notice != reason:
        w.put_node(replace(node, notice=reason))
        w.touch_node(node.id)


def coming(w: Work, node: Node) -> float | None:
    """Engine time until which a lost node is given the chance to come up by itself, because it seems to boot. None: it does not seem so.
    One boot's time and no more: else a stranger would keep the engine from bringing the node back."""
    rumour = node.rumour
    return rumour.deadline if rumour is not None and rumour.passes == 1 and rumour.deadline > w.now else None


def elsewhere(view: View, mac: Mac, address: str) -> Reason | None:
    """Why this address gets no script for this MAC: another address is leased to it, or none. Beside another DHCP server, leases that the
    engine has not overheard count as right."""
    have = view.lease_of.get(mac)
    if have == address or (have is None and _proxied(view)):
        return None
    return reasons.script_elsewhere(mac=mac, address=address, leased=have or "none")


def _proxied(view: View) -> bool:
    return view.plan is not None and any(network.dhcp == "proxy" for network in view.plan.networks.values())
