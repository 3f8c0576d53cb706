"""Fixed addresses: which one a node gets on each network of the plan.

Preferred, in this order: what the node has already, a hint, the same host part as on the admin network, the first free one.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from . import reasons
from .attributes import admin_network
from .model import Allocation, Kind, Node
from .plan import Network, Plan
from .reasons import Reason
from .work import Work


def allocate_addresses(w: Work, node: Node) -> Reason | None:
    """Set an address aside on every network that has a `host` range (`admin` for the admin node, where there is one)."""
    plan: Plan | None = w.plan
    if plan is None:
        return reasons.no_plan()
    first = admin_network(w)
    for name in sorted(plan.networks, key=lambda n: (n != first, n)):
        network = plan.networks[name]
        kind = "admin" if node.kind is Kind.ADMIN and "admin" in network.ranges else "host"
        if name == "bmc" or kind not in network.ranges or (node.id, name) in w.address_of:
            continue
        address = _choose(w, node, network, kind, first)
        if address is None:
            return reasons.pool_empty(range=kind, network=name, size=len(network.ranges[kind]))
        w.put(Allocation(address=address, network=name, range=kind, node=node.id))
    return None


def _choose(w: Work, node: Node, network: Network, kind: str, first: str) -> str | None:
    pool = network.ranges[kind]
    hint = w.attributes.get(("hint", node.id, f"{network.name}-address"))
    if hint is not None and hint.value in pool and hint.value not in w.allocations:
        return str(hint.value)
    admin = w.address_of.get((node.id, first))
    if admin is not None and w.plan is not None:
        part = int(IPv4Address(admin)) - int(IPv4Network(w.plan.networks[first].subnet).network_address)
        same = str(IPv4Network(network.subnet).network_address + part)
        if same in pool and same not in w.allocations:
            return same
    ours = (network.router, w.plan.site.admin.address if w.plan is not None else "")
    number, last = int(IPv4Address(pool.first)), int(IPv4Address(pool.last))
    for n in range(number, last + 1):
        address = f"{n >> 24}.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"
        if address not in w.allocations and address not in w.leases and address not in ours:
            return address
    return None
