"""Which ports test their cables with each other in a burn-in. Pure.

The nodes stand in a ring, in the order of their ids. Each node sends to the two next ones: port by port, over the addresses that IPv6
gives each port by itself (RFC 4291, 2.5.6), so a cable is tested and not a route. Two partners tell whose cable is at fault: a cable that
loses frames to both is the node's own.

Each node sends, and each of its ports serves one sender at a time. So no direction of a cable carries two tests, and both directions of
each cable are tested: the one by the node itself, the other by those before it in the ring.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv6Address

from msgspec import Struct
from msgspec.structs import asdict

from ...definitions import Json
from ...model import Mac, Node, State
from ..world.view import View
from .conduits import bus_order
from .inventory import inventory_of
from .neighbours import CableEnd, Cables, heard_by_nic

SERVER = "burn-in-server"
PARTNERS = 2


class CablePort(Struct, frozen=True, kw_only=True):
    """A port with a link, and its cable."""

    node: str
    name: str
    mac: Mac
    address: str
    """Its link-local IPv6 address."""
    speed: int
    """Mbit/s of the link."""
    switch: str = ""
    """What it hears by LLDP. Empty: nothing."""
    port: str = ""


def link_local(mac: Mac) -> str:
    """The address that a kernel makes of a MAC: the modified EUI-64 (RFC 4291, appendix A). Empty for no Ethernet address."""
    octets = [int(part, 16) for part in mac.split(":")] if mac else []
    if len(octets) != 6:
        return ""
    return str(IPv6Address(bytes((0xFE, 0x80, *(0,) * 6, octets[0] ^ 2, octets[1], octets[2], 0xFF, 0xFE, *octets[3:]))))


def after(mine: str, ids: Sequence[str]) -> list[str]:
    """The others in the order of the ring: those behind `mine`, then those before it."""
    return [*sorted(one for one in ids if one > mine), *sorted(one for one in ids if one < mine)]


def partners(own: Sequence[CablePort], others: Sequence[Sequence[CablePort]]) -> list[list[CablePort]]:
    """For each of the node's ports, its partners on the next nodes, at most two. A partner is on the same switch, if both hear one; and has
    the same number among the ports there."""
    return [[found for other in others if (found := _match(port, own, other)) is not None][:PARTNERS] for port in own]


def _match(port: CablePort, own: Sequence[CablePort], other: Sequence[CablePort]) -> CablePort | None:
    there = [one for one in other if one.switch == port.switch]
    here = [one for one in own if one.switch == port.switch]
    if not there:
        there, here = list(other), list(own)
    number = here.index(port)
    return there[number] if number < len(there) else None


def cable_ports(view: View, node: Node) -> list[CablePort]:
    """The node's ports that have a link, in the order of the bus."""
    told = inventory_of(view, node.id)
    heard = heard_by_nic(told.neighbours, Cables(view.plan))
    out = []
    for nic in sorted(told.ethernet, key=bus_order):
        address = link_local(nic.mac)
        if nic.link and address:
            end = heard.get(nic.name, CableEnd("", "", ""))
            name = node.name.partition(".")[0]
            out.append(CablePort(node=name, name=nic.name, mac=nic.mac, address=address, speed=nic.speed, switch=end.switch, port=end.port))
    return out


def burn_in_peers(view: View, node: Node) -> Json:
    """The attribute `burn-in-peers`. Only nodes that run sledgehammer and serve now are partners."""
    serving = [
        key[0] for key in view.bound.get(SERVER) or () if view.node_roles[key].state is State.ACTIVE and _there(view.nodes.get(key[0]))
    ]
    next_ones = after(node.id, serving)[:PARTNERS]
    own = cable_ports(view, node)
    found = partners(own, [cable_ports(view, view.nodes[one]) for one in next_ones])
    ports: list[Json] = [{**asdict(port), "peers": [asdict(one) for one in some]} for port, some in zip(own, found, strict=True)]
    return {"node": node.name.partition(".")[0], "ports": ports}


def _there(node: Node | None) -> bool:
    return node is not None and node.alive and node.runs == "sledgehammer"
