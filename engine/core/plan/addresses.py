"""Fixed addresses: the address of a node on each network of the plan.

Preferred, in this order: the address that the node already has, a hint, the plan's address for its place, the same host part as on the
admin network, the first free one.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from ... import reasons
from ...model import Allocation, Kind, Node
from ...plan import Network, Plan, Range
from ...reasons import Reason
from ..roles.attributes import admin_network
from ..world.work import Work
from .owned import uses_network


def allocate_addresses(w: Work, node: Node) -> Reason | None:
    """Reserves an address on every network that has a `host` range (`admin` for the admin node, if there is one) and that the node's
    deployment may use."""
    plan: Plan | None = w.plan
    if plan is None:
        return reasons.no_plan()
    first = admin_network(w)
    for name in sorted(plan.networks, key=lambda n: (n != first, n)):
        network = plan.networks[name]
        if node.kind is Kind.JOINED and (name == first or _is_in_subnet(network, node.address)):
            refused = _own(w, node, network)
            if refused is not None:
                return refused
            continue
        kind = "admin" if node.kind is Kind.ADMIN and "admin" in network.ranges else "host"
        if name == "bmc" or kind not in network.ranges or (node.id, name) in w.address_of or not uses_network(w, node, network.deployment):
            continue
        address = choose(w, node, network, kind, first)
        if address is None:
            return reasons.pool_empty(range=kind, network=name, size=len(network.ranges[kind]))
        w.put(Allocation(address=address, network=name, range=kind, node=node.id))
    return None


def _own(w: Work, node: Node, network: Network) -> Reason | None:
    """A joined machine keeps the address that it has, and gets no other where it has that or should be reached."""
    if (node.id, network.name) in w.address_of or not _is_in_subnet(network, node.address):
        return None
    owner = w.allocations.get(node.address)
    if owner is not None:
        return reasons.address_of_node(address=node.address, node=w.nodes[owner.node].name if owner.node in w.nodes else owner.node)
    w.put(Allocation(address=node.address, network=network.name, range="joined", node=node.id))
    return None


def _is_in_subnet(network: Network, address: str) -> bool:
    try:
        return IPv4Address(address) in IPv4Network(network.subnet)
    except ValueError:  # a node without an address
        return False


def _pinned(w: Work, node: Node, network: str) -> str:
    """The address that the plan gives to the node's place."""
    for rack in w.plan.racks if w.plan is not None and node.place is not None else ():
        for place in rack.places:
            if node.place is not None and (rack.name, place.unit) == (node.place.rack, node.place.unit):
                return place.addresses.get(network, "")
    return ""


def _reserved(w: Work, network: str) -> set[str]:
    """Addresses that the plan reserves for places: no other node gets them by chance."""
    racks = w.plan.racks if w.plan is not None else ()
    return {place.addresses[network] for rack in racks for place in rack.places if network in place.addresses}


def _is_in(pool: Range, address: str) -> bool:
    try:
        return address in pool
    except ValueError:  # a hint can be any text
        return False


def is_free(w: Work, node: Node, address: str) -> bool:
    """No other node and no other node's BMC has it, and no other machine was found to use it."""
    lease, holder = w.leases.get(address), w.bmcs.get(address)
    used = lease is not None and lease.state == "declined" and lease.expires > w.now
    return address not in w.allocations and not used and holder in (None, node.id)


def choose(w: Work, node: Node, network: Network, kind: str, first: str, now: str = "") -> str | None:
    """The address that the node gets in this range. `now`: the one that it has, which is kept if nothing better is wished. None: the range
    is used up."""
    pool = network.ranges[kind]
    hint = w.attributes.get(("hint", node.id, f"{network.name}-address"))
    for wish in (str(hint.value) if hint is not None else "", _pinned(w, node, network.name), now):
        if wish and _is_in(pool, wish) and is_free(w, node, wish):
            return wish
    reserved = _reserved(w, network.name)
    admin = w.address_of.get((node.id, first))
    if admin is not None and w.plan is not None:
        part = int(IPv4Address(admin)) - int(IPv4Network(w.plan.networks[first].subnet).network_address)
        same = str(IPv4Network(network.subnet).network_address + part)
        if same in pool and is_free(w, node, same) and same not in reserved:
            return same
    ours = {network.router, w.plan.site.admin.address if w.plan is not None else "", *reserved}
    number, last = int(IPv4Address(pool.first)), int(IPv4Address(pool.last))
    for n in range(max(number, w.free_from.get(network.name, number)), last + 1):
        address = f"{n >> 24}.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"
        if address in w.allocations or address in ours:
            continue
        lease = w.leases.get(address)
        if is_free(w, node, address) and (lease is None or lease.state == "declined"):
            w.free_from[network.name] = n
            return address
    return None
