"""The neighbours of a node's ports, and the one that each cable ends in. Pure.

A port may hear LLDP (IEEE 802.1AB) from more than the switch at the other end: a telephone with a switch in it, the agent of a NIC's own
firmware, or every machine and switch behind one that forwards the frames and speaks no LLDP itself. Everything is kept and shown; one
neighbour is taken: the plan's switch for this place, then a switch of the plan, then one that looks like a switch.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct

from ...plan import Plan
from .port_names import canonical_port, natural, port_candidates, same_switch

Owner = tuple[str, int, str]
"""Rack, unit and link of a port in the plan."""


class Cables:
    """The ports of the plan, found by any equivalent name."""

    def __init__(self, plan: Plan | None) -> None:
        self.owner: dict[str, Owner] = {}
        """`switch:port` in the plan's spelling -> its owner."""
        self._named: dict[str, list[tuple[str, str]]] = {}
        """Canonical port -> (switch, `switch:port`)."""
        for rack in plan.racks if plan is not None else ():
            for place in rack.places:
                for link, cable in place.cables.items():
                    switch, _, port = cable.partition(":")
                    self.owner[cable] = (rack.name, place.unit, link)
                    self._named.setdefault(canonical_port(port), []).append((switch, cable))

    def spelling(self, switch: str, port: str) -> str:
        """`switch:port` in the plan's spelling. Empty: the plan has no such port, or several that it could be."""
        if not switch or not port:
            return ""
        if f"{switch}:{port}" in self.owner:
            return f"{switch}:{port}"
        here = [(name, cable) for name, cable in self._named.get(canonical_port(port), ()) if same_switch(name, switch)]
        exact = [cable for name, cable in here if name.lower() == switch.lower().rstrip(".")]
        found = set(exact or [cable for _, cable in here])
        return found.pop() if len(found) == 1 else ""


class Neighbour(Struct, frozen=True, kw_only=True):
    """One neighbour on one port, as LLDP told it."""

    nic: str = ""
    chassis: str = ""
    port: str = ""
    system: str = ""
    port_description: str = ""
    port_kind: str = ""
    """Subtype of the port's id (IEEE 802.1AB section 8.5.3), by lldpd's name."""
    capabilities: tuple[str, ...] | None = None
    """Those that are enabled, by lldpd's names. None: nothing that a switch would not report too."""

    @property
    def can(self) -> frozenset[str] | None:
        """The capabilities in lower case."""
        return frozenset(one.lower() for one in self.capabilities) if self.capabilities is not None else None


class CableEnd(Struct, frozen=True):
    """What a cable ends in."""

    switch: str
    port: str
    chassis: str
    others: tuple[str, ...] = ()

    @property
    def cable(self) -> str:
        return f"{self.switch}:{self.port}" if self.switch else ""


def spelt(neighbour: Neighbour, owners: Cables) -> CableEnd:
    """Switch and port in the plan's spelling if the plan knows them; otherwise unchanged."""
    system, chassis, port = neighbour.system, neighbour.chassis, neighbour.port
    kind = neighbour.port_kind or ("mac" if _MAC.fullmatch(port.lower()) else "")
    ports = port_candidates(port, neighbour.port_description, kind)
    for port in ports:
        cable = owners.spelling(system or chassis, port)
        if cable:
            switch, _, number = cable.partition(":")
            return CableEnd(switch, number, chassis)
    return CableEnd(system or chassis, ports[0] if ports else "", chassis)


_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_FORWARDS = frozenset({"bridge", "router"})
_ENDS = frozenset({"telephone", "tel", "station", "wlan", "docsis"})
"""Capabilities (IEEE 802.1AB table 8-4), also by lldpd's names."""


def _is_switch(neighbour: Neighbour) -> bool:
    """True if it forwards between machines, as far as it reports."""
    can = neighbour.can
    return can is None or (bool(can & _FORWARDS) and not can & {"telephone", "tel"})


_BETWEEN = " as well: is there a switch between that speaks no LLDP?"


def _worth(neighbour: Neighbour, cable: str, owners: Cables, own: frozenset[str], here: frozenset[str]) -> tuple[int, str]:
    """Rank of a neighbour among those on one port (the lowest is taken), and what it is, in words."""
    can = neighbour.can
    if neighbour.chassis.lower() in own or neighbour.port.lower() in own:
        return 9, "a port of a server"
    if cable in here:
        return 0, "the plan's switch for this node"
    if cable in owners.owner:
        return 1, "a switch of the plan"
    if can is None:
        named = neighbour.system or not _MAC.fullmatch(neighbour.port.lower())
        return (2, "a switch") if named else (3, "it says neither its name nor its port's")
    if can & {"telephone", "tel"}:
        return 5, "a telephone"
    if can & _FORWARDS:
        return 2, "a switch"
    return 6, "an end station" if not can or can & _ENDS else "no switch"


def heard_by_nic(
    neighbours: Iterable[Neighbour], owners: Cables, own: frozenset[str] = frozenset(), here: frozenset[str] = frozenset()
) -> dict[str, CableEnd]:
    """NIC -> the neighbour that its cable ends in. `own`: MACs of all servers; `here`: the plan's cables for this place."""
    ranked: dict[str, list[tuple[int, tuple[tuple[str, int], ...], str, CableEnd]]] = {}
    for n in neighbours:
        if n.nic:
            one = spelt(n, owners)
            rank, what = _worth(n, one.cable, owners, own, here)
            ranked.setdefault(n.nic, []).append((rank, natural(one.cable), what, one))
    out: dict[str, CableEnd] = {}
    for nic, some in ranked.items():
        (rank, _, _, best), *rest = sorted(some, key=lambda x: x[:3])
        told = {f"{one.cable} ({what}{_BETWEEN if r == rank <= 2 else ''})" for r, _, what, one in rest}
        out[nic] = CableEnd(best.switch, best.port, best.chassis, tuple(sorted(told)))
    return out


def heard_switches(plan: Plan | None, neighbours: Iterable[Neighbour]) -> dict[str, str]:
    """Chassis id -> name, of the switches that a node hears. Leaves out neighbours that are not switches by their own report (a
    telephone, another server), unless the plan's cables end in them."""
    owners, out = Cables(plan), {}
    for n in neighbours:
        if n.chassis:
            one = spelt(n, owners)
            if one.cable in owners.owner or _is_switch(n):
                out[n.chassis] = one.switch
    return out
