"""The networks of a node, what carries each, and which ports the links of their conduits became, with the reason. Pure."""

from __future__ import annotations

from ipaddress import IPv4Network

from msgspec import Struct

from ..core.hardware.conduits import Port, of_network
from ..core.plan.links import bond_name, bond_of
from ..core.plan.network_roles import PREFIX
from ..core.plan.v6 import v6_address
from ..core.world.world import World
from ..model import Node
from ..plan import Network
from ..reasons import Reason
from .why import Why, why


class Carrier(Struct, frozen=True, kw_only=True):
    """One network of a node."""

    network: str
    address: str
    """With the prefix length. Empty: the node has none there."""
    v6: str
    """With the prefix length. Empty: the network has no IPv6."""
    conduit: str
    """Empty: the plan does not say."""
    vlan: int
    bond: str
    """Name and mode. Empty: one link."""
    bridge: str
    mtu: int
    links: tuple[Port, ...]
    """Empty: not resolved; `refused` or `found_by` says why."""
    refused: Why | None
    found_by: str
    """How the port is found if `links` is empty. Empty: it is not."""
    state: str
    """Of the role network-NAME. Empty: the node does not have it."""


def carriers(world: World, node: Node, only: str = "") -> tuple[Carrier, ...]:
    """The networks of the node that it has an address or a role for, `admin` first. `only`: this network."""
    plan = world.plan
    names = sorted(plan.networks, key=lambda name: (name != "admin", name)) if plan is not None else []
    out = []
    for name in names:
        role = world.node_roles.get((node.id, PREFIX + name))
        if plan is not None and only in ("", name) and (role is not None or (node.id, name) in world.address_of):
            out.append(_carrier(world, node, plan.networks[name], role.state.value if role is not None else ""))
    return tuple(out)


def _carrier(world: World, node: Node, network: Network, state: str) -> Carrier:
    address, v6, bond = world.address_of.get((node.id, network.name)), v6_address(world, node, network.name), bond_of(network)
    ports = of_network(world, node, network)
    links = ports if not isinstance(ports, Reason) else ()
    return Carrier(
        network=network.name,
        address=f"{address}/{IPv4Network(network.subnet).prefixlen}" if address else "",
        v6=f"{v6}/64" if v6 else "",
        conduit=network.conduit,
        vlan=network.vlan,
        bond=f"{bond_name(network.conduit)} {bond.mode}" if bond is not None else "",
        bridge=network.bridge,
        mtu=network.mtu,
        links=links,
        refused=why(ports) if isinstance(ports, Reason) else None,
        found_by=_found_by(network) if not links and not isinstance(ports, Reason) else "",
        state=state,
    )


def _found_by(network: Network) -> str:
    if network.conduit == "bmc":
        return "only the BMC is on this network"
    if network.conduit:
        return "the node has reported no ports yet"
    return "the plan names no conduit, so the role looks for a port on the node"


def carrier_words(one: Carrier) -> str:
    """What carries the network: `10g0,10g1 as bond10g0 802.3ad, VLAN 200, bridge br0, mtu 9000`."""
    on = one.conduit or ("the boot port" if one.links else "no conduit")
    parts = [f"{on} as {one.bond}" if one.bond else on]
    parts += [f"VLAN {one.vlan}"] if one.vlan else []
    parts += [f"bridge {one.bridge}"] if one.bridge else []
    return ", ".join([*parts, *([f"mtu {one.mtu}"] if one.mtu else [])])
