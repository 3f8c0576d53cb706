"""Joining: an installed machine becomes a node of kind joined. Pure.

The engine has logged in there, and the machine told what it is. Everything that it tells is a claim. The SSH host key is the only proof,
because an operator confirmed it.

Rules
* The engine never makes two nodes of one machine. A joined machine is known by more than a server: its UUID, serial, MACs, SSH host key and
  address. If a node has any of these, it is that machine, and a person decides. Makers' defaults, and values that the site declared shared,
  say nothing (`boot.junk`, `node split`).
* It is allocated at once: to adopt it was the operator's decision. It has only the system stage and no boots.
* It keeps its address. Where that is in a network of the plan, it is reserved there (`plan.addresses`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import AddressValueError, IPv4Address

from msgspec.structs import replace

from ... import reasons
from ...events import Join
from ...model import SSH_PORT, Intent, Kind, Mac, Node
from ...reasons import Reason
from ...wire.ssh_fingerprint import fingerprint
from ..boot import leases
from ..boot.identity import Identity, holder, identify
from ..hardware.own_path import shown_here
from ..plan.bind import give_addresses
from ..plan.joined import ssh_at
from ..plan.rebind import rebind
from ..world.view import View
from ..world.work import Work
from .answers import Answer

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def join(w: Work, event: Join) -> Answer:
    """Adopts the machine. A refusal leaves nothing; the caller drops all changes."""
    refused = why_not(w, w.all(Node), event)
    if refused is not None:
        return refused
    w.put(replace(w.meta, nodes=w.meta.nodes + 1))
    found = _identity(w, event) or Identity(by="macs", uuid="", serial="", macs=())
    node = Node(
        id=f"n{w.meta.nodes}",
        name=_name(w, event, f"n{w.meta.nodes}"),
        kind=Kind.JOINED,
        uuid=found.uuid,
        serial=found.serial,
        macs=found.macs,
        identity="given",
        arch=event.arch,
        stage=w.catalog.stages[-1].name,
        runs=event.system,
        boot_id=event.boot_id,
        address=event.address,
        ssh_port=event.port,
        host_key=event.host_key,
        intent=Intent(environment=event.system),
        alive=True,
        allocated=True,
        since=w.at,
    )
    w.put_node(node)
    _take_ports(w, node.id, found.macs)
    refused = give_addresses(w, node) or rebind(w, [node])
    return refused or f"{node.name} is joined: {event.system} at {ssh_at(node)}"


def why_not(view: View, nodes: Iterable[Node], event: Join) -> Reason | None:
    """Why the machine cannot become a node now. Asked before anything is changed on the machine, too. `nodes`: all of the view."""
    nodes = sorted(nodes, key=lambda one: one.id)
    barred = bad_address(view, nodes, event.address)
    if barred is not None:
        return barred
    if event.name and _LABEL.fullmatch(event.name) is None:
        return reasons.bad_value(what="the name", expected="a host name of lower-case letters, digits and hyphens", value=event.name[:64])
    if shown := shown_here(view, event.uuid, event.serial, event.macs):
        return reasons.own_machine(node=event.address, what="joining it", shown=shown)
    other = view.nodes.get(view.names.get(event.name) or event.name) if event.name else None
    if other is not None:
        return reasons.bad_value(what="the name", expected="one that no node has", value=f"{event.name}, the name of {other.id}")
    found = _identity(view, event)
    same = holder(view, found) if found is not None else None
    if same is not None:
        node, what, value = same
        return reasons.already_node(address=event.address, node=view.nodes[node].name, what=what, value=value)
    for one in nodes:
        if one.host_key and one.host_key.split()[:2] == event.host_key.split()[:2]:
            return reasons.already_node(address=event.address, node=one.name, what="SSH host key", value=fingerprint(one.host_key))
    return None


def endpoint(text: str) -> tuple[str, int] | Reason:
    """Address and SSH port of `ADDRESS` or `ADDRESS:PORT`."""
    if text.count(":") != 1:
        return text, SSH_PORT
    address, _, port = text.partition(":")
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        return reasons.bad_value(what="the port", expected="a number from 1 to 65535", value=port[:64])
    return address, int(port)


def bad_address(view: View, nodes: Iterable[Node], address: str) -> Reason | None:
    """Why no machine can be adopted at this address."""
    try:
        found = IPv4Address(address)
    except AddressValueError:
        return reasons.bad_value(what="the address", expected="an IPv4 address", value=address[:64])
    admin = view.plan.site.admin.address if view.plan is not None else ""
    if found.is_loopback or found.is_multicast or found.is_unspecified or found == IPv4Address(2**32 - 1) or address == admin:
        return reasons.bad_value(what="the address", expected="the address of another machine", value=address)
    allocated = view.allocations.get(address)
    owner = view.nodes.get(allocated.node if allocated is not None else "")
    owner = owner or next((one for one in nodes if one.address == address), None)
    return reasons.address_of_node(address=address, node=owner.name) if owner is not None else None


def _identity(view: View, event: Join) -> Identity | None:
    return identify(event.uuid, event.serial, event.macs, view.meta.shared)


def _name(w: Work, event: Join, node: str) -> str:
    """Its name here. A host name that another node has, or that is none, gets the node's id."""
    own = re.sub(r"[^a-z0-9-]+", "-", event.hostname.split(".")[0].lower()).strip("-")[:48].strip("-") or "joined"
    label = event.name or (own if own not in w.names and own not in w.nodes else f"{own}-{node}")
    return f"{label}.{w.plan.site.domain if w.plan is not None else 'local'}"


def _take_ports(w: Work, node: str, macs: tuple[Mac, ...]) -> None:
    """Its ports may have asked for an address before."""
    for mac in macs:
        seen = w.sightings.get(mac)
        if seen is not None:
            w.put_sighting(replace(seen, node=node, boot=None, reason=None, last=w.at))
    leases.kept(w, macs)
