"""Where a node stands and how it is cabled, from what its links hear (LLDP, IEEE 802.1AB) and the plan's cable list.

Rules
* A link is an edge from a node's port to a switch's port, with its source and the wall time at which it was heard: it ages until the node
  listens again. A switch that is heard is a node of kind device (`devices`); one that only the plan knows is a row here.
* Each cable of the plan, and each port that is heard, gets one word:

    right     the port that the plan says for this link
    swapped   a port that the plan gives to another link or another place
    missing   the plan has a cable here and the link is down
    silent    the plan has a cable here, and nothing tells where it ends: the link is up and no LLDP was heard on it, or it is a BMC's
    unknown   a port that is not in the plan, or a node whose place is not known

* The plan names links by speed and number (`1g0`, `10g1`). The n-th port of the machine, in the order in which the kernel lists them, is
  number n; where a place has links of several speeds, each speed counts its own ports. A port without a link has no speed: it takes the
  number that is left over.
* A BMC speaks no LLDP that its node could hear. Where it is plugged in is known if it asks for its address by DHCP through a relay that
  tells the port (option 82: circuit id, and remote id for the switch); else its cable is silent.

Traps: switches name their ports differently in `port` and `port_description` (`Ethernet1/16` and `Eth1/16`): either counts. Switches of
one vendor send the full host name, plans have its first label: a label is compared where the plan's name has no dot.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Literal

from msgspec import Struct

from ..definitions import Json
from ..model import Kind, Node, Place
from ..plan import Plan
from .world import World

Check = Literal["right", "swapped", "missing", "silent", "unknown"]
_LINK = re.compile(r"(\d+)g(\d+)")
_DIGITS = re.compile(r"(\d+)")


class Link(Struct, frozen=True, kw_only=True):
    """A port of a node, what is in it, and whether that is right."""

    node: str
    nic: str
    link: str
    """Name in the plan (`1g0`); empty: the plan has none for it."""
    switch: str
    port: str
    """What was heard; empty: nothing."""
    plan: str
    """`switch:port` that the plan says; empty: none."""
    check: Check
    why: str
    """What is wrong, in words; empty where it is right."""
    up: bool
    source: str = "lldp"
    """`lldp`, or `relay` (DHCP option 82)."""
    at: float = 0.0
    """Wall time at which the node listened last."""


class Switch(Struct, frozen=True, kw_only=True):
    name: str
    chassis: str
    heard: int
    """Ports of it on which a node was heard to be."""
    at: float
    """Wall time of the newest; 0: it is only in the plan."""
    device: str = ""
    """Name of the device node that stands for it, if there is one."""


class Topology(Struct, frozen=True, kw_only=True):
    switches: tuple[Switch, ...]
    links: tuple[Link, ...]
    checks: dict[str, int]
    """Check -> number of links."""


class _Port(Struct, frozen=True):
    nic: str
    speed: int
    up: bool


def topology(world: World) -> Topology:
    """Of the whole rack: links by switch and port, and those that were not heard where the plan says that they should be."""
    plan = world.plan
    owners = _owners(plan)
    links: list[Link] = []
    chassis: dict[str, str] = {}
    nodes = sorted((n for n in world.nodes.values() if n.kind is Kind.SERVER), key=lambda n: n.id)
    at_place = {(n.place.rack, n.place.unit): _label(n.name) for n in nodes if n.place is not None}
    for node in nodes:
        listened = world.node_roles.get((node.id, "lldp"))
        if listened is None or "neighbours" not in listened.gave:
            continue
        inventory = world.node_roles.get((node.id, "inventory"))
        ports = _ports(inventory.gave.get("nics") if inventory is not None else None)
        heard = _heard(listened.gave["neighbours"], owners)
        for name, (switch, _, told) in heard.items():
            chassis[switch] = chassis.get(switch) or told
            if all(port.nic != name for port in ports):
                ports.append(_Port(name, 0, True))
        links += _links(node, plan, ports, heard, owners, at_place, listened.ended)
        links += _bmc_link(world, node, plan, owners, at_place, listened.ended)
    names = sorted({x.switch for x in links if x.switch} | _planned_switches(plan), key=natural)
    devices = {_label(n.name): n.name for n in world.nodes.values() if n.kind is Kind.DEVICE}
    switches = []
    for name in names:
        on = [x for x in links if x.switch == name]
        switches.append(
            Switch(
                name=name, chassis=chassis.get(name, ""), heard=len({x.port for x in on}), at=max((x.at for x in on), default=0.0),
                device=devices.get(_label(name), ""),
            )
        )  # fmt: skip
    links.sort(key=lambda x: (natural(x.switch or x.plan.partition(":")[0] or "~"), natural(x.port or x.plan.partition(":")[2]), x.node))
    checks = {"right": 0, "swapped": 0, "missing": 0, "silent": 0, "unknown": 0} | Counter(x.check for x in links)
    return Topology(switches=tuple(switches), links=tuple(links), checks=checks)


def natural(text: str) -> tuple[tuple[str, int], ...]:
    """swp9 before swp10."""
    parts = _DIGITS.split(text)
    return tuple((parts[i], int(parts[i + 1]) if i + 1 < len(parts) else -1) for i in range(0, len(parts), 2))


def _label(name: str) -> str:
    return name.split(".")[0]


_Owner = tuple[str, int, str]
"""Rack, unit and link to which the plan gives a port."""


def _owners(plan: Plan | None) -> dict[str, _Owner]:
    out: dict[str, _Owner] = {}
    for rack in plan.racks if plan is not None else ():
        for place in rack.places:
            out |= {port: (rack.name, place.unit, link) for link, port in place.cables.items()}
    return out


def _planned_switches(plan: Plan | None) -> set[str]:
    racks = plan.racks if plan is not None else ()
    cables = (c for rack in racks for place in rack.places for c in place.cables.values())
    return {cable.partition(":")[0] for cable in cables}


def _ports(nics: Json) -> list[_Port]:
    found = [n for n in nics if isinstance(n, dict)] if isinstance(nics, list) else []
    return [_Port(str(n.get("name", "")), int(n.get("speed") or 0), bool(n.get("link"))) for n in found]


def _spellings(neighbour: dict[str, Json], owners: dict[str, _Owner]) -> tuple[str, str]:
    """Switch and port as the plan spells them, where it knows them in one of their spellings; else as they are."""
    system, port = str(neighbour.get("system", "")), str(neighbour.get("port", ""))
    description = str(neighbour.get("port_description", ""))
    switch = system or str(neighbour.get("chassis", ""))
    for name in (switch, _label(switch)):
        for one in (port, description):
            if one and f"{name}:{one}" in owners:
                return name, one
    return switch, port or description


def _heard(neighbours: Json, owners: dict[str, _Owner]) -> dict[str, tuple[str, str, str]]:
    """NIC -> switch, port and chassis. Of several neighbours on one port (a phone, a hypervisor's bridge) one that the plan
    knows counts, else the last."""
    out: dict[str, tuple[str, str, str]] = {}
    for n in neighbours if isinstance(neighbours, list) else ():
        if isinstance(n, dict) and n.get("nic"):
            switch, port = _spellings(n, owners)
            before = out.get(str(n["nic"]))
            if before is None or f"{before[0]}:{before[1]}" not in owners:
                out[str(n["nic"])] = (switch, port, str(n.get("chassis", "")))
    return out


def _links(
    node: Node,
    plan: Plan | None,
    ports: list[_Port],
    heard: dict[str, tuple[str, str, str]],
    owners: dict[str, _Owner],
    at_place: dict[tuple[str, int], str],
    at: float,
) -> list[Link]:
    cables = _cables(plan, node.place)
    named = link_names(ports, cables)
    out: list[Link] = []
    for port in ports:
        link = named.get(port.nic, "")
        wanted = cables.get(link, "")
        switch, number, _ = heard.get(port.nic, ("", "", ""))
        if not switch and not wanted and not port.up:
            continue  # no cable, and none is due
        check, why = _judge(node, port, link, wanted, f"{switch}:{number}" if switch else "", owners, at_place)
        out.append(
            Link(
                node=_label(node.name), nic=port.nic, link=link, switch=switch, port=number, plan=wanted, check=check, why=why, up=port.up,
                at=at,
            )
        )  # fmt: skip
    for link, wanted in cables.items():
        if link not in named.values():
            why = f"the node has no port {link}"
            out.append(
                Link(node=_label(node.name), nic="", link=link, switch="", port="", plan=wanted, check="missing", why=why, up=False, at=at)
            )
    return out


def _bmc_link(
    world: World, node: Node, plan: Plan | None, owners: dict[str, _Owner], at_place: dict[tuple[str, int], str], at: float
) -> list[Link]:
    """The cable of the BMC, where the plan has one for the node's place."""
    wanted = _cables(plan, node.place, bmc=True).get("bmc", "")
    if not wanted:
        return []
    seen = world.sightings.get(node.bmc.mac) if node.bmc is not None and node.bmc.mac else None
    port = _Port("bmc", 0, node.bmc is not None)
    if seen is None or not seen.port:
        why = "no relay told the port of its BMC (DHCP option 82)" if node.bmc is not None else "no BMC was found"
        return [
            Link(node=_label(node.name), nic="bmc", link="bmc", switch="", port="", plan=wanted, check="silent", why=why, up=port.up, at=at)
        ]
    switch, _, number = _planned_spelling(seen.port, owners).partition(":")
    check, why = _judge(node, port, "bmc", wanted, f"{switch}:{number}", owners, at_place)
    return [
        Link(
            node=_label(node.name), nic="bmc", link="bmc", switch=switch, port=number, plan=wanted, check=check, why=why, up=True,
            source="relay", at=seen.last,
        )
    ]  # fmt: skip


def _planned_spelling(told: str, owners: dict[str, _Owner]) -> str:
    """`SWITCH:PORT` of a relay as the plan spells it, where it knows it; some relays put both into the circuit id."""
    switch, _, port = told.partition(":")
    for one in (told, f"{_label(switch)}:{port}", port):
        if one in owners:
            return one
    return told


def _judge(
    node: Node,
    port: _Port,
    link: str,
    wanted: str,
    heard: str,
    owners: dict[str, _Owner],
    at_place: dict[tuple[str, int], str],
) -> tuple[Check, str]:
    if heard and heard == wanted:
        return "right", ""
    if not heard:
        state = "the link is up, no LLDP was heard" if port.up else "the link is down: no cable, or it ends in nothing"
        if wanted:
            return "silent" if port.up else "missing", state
        return ("unknown", f"not in the plan; {state}")
    if node.place is None:
        return "unknown", "the place of the node is not known" if owners else "the plan has no cables"
    owner = owners.get(heard)
    if owner is None:
        return "unknown", f"not in the plan; {link} should be in {wanted}" if wanted else "not in the plan"
    rack, unit, theirs = owner
    if (rack, unit) == (node.place.rack, node.place.unit):
        whose = f"its own {theirs}"
    else:
        other = at_place.get((rack, unit))
        whose = f"{theirs} of {other or 'the node'} in {rack} unit {unit}"
    return "swapped", f"that port is for {whose}" + (f"; plan says {wanted}" if wanted else "")


def _cables(plan: Plan | None, place: Place | None, bmc: bool = False) -> dict[str, str]:
    """Cables of the place that can be heard, in the order of their names; or, with `bmc`, the other ones."""
    if plan is None or place is None:
        return {}
    for rack in plan.racks:
        for one in rack.places:
            if (rack.name, one.unit) == (place.rack, place.unit):
                return {link: one.cables[link] for link in sorted(one.cables, key=natural) if bool(_LINK.fullmatch(link)) != bmc}
    return {}


def link_names(ports: list[_Port], cables: dict[str, str]) -> dict[str, str]:
    """NIC -> link of the plan."""
    by_speed: dict[int, list[tuple[int, str]]] = {}
    for link in cables:
        found = _LINK.fullmatch(link)
        if found:
            by_speed.setdefault(int(found[1]), []).append((int(found[2]), link))
    if len(by_speed) == 1:
        (numbers,) = by_speed.values()
        return {ports[n].nic: link for n, link in numbers if n < len(ports)}
    out: dict[str, str] = {}
    for speed, numbers in sorted(by_speed.items()):
        mine = [port for port in ports if port.speed // 1000 == speed]
        out |= {mine[n].nic: link for n, link in numbers if n < len(mine)}
    left = [port for port in ports if port.speed == 0 and port.nic not in out]
    rest = [link for link in cables if link not in out.values()]
    return out | {port.nic: link for port, link in zip(left, rest, strict=False)}


def place_from(plan: Plan, neighbours: Json) -> Place | None:
    """The place whose cables end in the ports that the node hears, by most links, and where those are as many, by the first of them by name
    (two nodes whose second cables are swapped are each where their first one says, in whatever order they hear); None: no port of the
    plan was heard."""
    votes: list[tuple[int, tuple[tuple[str, int], ...], int, str]] = []
    owners = _owners(plan)
    found = [n for n in neighbours if isinstance(n, dict)] if isinstance(neighbours, list) else []
    heard = [":".join(_spellings(n, owners)) for n in found]
    for rack in plan.racks:
        for place in rack.places:
            there = [natural(link) for link, port in place.cables.items() if port in heard]
            if there:
                votes.append((-len(there), min(there), place.unit, rack.name))
    return Place(rack=min(votes)[3], unit=min(votes)[2]) if votes else None


def heard_switches(plan: Plan | None, neighbours: Json) -> dict[str, str]:
    """Chassis id -> name, of the switches that a node hears."""
    owners, out = _owners(plan), {}
    for n in neighbours if isinstance(neighbours, list) else ():
        if isinstance(n, dict) and isinstance(n.get("chassis"), str) and n["chassis"]:
            out[n["chassis"]] = _spellings(n, owners)[0]
    return out
