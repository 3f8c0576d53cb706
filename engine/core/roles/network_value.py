"""The attributes `network` and `network-targets` of a role network-NAME. Pure."""

from __future__ import annotations

from ...definitions import Json
from ...model import ACTIVE, Node, NodeRole
from ...plan import Network
from ...reasons import Reason
from ..boot.patience import deadline_s
from ..hardware.conduits import Port, of_network
from ..plan.links import UNSET_PREFERENCE, bond_name, bond_of, hash_of, preferences
from ..plan.network_roles import PREFIX, network_of
from ..plan.v6 import v6_address
from ..world.view import View

CALL_S = 40.0
"""Seconds within which the engine must call after a change of a node's network, at a patience of 1 or less. Without the call the node takes
the change back."""
TARGETS = 4
"""Most other nodes that a node reaches to verify its network."""
_WAIT = "wait"
_WORDS = ("why", "switch", "port")
"""Keys of a link that only say how it was found."""
_USUAL: dict[str, tuple[Json, ...]] = {
    "preference": (0, UNSET_PREFERENCE),
    "mtu": (0,),
    "v6": (None,),
    "conduit": ("",),
    "bond": (None,),
    "bridge": ("",),
}
"""Key -> its values in a network that uses nothing of what it stands for."""


def network_value(view: View, node: Node, name: str) -> Json:
    """The network, the node's addresses there, and what carries it. None: the node has no address there."""
    plan = view.plan
    network = plan.networks.get(name) if plan is not None else None
    address = view.address_of.get((node.id, name))
    if plan is None or network is None or address is None:
        return None
    ports = of_network(view, node, network)
    v6 = v6_address(view, node, name)
    return {
        "name": name,
        "address": address,
        "mask": network.mask,
        "subnet": network.subnet,
        "router": network.router,
        "preference": preferences(plan).get(name, 0),
        "vlan": network.vlan,
        "mtu": network.mtu,
        "v6": {"address": v6, "prefix": 64, "router": network.router_v6} if v6 else None,
        "conduit": network.conduit,
        "links": [] if isinstance(ports, Reason) else [_link(port) for port in ports],
        "bond": _bond(network),
        "bridge": network.bridge,
        _WAIT: round(max(CALL_S, deadline_s(view, CALL_S))),
    }


def counted(value: Json) -> Json:
    """What of such a value makes the role run again. Not how links were found, nor which port the node booted from, nor how
    long the node waits for the engine. Nor what says no more than an earlier version of this program said, so that an upgrade runs nothing
    again."""
    if not isinstance(value, dict) or not isinstance(value.get("links"), list):
        return value
    links = [{key: one[key] for key in one if key not in _WORDS} for one in value["links"] if isinstance(one, dict)]
    said = {key: one for key, one in value.items() if key not in ("links", _WAIT) and not (key in _USUAL and one in _USUAL[key])}
    return said | {"links": links} if value.get("conduit") and links else said


def network_targets(view: View, node: Node, role: NodeRole) -> Json:
    """Other nodes that have the network: the admin node, then the next ones in the order of their ids."""
    name, plan = network_of(role.role), view.plan
    network = plan.networks.get(name) if plan is not None else None
    if plan is None or network is None:
        return []
    out: list[Json] = []
    admin = view.nodes.get("admin")
    if name == "admin" and admin is not None and plan.site.admin.address:
        out.append({"node": admin.name, "address": plan.site.admin.address, "v6": "", "mtu": 0, "switch": "", "port": "", "link": ""})
    active = [key[0] for key in view.bound.get(PREFIX + name) or () if key[0] != node.id and view.node_roles[key].state is ACTIVE]
    for other in [*(one for one in active if one > node.id), *(one for one in active if one < node.id)][:TARGETS]:
        out.append(_target(view, view.nodes[other], network))
    return out


def _target(view: View, node: Node, network: Network) -> Json:
    ports = of_network(view, node, network)
    first = ports[0] if ports and not isinstance(ports, Reason) else None
    return {
        "node": node.name,
        "address": view.address_of.get((node.id, network.name)) or "",
        "v6": v6_address(view, node, network.name),
        "mtu": network.mtu,
        "switch": first.switch if first is not None else "",
        "port": first.port if first is not None else "",
        "link": first.link if first is not None else "",
    }


def _link(port: Port) -> Json:
    return {"link": port.link, "name": port.name, "mac": port.mac, "why": port.why, "switch": port.switch, "port": port.port}


def _bond(network: Network) -> Json:
    bond = bond_of(network)
    if bond is None:
        return None
    rate: dict[str, Json] = {"lacp-rate": bond.lacp_rate} if bond.lacp_rate else {}
    return {"name": bond_name(network.conduit), "mode": bond.mode, "hash": hash_of(bond), "miimon": bond.miimon, **rate}
