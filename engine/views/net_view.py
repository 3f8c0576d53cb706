"""Networks with their ranges and how full they are, and all addresses in use. Pure.

An address is in use if it is allocated, leased, or a BMC's: a BMC may have it from its own settings or from another DHCP server.
"""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address, IPv4Network

from msgspec import Struct

from ..core.plan.links import bond_of
from ..core.plan.v6 import prefix
from ..core.world.world import World
from ..model import Node
from ..plan import Network


class RangeView(Struct, frozen=True, kw_only=True):
    name: str
    first: str
    last: str
    size: int
    used: int


class NetworkView(Struct, frozen=True, kw_only=True):
    name: str
    subnet: str
    router: str
    vlan: int
    carried: str
    """What carries it, in words. Empty: the plan does not say."""
    v6: str
    """Its /64. `auto`: not known before the engine's next start. Empty: none."""
    strangers: str
    ranges: tuple[RangeView, ...]
    deployment: str = ""
    """The deployment that owns it. Empty: nobody does."""
    outside: int = 0
    """Addresses in use outside its ranges."""


class AddressRow(Struct, frozen=True, kw_only=True):
    address: str
    network: str
    kind: str
    """`fixed`; `bmc`: of a BMC, from its own settings; or the state of a lease: `offered`, `bound`, `declined`."""
    node: str
    """Name of the node. Empty: not a node."""
    mac: str
    until: float
    """Engine time at which a lease ends; 0 for a fixed one."""


def networks(world: World) -> tuple[NetworkView, ...]:
    if world.plan is None:
        return ()
    used: dict[str, set[int]] = {}
    for lease in world.leases.values():
        used.setdefault(lease.network, set()).add(int(IPv4Address(lease.address)))
    for allocation in world.allocations.values():
        if ":" not in allocation.address:
            used.setdefault(allocation.network, set()).add(int(IPv4Address(allocation.address)))
    for name, address, _ in _bmcs(world):
        used.setdefault(name, set()).add(int(address))
    out = []
    for network in world.plan.networks.values():
        mine = used.get(network.name, set())
        ranges = []
        spans = [range(int(IPv4Address(one.first)), int(IPv4Address(one.last)) + 1) for one in network.ranges.values()]
        for name, one in network.ranges.items():
            first, last = int(IPv4Address(one.first)), int(IPv4Address(one.last))
            ranges.append(RangeView(name=name, first=one.first, last=one.last, size=len(one), used=sum(first <= a <= last for a in mine)))
        out.append(
            NetworkView(
                name=network.name,
                subnet=network.subnet,
                router=network.router,
                vlan=network.vlan,
                carried=_carried(network),
                v6=str(prefix(world, network) or network.v6prefix),
                strangers=network.strangers,
                ranges=tuple(ranges),
                deployment=network.deployment,
                outside=len(mine) - sum(any(a in span for span in spans) for a in mine),
            )
        )
    return tuple(out)


def _bmcs(world: World) -> list[tuple[str, IPv4Address, Node]]:
    """Network, address and node of each BMC with an address in a network of the plan."""
    subnets = [(name, IPv4Network(one.subnet)) for name, one in (world.plan.networks.items() if world.plan is not None else ())]
    out = []
    for node in world.nodes.values():
        try:
            address = IPv4Address(node.bmc.address if node.bmc is not None else "")
        except AddressValueError:
            continue  # none, or a name
        network = next((name for name, subnet in subnets if address in subnet), "")
        if network:
            out.append((network, address, node))
    return out


def _carried(network: Network) -> str:
    bond = bond_of(network)
    parts = [network.conduit, bond.mode if bond is not None else "", network.bridge, f"mtu {network.mtu}" if network.mtu else ""]
    return " ".join(part for part in parts if part)


def addresses(world: World) -> tuple[AddressRow, ...]:
    """Fixed addresses, leases and other addresses of BMCs, by network and number."""
    rows = []
    for a in world.allocations.values():
        node = world.nodes.get(a.node)
        rows.append(AddressRow(address=a.address, network=a.network, kind="fixed", node=node.name if node else a.node, mac="", until=0.0))
    for lease in world.leases.values():
        owner = world.nodes.get(world.macs.get(lease.mac, ""))
        name = owner.name if owner is not None else ""
        rows.append(
            AddressRow(address=lease.address, network=lease.network, kind=lease.state, node=name, mac=lease.mac, until=lease.expires)
        )
    known = {r.address for r in rows}
    for network, number, node in _bmcs(world):
        mac = node.bmc.mac if node.bmc is not None else ""
        if str(number) not in known:
            rows.append(AddressRow(address=str(number), network=network, kind="bmc", node=node.name, mac=mac, until=0.0))
    return tuple(sorted(rows, key=lambda r: (r.network, _number(r.address))))


def _number(address: str) -> tuple[int, int]:
    return (0, int(IPv4Address(address))) if ":" not in address else (1, 0)
