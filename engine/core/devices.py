"""Switches as nodes: a neighbour that is heard on a link becomes a node of kind device, by its LLDP chassis id.

Rules
* A device has the system stage only, no agent and no boots. It is allocated as it appears, so the plan may give it roles (`node:tor1`,
  `on: linked:switch`), carried out by a delegate (jig `device`).
* Its id follows from the chassis id, so that the same switch is the same node whatever it is called, and needs no index. Its name is
  what the plan calls it, else the first label of what it calls itself.
* It has no MAC, UUID or serial of its own here: a frame that anybody can send must not make a server look like a known machine.
* At most DEVICES, for the same cause; more are rows of the topology only, as are switches that the plan alone knows.
"""

from __future__ import annotations

import re
from hashlib import sha256

from msgspec.structs import replace

from ..definitions import Json
from ..model import Kind, Node
from .topology import heard_switches
from .work import Work
from .world import View

DEVICES = 1024
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


def device_id(chassis: str) -> str:
    """`sw-5254ffaabbcc` for a chassis known by its MAC; else the hash of what it says."""
    low = chassis.strip().lower()
    return f"sw-{low.replace(':', '')}" if _MAC.fullmatch(low) else f"sw-{sha256(low.encode()).hexdigest()[:12]}"


def meet(w: Work, neighbours: Json) -> None:
    """Make nodes of the switches among the neighbours, and call them by the name that they have now."""
    for chassis, name in heard_switches(w.plan, neighbours).items():
        if chassis in w.macs:
            continue  # a server that speaks LLDP to its neighbour is no switch
        label = re.sub(r"[^a-z0-9-]+", "-", name.split(".")[0].lower()).strip("-")[:63] or "switch"
        known: Node | None = w.nodes.get(device_id(chassis))
        if known is None:
            _appear(w, device_id(chassis), label)
        elif known.kind is Kind.DEVICE and known.name.split(".")[0] not in (label, f"{label}-{known.id}"):
            w.put_node(replace(known, name=_named(w, known.id, label), since=w.at))


def _appear(w: Work, device: str, label: str) -> None:
    if sum(n.kind is Kind.DEVICE for n in w.all("nodes")) >= DEVICES:
        return
    w.put_node(
        Node(
            id=device, name=_named(w, device, label), kind=Kind.DEVICE, family="switch", stage=w.catalog.stages[-1].name, runs="device",
            alive=True, allocated=True, since=w.at,
        )
    )  # fmt: skip


def _named(w: Work, device: str, label: str) -> str:
    owner = w.names.get(label)
    label = label if owner in (None, device) else f"{label}-{device}"
    return f"{label}.{w.plan.site.domain}" if w.plan is not None else label


def linked(view: View, node: Node, kind: str) -> list[Node]:
    """Devices of a kind (`switch`) of which the node heard when it listened last."""
    listened = view.node_roles.get((node.id, "lldp"))
    heard = heard_switches(view.plan, listened.gave.get("neighbours")) if listened is not None else {}
    found = (view.nodes.get(device_id(chassis)) for chassis in heard)
    return sorted((n for n in found if n is not None and n.kind is Kind.DEVICE and n.family == kind), key=lambda n: n.id)


def about(view: View, node: Node) -> dict[str, Json]:
    """What a delegate is told of its device: `device: {name, id, address}`. The address is the one that it had by DHCP last, under its
    chassis MAC; empty: the engine knows none. For other nodes nothing."""
    if node.kind is not Kind.DEVICE:
        return {}
    digits = node.id.removeprefix("sw-")
    seen = view.sightings.get(":".join(digits[i : i + 2] for i in range(0, 12, 2)))
    address = node.address or (seen.address if seen is not None else "")
    return {"device": {"name": node.name.split(".")[0], "id": node.id, "address": address}}
