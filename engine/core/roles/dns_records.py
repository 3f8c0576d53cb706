"""The names of the rack: which DNS zones the plan makes, and which records follow from a node's addresses.

A node is called `LABEL.DOMAIN` on the admin network, and `LABEL.NETWORK.DOMAIN` on each other one. LABEL is the first label of its name,
which no other node has. Each address has a PTR record with the name that belongs to its network.

A record is one line `NAME TYPE DATA`. Names are absolute, in lower case, with the final dot (RFC 1035 section 5.1).

Reverse zones end on octets, so that no delegation without octets (RFC 2317) is needed. They cover the subnet and as little else as
possible: a /22 makes four zones of a /24, a /12 makes 16 zones of a /16, and a /26 makes the zone of its /24. IPv6 networks are a /64, and
each makes one zone.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from ...definitions import Json
from ...model import Node
from ...plan import Plan
from ..hardware.bmc_network import NAME as BMC
from ..plan.v6 import prefix, v6_address
from ..world.view import View

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""A label of a host name (RFC 1123 section 2.1)."""
NAME_LENGTH = 253
"""Most characters of a name, without the final dot (RFC 1035 section 2.3.4)."""


def is_host_name(name: str) -> bool:
    """True for a host name of RFC 1123 in lower case, without the final dot."""
    return len(name) <= NAME_LENGTH and all(_LABEL.fullmatch(label) for label in name.split("."))


def zones(view: View) -> list[str]:
    """The site's zone, then the reverse zones of all networks, sorted; without the final dot. Empty if the domain is no host name."""
    plan = view.plan
    if plan is None or not is_host_name(plan.site.domain):
        return []
    reverse: set[str] = set()
    for network in plan.networks.values():
        reverse.update(reverse_zones(network.subnet))
        v6 = prefix(view, network)
        if v6 is not None:
            reverse.update(reverse_zones(str(v6)))
    return [plan.site.domain, *sorted(reverse - {plan.site.domain})]


def reverse_zones(subnet: str) -> list[str]:
    """The reverse zones of a subnet: at most 128 for IPv4, one for IPv6 (its /64)."""
    if ":" in subnet:
        whole = IPv6Network(subnet, strict=False)
        nibbles = whole.network_address.exploded.replace(":", "")[: whole.prefixlen // 4]
        return [".".join(reversed(nibbles)) + ".ip6.arpa"]
    network = IPv4Network(subnet, strict=False)
    octets = max(1, min(3, -(-network.prefixlen // 8)))
    length = 8 * octets
    whole4 = network if network.prefixlen <= length else network.supernet(new_prefix=length)
    return [_reverse(part.network_address, octets) for part in whole4.subnets(new_prefix=length)]


def _reverse(address: IPv4Address, octets: int) -> str:
    return ".".join(reversed(str(address).split(".")[:octets])) + ".in-addr.arpa"


def host_records(view: View, node: Node, admin_network: str) -> list[str] | None:
    """The records of a node's addresses, by network. None if it has no address, or no name that DNS can have."""
    plan = view.plan
    if plan is None:
        return None
    label = node.name.split(".")[0].lower()
    out: list[str] = []
    for network in sorted(plan.networks):
        address = view.address_of.get((node.id, network))
        name = host_name(label, "" if network == admin_network else network, plan.site.domain)
        if address is not None and name:
            of_bmc = BMC in (network, plan.networks[network].conduit)  # a BMC is given no address of IPv6
            v6 = "" if of_bmc else v6_address(view, node, network)
            out += [*records(name, address), *(records(name, v6) if v6 else ())]
    return out or None


def host_name(label: str, network: str, domain: str) -> str:
    """The name of a node on a network, without the final dot; `network` is empty for the admin network. Empty: no name of RFC 1123."""
    name = ".".join(part for part in (label, network, domain) if part)
    return name if is_host_name(name) else ""


def records(name: str, address: str) -> list[str]:
    """The record of the name, A or AAAA, and the PTR record of the address."""
    if ":" in address:
        v6 = IPv6Address(address)
        return [f"{name}. AAAA {v6.compressed}", f"{v6.reverse_pointer}. PTR {name}."]
    v4 = IPv4Address(address)
    return [f"{name}. A {v4}", f"{v4.reverse_pointer}. PTR {name}."]


def admin_records(plan: Plan, node: Node) -> Json:
    """The records of the admin node's address."""
    name = host_name(node.name.split(".")[0].lower(), "", plan.site.domain)
    return records(name, plan.site.admin.address) if name and plan.site.admin.address else []


def name_servers(view: View) -> tuple[str, ...]:
    """IPv4 addresses of the rack's name servers, for DHCP. Empty while no role names any."""
    role = view.node_roles.get(("admin", "dns-server"))
    given = role.gave.get("dns-servers") if role is not None and role.succeeded else None
    return tuple(one for one in given if isinstance(one, str) and _is_v4(one))[:3] if isinstance(given, list) else ()


def _is_v4(text: str) -> bool:
    try:
        return str(IPv4Address(text)) == text
    except ValueError:
        return False
