"""IPv6 of the plan's networks: their prefixes, and the address of a node there. Pure.

A prefix `auto` is `fd`, 40 random bits of the installation, and 16 bits that are the network's number (RFC 4193 section 3.1). The random
bits come with the first start of the engine on the store; `network_numbers` gives the number.

A node's interface id is the last 64 bits of the MD5 of its FQDN. So its addresses follow from its name: a node that is renamed has others.
"""

from __future__ import annotations

from hashlib import md5
from ipaddress import IPv6Address, IPv6Network

from ...model import Kind, Node
from ...plan import Network
from ..world.view import View


def prefix(view: View, network: Network) -> IPv6Network | None:
    """The /64 of a network. None: it has no IPv6, or `auto` is not known before the engine's next start."""
    if network.v6prefix != "auto":
        return IPv6Network(network.v6prefix) if network.v6prefix else None
    number = view.meta.networks.get(network.name)
    if number is None or not view.meta.v6:
        return None
    return IPv6Network(((0xFD << 120) | (int(view.meta.v6, 16) << 80) | (number << 64), 64))


def v6_address(view: View, node: Node, network: str) -> str:
    """The node's address on a network of the plan. Empty: the network has no IPv6."""
    one = view.plan.networks.get(network) if view.plan is not None else None
    there = prefix(view, one) if one is not None else None
    if one is None or there is None or view.plan is None:
        return ""
    taken = {IPv6Address(one.router_v6)} if one.router_v6 else set()
    admin = view.nodes.get("admin")
    if admin is not None and node.kind is not Kind.ADMIN:
        taken.add(_address(there, fqdn(view, admin), taken))
    return str(_address(there, fqdn(view, node), taken))


def fqdn(view: View, node: Node) -> str:
    """`hostname` and `domain` of a node."""
    domain = view.plan.site.domain if view.plan is not None else ""
    return f"{node.name.split('.')[0]}.{domain}".lower()


def _address(there: IPv6Network, name: str, taken: set[IPv6Address]) -> IPv6Address:
    """Interface id 0 is every router's (RFC 4291 section 2.6.1). One that is taken is counted up."""
    part = int.from_bytes(md5(name.encode(), usedforsecurity=False).digest()[8:], "big")
    while part == 0 or there[part] in taken:
        part = (part + 1) % (1 << 64)
    return there[part]
