"""Which ports of a node the links of the plan's conduits are. Pure.

Rules
* Only Ethernet ports count, in the order of the bus: by PCI address, then by name. A port has the fastest speed that it reported; one that
  reported none and has no link has no speed.
* Cables come first: if the plan has a cable for a link of the node's place, and a port hears that switch port, this port is the link.
* Otherwise a link is the port of its speed with its number. If the sign allows other speeds, all links of the conduit take the first
  speed of which the node has them all: with `+` faster ones, with `-` slower ones, with `?` first the faster and then the slower.
* A port that is another link by its cable gives its number to the port that has that link's number.
* One port is never two links. Exact conduits choose before `+`, `-` and `?`, and each by its name.
* A network without a conduit is on the port that the node booted from, if it is `admin` or has a VLAN. Otherwise it has no port here, and
  its role looks for one on the node.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from msgspec import Struct

from ... import reasons
from ...definitions import Json
from ...model import Mac, Node, Place
from ...plan import SPEEDS, Network, Plan
from ...reasons import Reason
from ..plan.links import LinkName, conduits_of, links_of
from ..world.view import View
from .inventory import Inventory, Nic
from .neighbours import CableEnd, Cables, Neighbour, heard_by_nic, spelt
from .port_names import natural

BOOT = "boot"
"""In place of a link: the port that the node booted from."""
TELLERS = ("inventory", "lldp")
"""Roles that report what a conduit is resolved by."""
_TO_BMC = frozenset({"cdc_ether", "rndis_host"})
"""Drivers of ports that end in the machine's own BMC (DMTF DSP0270, host interface)."""
_PCI = re.compile(r"([0-9a-f]{4,8}):([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])")
_SIGNS = ("", "+", "-", "?")
_NICS = 16
"""Most ports that a reason names."""


class Port(Struct, frozen=True, kw_only=True):
    """The port that a link became."""

    link: str
    """Without a sign. `boot`: the port that the node booted from."""
    name: str
    mac: Mac
    why: str
    switch: str = ""
    """What it hears, by LLDP. Empty: nothing."""
    port: str = ""


class Resolution(Struct, frozen=True):
    conduits: Mapping[str, tuple[Port, ...] | Reason]
    """Conduit -> its links' ports, or why it has none. Empty: the node has reported no ports."""
    boot: tuple[Port, ...]


NOTHING = Resolution({}, ())


class Memo(NamedTuple):
    """A resolution, and what it was computed of."""

    nics: Json
    neighbours: Json
    seen: tuple[str, Place | None, Mac]
    """Name, place and boot port of the node."""
    found: Resolution


def of_network(view: View, node: Node, network: Network) -> tuple[Port, ...] | Reason:
    """The ports of the network's links on the node, in the conduit's order. Empty: not resolved, and its role looks for the port."""
    found = resolution(view, node)
    if network.conduit:
        ports = found.conduits.get(network.conduit, ())
        return ports if isinstance(ports, Reason) else _shared(view, node, network, ports, found.boot) or ports
    return found.boot if network.name == "admin" or network.vlan else ()


def resolution(view: View, node: Node) -> Resolution:
    """All conduits of the plan on this node."""
    inventory, lldp = (view.node_roles.get((node.id, role)) for role in TELLERS)
    if view.plan is None or inventory is None or "nics" not in inventory.gave:
        return NOTHING
    nics, neighbours = inventory.gave["nics"], lldp.gave.get("neighbours") if lldp is not None else None
    kept: dict[str, Memo] = view.memo.setdefault("conduits", {})
    memo = kept.get(node.id)
    seen = (node.name, node.place, node.boot_mac)
    if memo is not None and memo.nics is nics and memo.neighbours is neighbours and memo.seen == seen:
        return memo.found
    told = Inventory({"nics": nics, "neighbours": neighbours})
    cables = view.memo.get("cables")
    if cables is None:
        cables = view.memo["cables"] = Cables(view.plan)
    hearing = Hearing(told.neighbours, cables, cables_at(view.plan, node.place))
    found = resolve(view.plan, node.name.split(".")[0], node.boot_mac, told.ethernet, hearing)
    kept[node.id] = Memo(nics, neighbours, seen, found)
    return found


def cables_at(plan: Plan, place: Place | None) -> dict[str, str]:
    """Link -> `switch:port`, of the links that a port of the place can be."""
    for rack in plan.racks if place is not None else ():
        for one in rack.places:
            if place is not None and (rack.name, one.unit) == (place.rack, place.unit):
                return {link: cable for link, cable in one.cables.items() if link != "bmc"}
    return {}


class Hearing:
    """What the ports of a node hear, and which link that makes of them."""

    def __init__(self, neighbours: Iterable[Neighbour], owners: Cables, cables: Mapping[str, str]) -> None:
        neighbours = tuple(neighbours)
        self.cables = cables
        self.ends: dict[str, CableEnd] = heard_by_nic(neighbours, owners, here=frozenset(cables.values()))
        self.heard: dict[str, set[str]] = {}
        for one in neighbours:
            self.heard.setdefault(one.nic, set()).add(spelt(one, owners).cable)

    def ports(self, nics: Iterable[Nic]) -> dict[str, Nic]:
        """Link -> the port that hears its cable. Of several ports, the first whose cable seems to end there."""
        nics, out, taken = tuple(nics), {}, set[str]()
        for link in sorted(self.cables, key=natural):
            cable = self.cables[link]
            hear = [nic for nic in nics if cable in self.heard.get(nic.name, ()) and nic.name not in taken]
            hear.sort(key=lambda nic: self.ends[nic.name].cable != cable)
            if hear:
                out[link] = hear[0]
                taken.add(hear[0].name)
        return out


def resolve(plan: Plan, node: str, boot_mac: Mac, nics: Iterable[Nic], hearing: Hearing) -> Resolution:
    """The same of parts. `node` is the name for reasons."""
    ports = sorted((nic for nic in nics if nic.mac and nic.driver not in _TO_BMC), key=bus_order)
    work = _Work(node, ports, hearing)
    conduits = conduits_of(plan.networks.values())
    booted = next((nic for nic in ports if nic.mac == boot_mac), None)
    boot = (work.port(BOOT, booted, f"the node booted from it ({boot_mac})"),) if booted is not None else ()
    alone = [one.name for one in plan.networks.values() if _on_boot_port(one)]
    out: dict[str, tuple[Port, ...] | Reason] = {}
    for conduit in sorted(conduits, key=lambda one: (_SIGNS.index(links_of(one)[0].sign), natural(one))):
        out[conduit] = found = work.conduit(conduit)
        names = [port.name for port in found] if not isinstance(found, Reason) else []
        if len(names) > 1 and alone and booted is not None and booted.name in names:
            other = f"the boot port, with network {alone[0]}"
            out[conduit] = reasons.conduit_taken(node=node, conduit=conduit, nic=booted.name, other=other)
    return Resolution(out, boot)


def bus_order(nic: Nic) -> tuple[object, ...]:
    """Sort key: PCI address, then name. Ports on no PCI bus come last."""
    found = _PCI.fullmatch(nic.pci)
    return (0, *(int(part, 16) for part in found.groups()), natural(nic.name)) if found else (1, natural(nic.name))


def speed_of(nic: Nic) -> int:
    """Mbit/s of the class of a port: the fastest that it can, or else the present speed of its link. 0: not known."""
    return nic.fastest or nic.speed


def speed_text(speed: int) -> str:
    """`10g`, `2500m`; `no known speed` for 0."""
    word = next((word for word, mbit in SPEEDS.items() if mbit == speed), f"{speed}m")
    return word if speed else "no known speed"


def _on_boot_port(network: Network) -> bool:
    return not network.conduit and (network.name == "admin" or bool(network.vlan))


def _shared(view: View, node: Node, network: Network, ports: tuple[Port, ...], boot: tuple[Port, ...]) -> Reason | None:
    """Why the network cannot be on the boot port beside the networks that have no conduit."""
    if not boot or [port.name for port in ports] != [boot[0].name] or view.plan is None:
        return None
    for one in view.plan.networks.values():
        if _on_boot_port(one) and one.vlan == network.vlan:
            other = f"the boot port, with network {one.name} and the same VLAN"
            return reasons.conduit_taken(node=node.name.split(".")[0], conduit=network.conduit, nic=boot[0].name, other=other)
    return None


class _Work:
    """The ports of one node, and which of them are links already."""

    def __init__(self, node: str, ports: list[Nic], hearing: Hearing) -> None:
        self.node = node
        self.ports = ports
        self.hearing = hearing
        self.wired = hearing.ports(ports)
        self.link_of = {nic.name: link for link, nic in self.wired.items()}
        self.by_speed: dict[int, list[Nic]] = {}
        for nic in ports:
            if speed_of(nic):
                self.by_speed.setdefault(speed_of(nic), []).append(nic)
        self.dark = [nic.name for nic in ports if not speed_of(nic)]

    def port(self, link: str, nic: Nic, why: str) -> Port:
        end = self.hearing.ends.get(nic.name)
        return Port(link=link, name=nic.name, mac=nic.mac, why=why, switch=end.switch if end else "", port=end.port if end else "")

    def conduit(self, conduit: str) -> tuple[Port, ...] | Reason:
        """The ports of a conduit, which are its links from now on."""
        links = links_of(conduit)
        rest = [link for link in links if link.name not in self.wired]
        out = {link.name: self._wired(link) for link in links if link.name in self.wired}
        taken: tuple[str, str] | None = None
        speeds = self._speeds(rest[0]) if rest else []
        for speed in speeds:
            seats = {link.name: self._seat(link, self.by_speed[speed]) for link in rest}
            found = {name: nic for name, nic in seats.items() if nic is not None}
            held = next((nic.name for nic in found.values() if nic.name in self.link_of), "")
            if len({nic.name for nic in found.values()}) == len(rest) and not held:
                for link in rest:
                    out[link.name] = self.port(link.name, found[link.name], self._why(link, found[link.name], speed))
                    self.link_of[found[link.name].name] = link.name
                return tuple(out[link.name] for link in links)
            taken = taken or ((held, self.link_of[held]) if held else None)
        if not rest:
            return tuple(out[link.name] for link in links)
        if taken is not None:
            return reasons.conduit_taken(node=self.node, conduit=conduit, nic=taken[0], other=taken[1])
        return reasons.no_conduit(node=self.node, conduit=conduit, nics=self._known())

    def _wired(self, link: LinkName) -> Port:
        return self.port(
            link.name, self.wired[link.name], f"it hears {self.hearing.cables[link.name]}, where the plan has the cable of {link.name}"
        )

    def _speeds(self, link: LinkName) -> list[int]:
        """The speeds that the node has and the link may have, the best first."""
        here = sorted(self.by_speed)
        faster = [speed for speed in here if speed > link.speed] if link.sign in ("+", "?") else []
        slower = [speed for speed in reversed(here) if speed < link.speed] if link.sign in ("-", "?") else []
        return [*(speed for speed in here if speed == link.speed), *faster, *slower]

    def _seat(self, link: LinkName, ports: list[Nic]) -> Nic | None:
        """The port with the link's number. One that is another link by its cable gives that number to the port with that link's."""
        number = link.number
        for _ in ports:
            nic = ports[number] if number < len(ports) else None
            other = self.link_of.get(nic.name) if nic is not None else None
            if nic is None or other is None or self.wired.get(other) is not nic:
                return nic
            there = links_of(other)[0]
            if there.speed != link.speed:
                return nic
            number = there.number
        return None

    def _why(self, link: LinkName, nic: Nic, speed: int) -> str:
        here = self.by_speed[speed]
        why = f"port {here.index(nic)} of {speed_text(speed)} in bus order ({nic.pci or 'no PCI address'})"
        if speed != link.speed:
            why += f"; {link.sign} allows that speed"
        if here.index(nic) != link.number:
            why += f"; {here[link.number].name} is {self.link_of[here[link.number].name]} by its cable"
        before = [port.name for port in self.ports[: self.ports.index(nic)] if port.name in self.dark]
        return why + (f"; {', '.join(before[:_NICS])} without a link does not count" if before else "")

    def _known(self) -> str:
        told = [f"{nic.name} ({speed_text(speed_of(nic))})" for nic in self.ports]
        return ", ".join(told[:_NICS]) + (f" and {len(told) - _NICS} more" if len(told) > _NICS else "") or "no Ethernet port"
