"""The place and the cables of each node, from what its links hear (LLDP, IEEE 802.1AB) and from the plan's cable list.

Rules
* A link is an edge from a node's port to a switch's port, with its source and the wall time at which it was heard. It ages until the
  node listens again. A switch that is heard is a node of kind device (`devices`). A switch that only the plan knows is a row here.
* Each cable of the plan, and each port that is heard, gets one word:

    right     the port that the plan has for this link
    swapped   a port that the plan has for another link or another place
    missing   the plan has a cable here and the link is down
    silent    the plan has a cable here, and nothing tells where it ends: the link is up without LLDP, or it is a BMC's
    unknown   a port that is not in the plan, or a node without a known place

* The plan names links by speed and number (`1g0`, `10g1`). The n-th port of the machine, in the kernel's order, has number n. If a place
  has links of several speeds, each speed counts its own ports. A port without a link has no speed: it gets the remaining number.
* A node cannot hear LLDP from its BMC. The BMC's port is known if it asks for its address by DHCP through a relay that reports the port
  (option 82: circuit id, and remote id for the switch). Otherwise its cable is silent.

* Where nothing is heard, a switch's table of addresses may say where the port's MAC is (`switch_tables`). Such a link has the source
  `table`, and says how old that is.
* A port may hear more than one neighbour: a phone with a switch in it, the LLDP sender in a NIC's own firmware, two switches behind one
  that speaks no LLDP. One is taken (`neighbours`), and the link names the others and the reason.

Names of ports and switches are compared as in `port_names`: `Gi1/0/4` is `GigabitEthernet1/0/4`, `tor1` is `tor1.example.net`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Literal

from msgspec import Struct, field
from msgspec.structs import replace

from ...model import Kind, Node, Place
from ...plan import Plan
from ..world.world import World
from .inventory import inventory_of
from .neighbours import CableEnd, Cables, Neighbour, heard_by_nic, spelt
from .optics import Optics, Reading, reading
from .own_port import OwnPort, own_port
from .port_names import natural
from .switch_tables import TablePort, ports_of_macs

Check = Literal["right", "swapped", "missing", "silent", "unknown"]
_LINK = re.compile(r"(\d+)g(\d+)")


class Link(Struct, frozen=True, kw_only=True):
    """A port of a node, its neighbour, and the verdict."""

    node: str
    nic: str
    link: str
    """Name in the plan (`1g0`). Empty: the plan has none for it."""
    switch: str
    port: str
    """The neighbour. Empty: none."""
    plan: str
    """`switch:port` in the plan. Empty: none."""
    check: Check
    why: str
    """What is wrong, in words. Empty: nothing."""
    up: bool
    source: str = "lldp"
    """`lldp`, `relay` (DHCP option 82), or `table` (the switch's own table of addresses, which is weaker)."""
    at: float = 0.0
    """Wall time at which the node last listened."""
    optics: Reading | None = None
    """What the module of the node's port measures, in words. None: nothing."""
    others: tuple[str, ...] = ()
    """Other neighbours on this port, `switch:port`, with the reason why they were not taken."""

    @property
    def faulty(self) -> str:
        """What the module says that needs a person. Empty: nothing, or the port needs no light: the plan has no cable there."""
        found = self.optics
        due = self.up or bool(self.plan) or (found is not None and found.state == "hot")
        return found.words if found is not None and found.wrong and due else ""


class Switch(Struct, frozen=True, kw_only=True):
    name: str
    chassis: str
    ports_seen: int = field(name="heard")
    """How many of its ports a node has heard."""
    at: float
    """Wall time of the newest. 0: only the plan has it."""
    device: str = ""
    """Name of its device node, if there is one."""


class Topology(Struct, frozen=True, kw_only=True):
    switches: tuple[Switch, ...]
    links: tuple[Link, ...]
    checks: dict[str, int]
    """Check -> number of links."""
    here: OwnPort | None = None
    """Where the engine itself is plugged in; `links` has that cable too. None: the engine has not looked."""


class _Port(Struct, frozen=True):
    nic: str
    speed: int
    up: bool
    optics: Optics | None = None
    mac: str = ""


def topology(world: World) -> Topology:
    """The whole rack: links by switch and port, and the plan's links that were not heard."""
    plan = world.plan
    owners = Cables(plan)
    own = frozenset(world.macs)
    tables = ports_of_macs(world)
    links: list[Link] = []
    chassis: dict[str, str] = {}
    nodes = sorted((n for n in world.nodes.values() if n.kind is Kind.SERVER), key=lambda n: n.id)
    at_place = {(n.place.rack, n.place.unit): _label(n.name) for n in nodes if n.place is not None}
    for node in nodes:
        listened = world.node_roles.get((node.id, "lldp"))
        told = inventory_of(world, node.id)
        if listened is None or not told.told("neighbours"):
            continue
        ports = [_Port(nic.name, nic.speed, nic.link, nic.optics, nic.mac.lower()) for nic in told.ethernet]
        heard = heard_by_nic(told.neighbours, owners, own, frozenset(_cables(plan, node.place).values()))
        for name, one in heard.items():
            chassis[one.switch] = chassis.get(one.switch) or one.chassis
            if all(port.nic != name for port in ports):
                ports.append(_Port(name, 0, True))
        links += _links(node, plan, ports, heard, owners, at_place, listened.ended, tables)
        links += _bmc_link(world, node, plan, owners, at_place, listened.ended, tables)
    here = own_port(world, nodes)
    if here is not None and here.switch:
        chassis[here.switch] = chassis.get(here.switch) or here.chassis
        links.append(_own_link(here))
    names = sorted({x.switch for x in links if x.switch} | _planned_switches(plan), key=natural)
    devices = {_label(n.name): n.name for n in world.nodes.values() if n.kind is Kind.DEVICE}
    switches = []
    for name in names:
        on = [x for x in links if x.switch == name]
        switches.append(
            Switch(
                name=name,
                chassis=chassis.get(name, ""),
                ports_seen=len({x.port for x in on}),
                at=max((x.at for x in on), default=0.0),
                device=devices.get(_label(name), ""),
            )
        )
    links.sort(key=lambda x: (natural(x.switch or x.plan.partition(":")[0] or "~"), natural(x.port or x.plan.partition(":")[2]), x.node))
    checks = {"right": 0, "swapped": 0, "missing": 0, "silent": 0, "unknown": 0} | Counter(x.check for x in links)
    return Topology(switches=tuple(switches), links=tuple(links), checks=checks, here=here)


def _own_link(here: OwnPort) -> Link:
    """The admin node's own cable. It is where the engine is, so it is wrong only if the plan wants another machine's cable there."""
    why = f"you are here; the plan wants {here.wanted} in this port" if here.wanted else "you are here: this machine runs the engine"
    check: Check = "unknown" if here.wanted else "right"
    return Link(node=here.node, nic=here.interface, link="", switch=here.switch, port=here.port, plan="", check=check, why=why, up=True)


def _label(name: str) -> str:
    return name.split(".")[0]


def _planned_switches(plan: Plan | None) -> set[str]:
    racks = plan.racks if plan is not None else ()
    cables = (c for rack in racks for place in rack.places for c in place.cables.values())
    return {cable.partition(":")[0] for cable in cables}


def _links(
    node: Node,
    plan: Plan | None,
    ports: list[_Port],
    heard: dict[str, CableEnd],
    owners: Cables,
    at_place: dict[tuple[str, int], str],
    at: float,
    tables: dict[str, TablePort],
) -> list[Link]:
    cables = _cables(plan, node.place)
    named = link_names(ports, cables)
    out: list[Link] = []
    for port in ports:
        link = named.get(port.nic, "")
        wanted = cables.get(link, "")
        end, seen = heard.get(port.nic, CableEnd("", "", "")), None
        if not end.switch and port.mac in tables:
            seen = tables[port.mac]
            end = _spelt_end(seen, owners)
        switch, number = end.switch, end.port
        if not switch and not wanted and not port.up:
            continue  # no cable, and none is due
        check, why = _judge(node, port, link, wanted, end.cable, owners, at_place)
        out.append(
            Link(
                node=_label(node.name),
                nic=port.nic,
                link=link,
                switch=switch,
                port=number,
                plan=wanted,
                check=check,
                why=why if seen is None else "; ".join(filter(None, (why, seen.why))),
                up=port.up,
                source="lldp" if seen is None else "table",
                at=at if seen is None else seen.at,
                optics=reading(port.optics),
                others=end.others,
            )
        )
    for link, wanted in cables.items():
        if link not in named.values():
            why = f"the node has no port {link}"
            out.append(
                Link(node=_label(node.name), nic="", link=link, switch="", port="", plan=wanted, check="missing", why=why, up=False, at=at)
            )
    return out


def _spelt_end(seen: TablePort, owners: Cables) -> CableEnd:
    """A table's port in the plan's spelling, if the plan knows it."""
    switch, _, port = (owners.spelling(seen.switch, seen.port) or f"{seen.switch}:{seen.port}").partition(":")
    return CableEnd(switch, port, "")


def _bmc_link(
    world: World,
    node: Node,
    plan: Plan | None,
    owners: Cables,
    at_place: dict[tuple[str, int], str],
    at: float,
    tables: dict[str, TablePort],
) -> list[Link]:
    """The cable of the BMC, if the plan has one for the node's place."""
    wanted = _cables(plan, node.place, bmc=True).get("bmc", "")
    if not wanted:
        return []
    seen = world.sightings.get(node.bmc.mac) if node.bmc is not None and node.bmc.mac else None
    port = _Port("bmc", 0, node.bmc is not None)
    table = tables.get(node.bmc.mac.lower()) if node.bmc is not None and node.bmc.mac else None
    if (seen is None or not seen.port) and table is not None:
        end = _spelt_end(table, owners)
        check, why = _judge(node, port, "bmc", wanted, end.cable, owners, at_place)
        why = "; ".join(filter(None, (why, table.why)))
        found = Link(node=_label(node.name), nic="bmc", link="bmc", switch="", port="", plan=wanted, check=check, why=why, up=True)
        return [replace(found, switch=end.switch, port=end.port, source="table", at=table.at)]
    if seen is None or not seen.port:
        why = "no relay told the port of its BMC (DHCP option 82)" if node.bmc is not None else "no BMC was found"
        return [
            Link(node=_label(node.name), nic="bmc", link="bmc", switch="", port="", plan=wanted, check="silent", why=why, up=port.up, at=at)
        ]
    switch, _, number = _planned_spelling(seen.port, owners).partition(":")
    check, why = _judge(node, port, "bmc", wanted, f"{switch}:{number}", owners, at_place)
    return [
        Link(
            node=_label(node.name),
            nic="bmc",
            link="bmc",
            switch=switch,
            port=number,
            plan=wanted,
            check=check,
            why=why,
            up=True,
            source="relay",
            at=seen.last,
        )
    ]


def _planned_spelling(told: str, owners: Cables) -> str:
    """A relay's `SWITCH:PORT` in the plan's spelling, if the plan knows it. Some relays put both into the circuit id."""
    switch, _, port = told.partition(":")
    inner, _, rest = port.partition(":")
    return owners.spelling(switch, port) or owners.spelling(inner, rest) or told


def _judge(
    node: Node,
    port: _Port,
    link: str,
    wanted: str,
    heard: str,
    owners: Cables,
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
        return "unknown", "the place of the node is not known" if owners.owner else "the plan has no cables"
    owner = owners.owner.get(heard)
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
    """Cables of the place that can be heard, in the order of their names; with `bmc`, the others."""
    if plan is None or place is None:
        return {}
    for rack in plan.racks:
        for one in rack.places:
            if (rack.name, one.unit) == (place.rack, place.unit):
                return {link: one.cables[link] for link in sorted(one.cables, key=natural) if bool(_LINK.fullmatch(link)) != bmc}
    return {}


def link_names(ports: list[_Port], cables: dict[str, str]) -> dict[str, str]:
    """NIC -> link in the plan."""
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


def place_from(plan: Plan, neighbours: Iterable[Neighbour]) -> Place | None:
    """The place whose cables end in the ports that the node hears: the one with most links, and among equals the one of the first
    link by name (so two nodes with swapped second cables each get the place of their first cable, in any order). None: no port of
    the plan was heard."""
    votes: list[tuple[int, tuple[tuple[str, int], ...], int, str]] = []
    owners = Cables(plan)
    heard = {spelt(n, owners).cable for n in neighbours}
    for rack in plan.racks:
        for place in rack.places:
            there = [natural(link) for link, port in place.cables.items() if port in heard]
            if there:
                votes.append((-len(there), min(there), place.unit, rack.name))
    return Place(rack=min(votes)[3], unit=min(votes)[2]) if votes else None
