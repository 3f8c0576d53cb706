"""Addresses that another machine uses already. The engine asks for them before a node does. Pure.

Rules
* It asks for the fixed address of a server on the admin network, until the server's system is installed with it.
* If a machine with another MAC answers, the node gets another address, and nobody gets the taken one for a while.
* A node whose system has the address, or is being installed with it, keeps it: a notice says who else has it.
* An answer proves nothing: whoever answers for every address gets only so many out of the range.
"""

from __future__ import annotations

from msgspec.structs import replace

from ... import reasons
from ...events import AddressTaken
from ...model import Kind, Lease, Node, NodeId
from ..roles.attributes import admin_network
from ..world.view import View
from ..world.work import Work
from ..world.world import World
from .addresses import allocate_addresses

RESTS_S = 3600.0
"""Seconds for which nobody gets an address that another machine uses."""
AT_REST = 16
"""Most addresses of a network that rest at a time."""


def asked(world: World) -> dict[str, NodeId]:
    """Addresses for which the engine asks the network, and the nodes that will have them."""
    network = admin_network(world)
    return {
        one.address: one.node
        for one in world.allocations.values()
        if one.network == network and (node := world.nodes.get(one.node)) is not None and node.kind is Kind.SERVER and not node.installation
    }


def address_taken(w: Work, event: AddressTaken) -> None:
    """A machine answers for an address that is a node's."""
    allocation = w.allocations.get(event.address)
    node = w.nodes.get(allocation.node) if allocation is not None else None
    if allocation is None or node is None or event.mac in _own(node) or allocation.network != admin_network(w):
        return
    found = {"node": node.name, "address": event.address, "mac": _whose(w, event.mac)}
    if not _is_before_use(node) or _resting(w, allocation.network) >= AT_REST:
        _notice(w, node, reasons.address_shared(**found))
        return
    before = w.checkpoint()
    w.drop("allocations", event.address)
    w.put_lease(Lease(address=event.address, mac=event.mac, network=allocation.network, state="declined", expires=w.now + RESTS_S))
    if allocate_addresses(w, node) is not None:
        w.rollback(before)
        _notice(w, w.nodes[node.id], reasons.address_shared(**found))
        return
    _notice(w, node, reasons.address_moved(**found, instead=w.address_of[(node.id, allocation.network)]))


def _is_before_use(node: Node) -> bool:
    return node.kind is Kind.SERVER and not node.installing and not node.installation


def _own(node: Node) -> set[str]:
    return {*node.macs, node.bmc.mac if node.bmc is not None else ""}


def _whose(view: View, mac: str) -> str:
    other = view.nodes.get(view.macs.get(mac) or "")
    return f"{mac} (node {other.name})" if other is not None else mac


def _resting(w: Work, network: str) -> int:
    return sum(one.network == network and one.state == "declined" and one.expires > w.now for one in w.all(Lease))


def _notice(w: Work, node: Node, reason: reasons.Reason) -> None:
    if node.notice != reason:
        w.put_node(replace(node, notice=reason))
