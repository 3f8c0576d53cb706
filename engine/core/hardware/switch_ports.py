"""What the plan wants of a switch's ports, from its networks, the nodes' links and the cables. Pure.

Rules
* The ports are those of the nodes whose roles require the switch (`port_table.ROLE`): each link of each network on which the node has an
  address. Where a link ends says LLDP. If nothing is heard on it, the plan's cable of the link says it.
* A network's VLAN is tagged, as the node's role makes it. A network without a VLAN is untagged, and the port's untagged VLAN stays as it
  is, unless `switch-untagged` names one for that network.
* The BMC's cable of the node's place carries the VLAN of the networks with the conduit `bmc` untagged: BMCs get no VLAN of their own here.
* The links of a bond are a group on the switch if its mode needs one: LACP for 802.3ad (IEEE 802.1AX), static for balance-rr, balance-xor
  and broadcast. The other modes need nothing of the switch (Documentation/networking/bonding.rst, section 5).
* A group whose links end on two switches is left alone, with the reason: the peering of the two (MLAG) is not in the plan.
* Two nodes that seem to end in one port are left alone too: one of them is wrong, and the table cannot say which.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct, to_builtins
from msgspec.structs import replace

from ...definitions import Json
from ...model import Kind, Node
from ...plan import BondMode, Network, Plan
from ...reasons import Reason
from ..plan.links import BMC, bond_name, bond_of
from ..world.view import View
from .conduits import TELLERS, Port, cables_at, of_network
from .device_ids import device_id
from .inventory import inventory_of
from .neighbours import CableEnd, Cables, heard_by_nic
from .own_port import ADMIN, own_port
from .port_names import canonical_port, natural, same_switch
from .port_table import ROLE, LagMode, OwnPath, PortWish, WantedPorts

_GROUPS: dict[BondMode, LagMode] = {"802.3ad": "lacp", "balance-rr": "static", "balance-xor": "static", "broadcast": "static"}
"""Mode of a bond -> the group that it needs on the switch."""
_DESCRIPTION = 60
"""Most characters of a port's description: the shortest limit among the vendors of `engine.switches` is 63."""


class _End(Struct, frozen=True):
    """Where a link ends."""

    device: str
    """Id of the device. Empty: the plan knows only its name."""
    switch: str
    port: str
    why: str


def wanted_ports(view: View, device: Node, untagged: Mapping[str, int]) -> WantedPorts:
    """The table of one switch. `untagged`: network without a VLAN -> the switch's VLAN for it."""
    wishes: list[tuple[str, PortWish]] = []
    left: dict[str, str] = {}
    children = view.children.get((device.id, ROLE)) or ()
    for node_id in dict.fromkeys(key[0] for key in children):
        node = view.nodes.get(node_id)
        if node is not None and node.kind is Kind.SERVER:
            mine, apart = _known(view, node, device, untagged)
            wishes += [(node.name, one) for one in mine]
            left |= apart
    ports: dict[str, tuple[str, PortWish]] = {}
    for name, wish in wishes:
        key = canonical_port(wish.port)
        if key in ports and ports[key][0] != name:
            left[wish.port] = f"{ports[key][0]} and {name} both seem to end there"
        ports[key] = (name, wish)
    barred = {canonical_port(port) for port in left}
    table = [wish for key, (_, wish) in ports.items() if key not in barred]
    table.sort(key=lambda one: natural(one.port))
    return WantedPorts(ports=tuple(table), left=dict(sorted(left.items())), own=_own(view, device))


def as_json(view: View, device: Node, untagged: Json) -> Json:
    """The attribute `switch-ports-wanted`. None for a node that is not a device."""
    if device.kind is not Kind.DEVICE:
        return None
    named = untagged if isinstance(untagged, dict) else {}
    return to_builtins(wanted_ports(view, device, {name: vlan for name, vlan in named.items() if isinstance(vlan, int)}))


def _known(view: View, node: Node, device: Node, untagged: Mapping[str, int]) -> tuple[tuple[PortWish, ...], dict[str, str]]:
    """The node's ports on this switch, and those that are left alone. Kept until something that they follow from changes: one node of many
    changes at a time, and the table of its switch is made anew."""
    told = [role.gave if role is not None else None for role in (view.node_roles.get((node.id, one)) for one in TELLERS)]
    on = tuple(name for name in view.plan.networks if (node.id, name) in view.address_of) if view.plan is not None else ()
    seen = (node.name, node.place, node.boot_mac, device.name, on, tuple(sorted(untagged.items())))
    kept = view.memo.setdefault("switch-wishes", {})
    memo = kept.get((node.id, device.id))
    if memo is not None and memo[0] == seen and all(a is b for a, b in zip(memo[1], told, strict=True)):
        return memo[2], memo[3]
    left: dict[str, str] = {}
    wishes = tuple(_of_node(view, node, device, untagged, left))
    kept[node.id, device.id] = (seen, told, wishes, left)
    return wishes, left


def _of_node(view: View, node: Node, device: Node, untagged: Mapping[str, int], left: dict[str, str]) -> Iterable[PortWish]:
    """The node's ports on this switch."""
    plan = view.plan
    if plan is None:
        return
    ends = _ends(view, node, plan)
    found: dict[str, PortWish] = {}
    for network in sorted(plan.networks.values(), key=lambda one: not one.conduit):  # a link has a better name than a boot port
        if (node.id, network.name) not in view.address_of or network.conduit == BMC:
            continue
        ports = of_network(view, node, network)
        here = [] if isinstance(ports, Reason) else [(port, end) for port in ports if (end := ends.get(port.name)) is not None]
        lag, mode, apart = _group(node, network, [end for _, end in here])
        for port, end in here:
            if not _is(device, end):
                continue
            if apart:
                left[end.port] = apart
                continue
            old = found.get(end.port) or PortWish(port=end.port, why=end.why, description=_described(node, port))
            found[end.port] = replace(_joined(old, network, untagged), lag=lag or old.lag, mode=mode or old.mode)
    cable = cables_at_bmc(plan, node)
    for network in plan.networks.values() if cable else ():
        switch, _, number = cable.partition(":")
        if network.conduit == BMC and network.vlan and same_switch(switch, device.name):
            found[number] = PortWish(port=number, untagged=network.vlan, why="plan", description=f"{_label(node)} bmc"[:_DESCRIPTION])
    yield from (one for one in found.values() if one.port not in left)


def _joined(old: PortWish, network: Network, untagged: Mapping[str, int]) -> PortWish:
    """The port with one network more."""
    if network.vlan:
        return replace(old, tagged=tuple(sorted({*old.tagged, network.vlan})))
    return replace(old, untagged=untagged.get(network.name, 0) or old.untagged)


def _group(node: Node, network: Network, ends: list[_End]) -> tuple[str, LagMode, str]:
    """Name and mode of the group of the network's links; and why they can have none on this switch."""
    bond = bond_of(network)
    mode = _GROUPS.get(bond.mode, "") if bond is not None else ""
    if not mode or not network.conduit:
        return "", "", ""
    name = f"{_label(node)} {bond_name(network.conduit)}"
    switches = sorted({end.device or end.switch for end in ends})
    if len(switches) > 1:
        names = " and ".join(sorted({end.switch for end in ends}))
        return "", "", f"{name} ({bond.mode if bond is not None else ''}) ends on {names}: set up the group of both (MLAG) by hand"
    return name, mode, ""


def _ends(view: View, node: Node, plan: Plan) -> dict[str, _End]:
    """NIC -> where its link ends: as it hears, or as the plan has it."""
    told, cables = inventory_of(view, node.id), cables_at(plan, node.place)
    owners = view.memo.get("cables")
    if owners is None:
        owners = view.memo["cables"] = Cables(plan)
    heard = heard_by_nic(told.neighbours, owners, here=frozenset(cables.values()))
    out = {nic: _End(device_id(end.chassis), end.switch, end.port, "lldp") for nic, end in heard.items() if _usable(end)}
    for network in plan.networks.values():
        ports = of_network(view, node, network)
        for port in () if isinstance(ports, Reason) else ports:
            cable = cables.get(port.link, "")
            if port.name not in out and cable:
                switch, _, number = cable.partition(":")
                out[port.name] = _End("", switch, number, "plan")
    return out


def _usable(end: CableEnd) -> bool:
    return bool(end.switch and end.port and end.chassis)


def _is(device: Node, end: _End) -> bool:
    return end.device == device.id if end.device else same_switch(end.switch, device.name)


def cables_at_bmc(plan: Plan, node: Node) -> str:
    """`switch:port` of the BMC of the node's place. Empty: the plan has none."""
    for rack in plan.racks if node.place is not None else ():
        for one in rack.places:
            if node.place is not None and (rack.name, one.unit) == (node.place.rack, node.place.unit):
                return one.cables.get(BMC, "")
    return ""


def _described(node: Node, port: Port) -> str:
    return f"{_label(node)} {port.link if port.link != 'boot' else port.name}"[:_DESCRIPTION]


def _label(node: Node) -> str:
    return node.name.split(".")[0]


def _own(view: View, device: Node) -> OwnPath:
    """The engine's own way through this switch."""
    admin, own = view.nodes.get(ADMIN), own_port(view)
    macs = admin.here.macs if admin is not None and admin.here is not None else ()
    port = own.port if own is not None and own.switch and own.chassis and device_id(own.chassis) == device.id else ""
    return OwnPath(port=port, macs=tuple(sorted(macs)))
