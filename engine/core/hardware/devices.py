"""Switches as nodes: a neighbour on a link becomes a node of kind device, by its LLDP chassis id.

Rules
* A device has only the system stage, no agent and no boots. It is allocated as soon as it appears, so the plan may give it roles
  (`node:tor1`, `on: linked:switch`). A delegate runs them (jig `device`).
* Its id follows from the chassis id. So the same switch is the same node under any name, without an index. Its name comes from the plan,
  or is the first label of its own name.
* It has no MAC, UUID or serial of its own here: a frame that anyone can send must not make a server look like a known machine.
* At most DEVICES, for the same reason. Further ones are only rows of the topology, like switches that only the plan knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec.structs import replace

from ...definitions import Json
from ...model import Kind, Node
from ..roles.attributes import admin_network
from ..world.view import View
from ..world.work import Work
from .delegates import carrier, entry, label, place, planned
from .device_ids import device_id
from .inventory import inventory_of
from .neighbours import Neighbour, heard_switches
from .san import sans_of

DEVICES = 1024
PLANNED = ("san", "chassis")
"""Kinds of devices that speak no LLDP: they are nodes because the site's attributes name them."""


def meet(w: Work, neighbours: Iterable[Neighbour]) -> None:
    """Makes nodes of the switches among the neighbours, with their present names."""
    for chassis, name in heard_switches(w.plan, neighbours).items():
        if chassis.lower() in w.macs:
            continue  # a server that speaks LLDP to its neighbour is not a switch
        label = re.sub(r"[^a-z0-9-]+", "-", name.split(".")[0].lower()).strip("-")[:63] or "switch"
        known = w.nodes.get(device_id(chassis))
        if known is None:
            _appear(w, device_id(chassis), label)
        elif known.kind is Kind.DEVICE and known.name.split(".")[0] not in (label, f"{label}-{known.id}"):
            w.put_node(replace(known, name=_named(w, known.id, label), since=w.at))


def meet_planned(w: Work) -> None:
    """Makes nodes of the SANs and chassis that the site's attributes name. Those that are named no longer go, if nothing runs there."""
    wanted = {device: (name, kind) for kind in PLANNED for name, device in planned(w, kind).items()}
    for device, (name, kind) in wanted.items():
        if device not in w.nodes:
            _appear(w, device, name, kind)
    for node in [one for one in w.all(Node) if one.kind is Kind.DEVICE and one.family in PLANNED and one.id not in wanted]:
        if w.holders.get(node.id) is None:
            for key in reversed(w.roles_of.get(node.id) or ()):
                w.drop_role(key)
            w.drop("nodes", node.id)


def _appear(w: Work, device: str, label: str, family: str = "switch") -> None:
    if sum(n.kind is Kind.DEVICE for n in w.all(Node)) >= DEVICES:
        return
    w.put_node(
        Node(
            id=device,
            name=_named(w, device, label),
            kind=Kind.DEVICE,
            family=family,
            stage=w.catalog.stages[-1].name,
            runs="device",
            alive=True,
            allocated=True,
            since=w.at,
        )
    )


def _named(w: Work, device: str, label: str) -> str:
    owner = w.names.get(label)
    label = label if owner in (None, device) else f"{label}-{device}"
    return f"{label}.{w.plan.site.domain}" if w.plan is not None else label


def linked(view: View, node: Node, kind: str) -> list[Node]:
    """Devices of a kind: switches that the node heard when it last listened, and those in which the plan has a cable of its place;
    SANs from which it wants LUNs."""
    if kind == "san":
        sans = [view.nodes.get(one) for one in sorted(sans_of(view, node))]
        return [one for one in sans if one is not None]
    heard = heard_switches(view.plan, inventory_of(view, node.id).neighbours)
    known = {device_id(chassis) for chassis in heard}
    for switch in _planned(view, node):
        owner = view.names.get(switch)
        if owner is not None:
            known.add(owner)
    found = (view.nodes.get(one) for one in known)
    return sorted((n for n in found if n is not None and n.kind is Kind.DEVICE and n.family == kind), key=lambda n: n.id)


def _planned(view: View, node: Node) -> set[str]:
    """The switches of the plan's cables at the node's place, by the first label of their names."""
    place = node.place
    for rack in view.plan.racks if view.plan is not None and place is not None else ():
        for one in rack.places:
            if place is not None and (rack.name, one.unit) == (place.rack, place.unit):
                return {cable.partition(":")[0].split(".")[0].lower() for cable in one.cables.values()}
    return set()


def about(view: View, node: Node) -> dict[str, Json]:
    """What a delegate learns about its device: `device: {name, id, address}`. The address of a switch is the one of `switch-access` in the
    plan, or the last one from DHCP under its chassis MAC; empty: unknown. Nothing for other nodes."""
    if node.kind is not Kind.DEVICE:
        return {}
    if node.family == "switch":
        digits = node.id.removeprefix("sw-")
        seen = view.sightings.get(":".join(digits[i : i + 2] for i in range(0, 12, 2)))
        address = node.address or _set_address(view, node) or (seen.address if seen is not None else "")
    else:
        address = _set_address(view, node) or (_at_carrier(view, node) if node.family == "san" else "")
    return {"device": {"name": label(node), "id": node.id, "address": address}}


def _set_address(view: View, node: Node) -> str:
    """The address that the site's attributes give the device."""
    found = entry(view, node).get("address")
    return found if isinstance(found, str) else ""


def _at_carrier(view: View, device: Node) -> str:
    """Where nodes reach a SAN that has no address of its own: the node that carries it, in the network that its entry names."""
    network = entry(view, device).get("network") or admin_network(view)
    if place(view, device):
        node = carrier(view, device)
        return (view.address_of.get((node.id, str(network))) or "") if node is not None else ""
    return view.plan.site.admin.address if view.plan is not None and network == admin_network(view) else ""
