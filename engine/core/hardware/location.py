"""Where a machine stands: rack and unit, each with the source that tells it. Pure, but for `take_up`.

| source | tells it by | strength |
|---|---|---|
| `label`, `person` | the attribute `location` (`crowbar node place`) | 1 |
| `port` | LLDP: the plan's cables that end in the switch ports that the machine hears | 2 |
| `relay` | the port of its BMC, by DHCP option 82 | 3 |
| `slot` | its chassis says in which slot it is, and the plan's place has that slot among its outlets | 4 |
| `table` | the switch's table of addresses, where LLDP is silent | 5 |
| `outlet` | the plan's machine has the outlets of a place | 6 |

The strongest one counts. Another one that says another place is a contradiction, which a person must look at: the label, the cable or the
plan is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from ... import reasons
from ...model import Kind, Node, Place
from ...plan import Plan
from ...reasons import Reason
from ..boot.junk import swapped
from ..roles.attributes import of_node
from ..world.view import View
from ..world.work import Work
from .bmc import expected
from .inventory import inventory_of, lenient
from .neighbours import Cables, Neighbour, spelt
from .port_names import natural
from .port_table import FDB_ROLE
from .slots import serials_and_uuids, slots_of
from .switch_tables import ports_of_macs

ATTRIBUTE = "location"


class Placed(Struct, frozen=True, kw_only=True):
    """One source, and what it says."""

    place: Place
    source: str
    shown: str = ""
    """By what: `tor1:swp7`, `pdu1/7`. Empty: the source says it all."""

    @property
    def words(self) -> str:
        by = f"{self.source} {self.shown}".strip()
        return f"{self.place.rack} unit {self.place.unit} by {by}"


class _Entered(Struct, frozen=True, kw_only=True):
    """The attribute `location`."""

    rack: str = ""
    unit: int = 0
    by: str = "person"


def placed(view: View, node: Node, neighbours: Iterable[Neighbour] | None = None) -> tuple[Placed, ...]:
    """All that is known, the strongest first. `neighbours`: instead of those of the last listening."""
    if node.kind is not Kind.SERVER:
        return ()
    return tuple(_sources(view, node, neighbours))


def contradiction(view: View, node: Node) -> Reason | None:
    """Two sources that say different places. None: they agree, or there is one."""
    if node.kind is not Kind.SERVER or view.plan is None:
        return None
    found = placed(view, node)
    other = next((one for one in found[1:] if one.place != found[0].place), None)
    return None if other is None else reasons.place_contradiction(node=node.name, first=found[0].words, second=other.words)


def take_up(w: Work, node: Node, neighbours: Iterable[Neighbour] | None = None) -> Node:
    """Gives the node the place that counts now. If nothing says one, it keeps what it has."""
    found = placed(w, node, neighbours)
    if found and found[0].place != node.place:
        w.put_node(node := replace(node, place=found[0].place))
    return node


def seen_by_switch(w: Work, macs: Iterable[str]) -> None:
    """A switch told where it sees these MACs."""
    for name in dict.fromkeys(w.macs[mac] for mac in macs if mac in w.macs):
        take_up(w, w.nodes[name])


def seen_by_chassis(w: Work, told: object) -> None:
    """A chassis told which machines are in its slots."""
    serials, uuids = serials_and_uuids(told)
    both = {one for uuid in uuids for one in (uuid, swapped(uuid))}
    known = {one for serial in serials for one in w.serials.get(serial) or ()} | {one for uuid in both for one in w.uuids.get(uuid) or ()}
    for name in sorted(known):
        take_up(w, w.nodes[name])


def _sources(view: View, node: Node, neighbours: Iterable[Neighbour] | None) -> Iterator[Placed]:
    entered = lenient(of_node(view, node, ATTRIBUTE), _Entered)
    if entered is not None and entered.rack and entered.unit:
        yield Placed(place=Place(rack=entered.rack, unit=entered.unit), source=entered.by)
    plan = view.plan
    if plan is None:
        return
    owners: Cables | None = view.memo.get("cables")
    if owners is None:
        owners = view.memo["cables"] = Cables(plan)
    heard = neighbours if neighbours is not None else inventory_of(view, node.id).neighbours
    yield from _by_ports(owners, (spelt(one, owners).cable for one in heard), "port")
    seen = view.sightings.get(node.bmc.mac) if node.bmc is not None and node.bmc.mac else None
    if seen is not None and seen.port:
        switch, _, port = seen.port.partition(":")
        yield from _by_ports(owners, [owners.spelling(switch, port)], "relay")
    for slot in slots_of(view, node):
        yield from _by_feed(plan, [slot], "slot")
    if view.bound.get(FDB_ROLE):
        tables = ports_of_macs(view)
        known = (tables[mac] for mac in node.macs if mac in tables)
        yield from _by_ports(owners, (owners.spelling(one.switch, one.port) for one in known), "table")
    yield from _by_outlet(view, node, plan)


def _by_ports(owners: Cables, cables: Iterable[str], source: str) -> Iterator[Placed]:
    """The place with most links in these ports, and among equals the one of the first link by name."""
    links: dict[tuple[str, int], list[tuple[tuple[tuple[str, int], ...], str]]] = {}
    for cable in cables:
        owner = owners.owner.get(cable)
        if owner is not None:
            rack, unit, link = owner
            links.setdefault((rack, unit), []).append((natural(link), cable))
    if links:
        (rack, unit), mine = min(links.items(), key=lambda item: (-len(item[1]), min(item[1]), item[0][1], item[0][0]))
        yield Placed(place=Place(rack=rack, unit=unit), source=source, shown=min(mine)[1])


def _by_outlet(view: View, node: Node, plan: Plan) -> Iterator[Placed]:
    machine = expected(view, node)
    if machine is not None and machine.outlets:
        yield from _by_feed(plan, machine.outlets, "outlet")


def _by_feed(plan: Plan, outlets: Iterable[str], source: str) -> Iterator[Placed]:
    """The places that these outlets, or slots of a chassis, feed."""
    fed = {outlet: Place(rack=rack.name, unit=one.unit) for rack in plan.racks for one in rack.places for outlet in one.outlets}
    found: dict[Place, str] = {}
    for outlet in outlets:
        if outlet in fed:
            found.setdefault(fed[outlet], outlet)
    yield from (Placed(place=place, source=source, shown=outlet) for place, outlet in found.items())
