"""The engine's own path to the rack: what ends or cuts it is refused, with the reason. Pure.

The path is
* this machine. A record of another kind may describe it too: a store that came from another admin node knows it as a server or as a joined
  machine. It is recognised by its UUID, serial or MACs, and a joined machine by its address as well.
* the switch in whose port this machine's cable ends (`own_port`), if it is a node.
* the node that routes between this machine and the admin or BMC network, if the plan has such a router.
* this machine's own address: the plan's admin network must hold it.

Traps: what is not known protects nothing. Without LLDP the switch is unknown, and in a rack without an interface all of it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from ... import reasons
from ...here import Here
from ...model import Kind, Mac, Node, Place
from ...plan import Network, Plan
from ...reasons import Reason
from ..boot.identity import identify, swapped
from ..roles.attributes import admin_network
from ..world.view import View
from .device_ids import device_id
from .neighbours import Cables
from .own_port import ADMIN, own_port

BMC_NETWORK = "bmc"


def is_this_machine(view: View, node: Node) -> str:
    """What shows that this record is the machine on which the engine runs: `MAC 52:54:00:00:00:01`. Empty: nothing does."""
    admin = view.nodes.get(ADMIN)
    if node.kind is Kind.DEVICE or admin is None or admin.here is None:
        return ""
    if node.id == ADMIN:
        return "it runs the engine"
    if node.kind is Kind.JOINED and node.address and _has(_own(admin.here.addresses), node.address):
        return f"address {node.address}"
    return shown_here(view, node.uuid, node.serial, node.macs)


def shown_here(view: View, uuid: str, serial: str, macs: tuple[Mac, ...]) -> str:
    """What a machine shows that this machine shows too, as above. Two UUIDs or serials that differ are two machines, although both show a
    MAC: a card was moved. Makers' defaults and what the site declared shared say nothing."""
    admin = view.nodes.get(ADMIN)
    here = admin.here if admin is not None else None
    if here is None or not (_ends(here.uuid, uuid) or _ends(here.serial, serial) or not set(macs).isdisjoint(here.macs)):
        return ""
    ours, theirs = (identify(one.uuid, one.serial, one.macs, view.meta.shared) for one in (here, Here(uuid=uuid, serial=serial, macs=macs)))
    if ours is None or theirs is None:
        return ""
    if ours.uuid and theirs.uuid:
        return f"UUID {ours.uuid}" if theirs.uuid in (ours.uuid, swapped(ours.uuid)) else ""
    if ours.serial and theirs.serial:
        return f"serial {ours.serial}" if ours.serial == theirs.serial else ""
    both = sorted(set(ours.macs) & set(theirs.macs))
    return f"MAC {both[0]}" if both else ""


def refusal(view: View, node: Node, what: str) -> Reason | None:
    """Why nobody may do that to the node: it would cut the engine's own path. `what`: `power off`, `reinstall`. None: it would not."""
    shown = is_this_machine(view, node)
    if shown:
        return reasons.own_machine(node=node.name, what=what, shown=shown)
    own = own_port(view)
    if own is None:
        return None
    if node.kind is Kind.DEVICE and own.chassis and node.id == device_id(own.chassis):
        return reasons.own_switch(node=node.name, what=what, interface=own.interface, port=own.port)
    network = _routed_by(view, node)
    return reasons.own_router(node=node.name, what=what, network=network) if network else None


def of_plan(view: View, plan: Plan, nodes: Iterable[Node]) -> Reason | None:
    """Why a plan may not become the goal: this machine would lose its address, or a person its port. A plan that changes nothing about that
    is not refused: the engine already runs with it."""
    admin, old = view.nodes.get(ADMIN), view.plan
    if admin is None or admin.here is None or old is None:
        return None
    own = _own(admin.here.addresses)
    address = plan.site.admin.address
    if own and _has(own, old.site.admin.address) and not _has(own, address):
        return reasons.own_address(address=address, interface=admin.here.interface)
    before, after = (_admin_network(one) for one in (old, plan))
    if before is not None and _holds(before, own) and not (after is not None and _holds(after, own)):
        name = after.name if after is not None else before.name
        return reasons.own_network(network=name, subnet=after.subnet if after is not None else "none", address=str(old.site.admin.address))
    return _own_port(view, old, plan, nodes)


def _own_port(view: View, old: Plan, plan: Plan, nodes: Iterable[Node]) -> Reason | None:
    """Another place's cable would go where this machine is plugged in."""
    own = own_port(view)
    if own is None or not own.switch:
        return None
    cables = Cables(plan)
    cable = cables.spelling(own.switch, own.port)
    owner, was = cables.owner.get(cable), Cables(old).owner.get(cable)
    if owner is None or owner == was:
        return None
    rack, unit, link = owner
    there = Place(rack=rack, unit=unit)
    stands = next((n for n in nodes if n.kind is Kind.SERVER and n.place == there), None)
    if stands is None:
        return None
    return reasons.own_port(cable=cable, interface=own.interface, link=link, node=stands.name, rack=rack, unit=unit)


def _routed_by(view: View, node: Node) -> str:
    """The network that this machine reaches only through the node. Empty: none."""
    admin, plan = view.nodes.get(ADMIN), view.plan
    if plan is None or admin is None or admin.here is None or node.kind not in (Kind.SERVER, Kind.JOINED):
        return ""
    own = _own(admin.here.addresses)
    for name in (admin_network(view), BMC_NETWORK):
        network = plan.networks.get(name)
        if network is None or not network.router or not own or _holds(network, own):
            continue
        allocated = view.allocations.get(network.router)
        if network.router == node.address or (allocated is not None and allocated.node == node.id):
            return name
    return ""


def _ends(ours: str, theirs: str) -> bool:
    """True if they may be one: both byte orders of a UUID end alike. It spares most machines the comparison below."""
    return bool(ours) and ours[-6:].lower() == theirs.strip()[-6:].lower()


def _own(addresses: Iterable[str]) -> list[IPv4Interface]:
    out = []
    for text in addresses:
        try:
            out.append(IPv4Interface(text))
        except ValueError:
            continue
    return out


def _has(own: Iterable[IPv4Interface], address: str) -> bool:
    return any(str(one.ip) == address for one in own)


def _holds(network: Network, own: Iterable[IPv4Interface]) -> bool:
    subnet = IPv4Network(network.subnet)
    return any(IPv4Address(one.ip) in subnet for one in own)


def _admin_network(plan: Plan) -> Network | None:
    """The network of the plan in which its admin node's address is, or the one that is named `admin`."""
    address = plan.site.admin.address
    inside = [n for n in plan.networks.values() if address and IPv4Address(address) in IPv4Network(n.subnet)]
    return inside[0] if inside else plan.networks.get("admin")
